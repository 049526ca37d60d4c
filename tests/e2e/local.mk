# end-to-end tests: pytest, see scripts/test
EXTRA_DIST += tests/data tests/e2e tests/lib/exim.py tests/lib/inside.py tests/lib/postfix.py tests/lib/posternd.py \
	tests/lib/testca.py tests/pytest.ini
