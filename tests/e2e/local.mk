# end-to-end tests: pytest, see scripts/test
EXTRA_DIST += tests/e2e tests/lib/posternd.py tests/pytest.ini
