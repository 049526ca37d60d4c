# the config and the parent's ports
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_bind
check_PROGRAMS += tests/unit/test_config
check_PROGRAMS += tests/unit/test_logpipe
endif
tests_unit_test_bind_SOURCES = tests/unit/test_bind.c
tests_unit_test_bind_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_bind_LDADD = daemon/parent/libparent.a daemon/config/libconf.a $(UNIT_LIBS) \
	$(CONFIG_LIBS)
tests_unit_test_config_SOURCES = tests/unit/test_config.c
tests_unit_test_config_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_config_LDADD = daemon/config/libconf.a $(UNIT_LIBS) $(CONFIG_LIBS)
tests_unit_test_logpipe_SOURCES = tests/unit/test_logpipe.c
tests_unit_test_logpipe_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_logpipe_LDADD = daemon/parent/libparent.a daemon/core/libcore.a $(UNIT_LIBS) \
	$(EVENT_LIBS) $(OPENSSL_LIBS)
