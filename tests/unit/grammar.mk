# unit tests of the grammars: bytes in, values out
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_domain \
	tests/unit/test_mailaddr \
	tests/unit/test_netaddr \
	tests/unit/test_sender_rules
endif

tests_unit_test_domain_SOURCES = tests/unit/test_domain.c
tests_unit_test_domain_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_domain_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_mailaddr_SOURCES = tests/unit/test_mailaddr.c
tests_unit_test_mailaddr_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_mailaddr_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_netaddr_SOURCES = tests/unit/test_netaddr.c
tests_unit_test_netaddr_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netaddr_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)

tests_unit_test_sender_rules_SOURCES = tests/unit/test_sender_rules.c
tests_unit_test_sender_rules_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_sender_rules_LDADD = $(UNIT_LIBS) $(IDN2_LIBS)
