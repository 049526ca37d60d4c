# unit tests of daemon/core
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_link tests/unit/test_sandbox
endif

tests_unit_test_link_SOURCES = tests/unit/test_link.c
tests_unit_test_link_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_link_LDADD = daemon/core/libcore.a common/libcommon.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(CMOCKA_LIBS)

tests_unit_test_sandbox_SOURCES = tests/unit/test_sandbox.c
tests_unit_test_sandbox_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_sandbox_LDADD = daemon/core/libcore.a $(UNIT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS)
