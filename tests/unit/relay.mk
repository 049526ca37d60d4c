# tests of the relay role
EXTRA_DIST += tests/lib/fakehost.py tests/lib/test_fakehost.py
