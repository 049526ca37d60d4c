# tests of the accounts role, and of the pool it brought
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_accounts_api \
	tests/unit/test_accounts_db \
	tests/unit/test_accounts_proof \
	tests/unit/test_accounts_sasl \
	tests/unit/test_accounts_tell \
	tests/unit/test_choices \
	tests/unit/test_guessing \
	tests/unit/test_pool \
	tests/unit/test_lease \
	tests/unit/test_lease_model \
	tests/unit/test_presence \
	tests/unit/test_presets \
	tests/unit/test_providers \
	tests/unit/test_seal \
	tests/unit/test_verifier
endif
ACCOUNTS_LIBS = daemon/accounts/libaccounts.a daemon/core/libcore.a daemon/config/libconf.a \
	common/libcommon.a $(CMOCKA_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS) $(SQLITE_LIBS) \
	$(CONFIG_LIBS) $(GSASL_LIBS) $(JANSSON_LIBS) $(IDN2_LIBS)
ACCOUNTS_FIXTURE = tests/unit/accounts_fixture.c tests/unit/accounts_fixture.h

tests_unit_test_accounts_api_SOURCES = tests/unit/test_accounts_api.c $(ACCOUNTS_FIXTURE)
tests_unit_test_accounts_api_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_accounts_api_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_accounts_db_SOURCES = tests/unit/test_accounts_db.c tests/unit/accounts_v1.h
tests_unit_test_accounts_db_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_accounts_db_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_accounts_proof_SOURCES = tests/unit/test_accounts_proof.c $(ACCOUNTS_FIXTURE)
tests_unit_test_accounts_proof_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_accounts_proof_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_accounts_sasl_SOURCES = tests/unit/test_accounts_sasl.c $(ACCOUNTS_FIXTURE)
tests_unit_test_accounts_sasl_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_accounts_sasl_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_accounts_tell_SOURCES = tests/unit/test_accounts_tell.c $(ACCOUNTS_FIXTURE)
tests_unit_test_accounts_tell_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_accounts_tell_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_choices_SOURCES = tests/unit/test_choices.c $(ACCOUNTS_FIXTURE)
tests_unit_test_choices_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_choices_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_guessing_SOURCES = tests/unit/test_guessing.c
tests_unit_test_guessing_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_guessing_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_pool_SOURCES = tests/unit/test_pool.c
tests_unit_test_pool_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pool_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_lease_SOURCES = tests/unit/test_lease.c
tests_unit_test_lease_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lease_LDADD = daemon/smtpd/libsmtpd.a $(ACCOUNTS_LIBS)

tests_unit_test_lease_model_SOURCES = tests/unit/test_lease_model.c
tests_unit_test_lease_model_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lease_model_LDADD = daemon/smtpd/libsmtpd.a $(ACCOUNTS_LIBS)

tests_unit_test_presence_SOURCES = tests/unit/test_presence.c
tests_unit_test_presence_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_presence_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_presets_SOURCES = tests/unit/test_presets.c $(ACCOUNTS_FIXTURE)
tests_unit_test_presets_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_presets_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_providers_SOURCES = tests/unit/test_providers.c
tests_unit_test_providers_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_providers_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_seal_SOURCES = tests/unit/test_seal.c
tests_unit_test_seal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_seal_LDADD = $(ACCOUNTS_LIBS)

tests_unit_test_verifier_SOURCES = tests/unit/test_verifier.c
tests_unit_test_verifier_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_verifier_LDADD = $(ACCOUNTS_LIBS)
