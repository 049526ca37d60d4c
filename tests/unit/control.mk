# unit tests of daemon/control and ctl
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_control_api \
	tests/unit/test_control_compose \
	tests/unit/test_control_routes \
	tests/unit/test_ctl_args \
	tests/unit/test_ctl_readable \
	tests/unit/test_ctl_table
endif

tests_unit_test_control_api_SOURCES = tests/unit/test_control_api.c
tests_unit_test_control_api_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_control_api_LDADD = \
	daemon/control/libcontrol.a daemon/core/libcore.a $(UNIT_LIBS) \
	$(EVENT_LIBS) $(JANSSON_LIBS)

tests_unit_test_control_compose_SOURCES = tests/unit/test_control_compose.c
tests_unit_test_control_compose_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_control_compose_LDADD = \
	daemon/control/libcontrol.a $(UNIT_LIBS) $(JANSSON_LIBS)

tests_unit_test_control_routes_SOURCES = tests/unit/test_control_routes.c
tests_unit_test_control_routes_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_control_routes_LDADD = daemon/control/libcontrol.a $(UNIT_LIBS)

tests_unit_test_ctl_args_SOURCES = tests/unit/test_ctl_args.c
tests_unit_test_ctl_args_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ctl_args_LDADD = ctl/libctl.a $(UNIT_LIBS) $(JANSSON_LIBS)

tests_unit_test_ctl_readable_SOURCES = tests/unit/test_ctl_readable.c
tests_unit_test_ctl_readable_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ctl_readable_LDADD = ctl/libctl.a $(UNIT_LIBS) $(JANSSON_LIBS)

tests_unit_test_ctl_table_SOURCES = tests/unit/test_ctl_table.c
tests_unit_test_ctl_table_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ctl_table_LDADD = ctl/libctl.a $(UNIT_LIBS) $(JANSSON_LIBS)
