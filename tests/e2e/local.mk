# end-to-end tests: pytest, see scripts/test
EXTRA_DIST += tests/data tests/e2e tests/lib/dovecot.py tests/lib/exim.py tests/lib/inside.py tests/lib/opensmtpd.py \
	tests/lib/fakepop.py tests/lib/popgate.py tests/lib/postfix.py tests/lib/posternd.py tests/lib/server.py tests/lib/testca.py tests/pytest.ini
