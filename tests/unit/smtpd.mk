# unit tests of daemon/smtpd
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_auth_offer \
	tests/unit/test_data \
	tests/unit/test_ebb \
	tests/unit/test_grants \
	tests/unit/test_listener \
	tests/unit/test_user_limits
endif

SMTPD_UNIT_LIBS = \
	daemon/smtpd/libsmtpd.a \
	daemon/core/libcore.a \
	common/libcommon.a \
	$(EVENT_LIBS) $(OPENSSL_LIBS) $(IDN2_LIBS) $(CMOCKA_LIBS)

tests_unit_test_data_SOURCES = tests/unit/test_data.c
tests_unit_test_data_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_data_LDADD = $(SMTPD_UNIT_LIBS)

tests_unit_test_ebb_SOURCES = tests/unit/test_ebb.c
tests_unit_test_ebb_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ebb_LDADD = $(SMTPD_UNIT_LIBS)

tests_unit_test_grants_SOURCES = tests/unit/test_grants.c
tests_unit_test_grants_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_grants_LDADD = $(SMTPD_UNIT_LIBS)

tests_unit_test_listener_SOURCES = tests/unit/test_listener.c
tests_unit_test_listener_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_listener_LDADD = $(SMTPD_UNIT_LIBS)

tests_unit_test_user_limits_SOURCES = tests/unit/test_user_limits.c
tests_unit_test_user_limits_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_user_limits_LDADD = $(SMTPD_UNIT_LIBS)
tests_unit_test_auth_offer_SOURCES = \
	tests/unit/test_auth_offer.c \
	tests/dialogue/world.c \
	tests/dialogue/world.h
tests_unit_test_auth_offer_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_auth_offer_LDADD = $(DIALOGUE_SMTPD_LIBS) $(CMOCKA_LIBS)
