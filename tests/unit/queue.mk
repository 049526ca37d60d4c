# unit tests of daemon/queue
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_queue_backoff \
	tests/unit/test_queue_budget \
	tests/unit/test_queue_caps \
	tests/unit/test_queue_copies \
	tests/unit/test_queue_dsn \
	tests/unit/test_queue_due \
	tests/unit/test_queue_flow \
	tests/unit/test_queue_hostile \
	tests/unit/test_queue_history \
	tests/unit/test_queue_idmap \
	tests/unit/test_queue_journal \
	tests/unit/test_queue_model \
	tests/unit/test_queue_notices \
	tests/unit/test_queue_power \
	tests/unit/test_queue_report \
	tests/unit/test_queue_role \
	tests/unit/test_queue_ways \
	tests/unit/test_queue_week \
	tests/unit/test_queue_scan \
	tests/unit/test_queue_settlement \
	tests/unit/test_queue_shares \
	tests/unit/test_queue_shrink \
	tests/unit/test_queue_spares \
	tests/unit/test_queue_store \
	tests/unit/test_queue_track \
	tests/unit/test_queue_trouble \
	tests/unit/test_queue_usage \
	tests/unit/test_queue_used \
	tests/unit/test_queue_wary_clock \
	tests/unit/test_queue_window \
	tests/unit/test_queue_worker
endif
QUEUE_TEST_LIBS = daemon/queue/libqueue.a daemon/core/libcore.a daemon/config/libconf.a \
	common/libcommon.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(SQLITE_LIBS) $(CONFIG_LIBS) \
	$(JANSSON_LIBS) $(IDN2_LIBS) $(CMOCKA_LIBS)
QUEUE_RIG = tests/lib/queue_rig.c tests/lib/queue_rig.h

tests_unit_test_queue_backoff_SOURCES = tests/unit/test_queue_backoff.c
tests_unit_test_queue_backoff_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_backoff_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_budget_SOURCES = tests/unit/test_queue_budget.c
tests_unit_test_queue_budget_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_budget_LDADD = daemon/queue/libqueue.a $(UNIT_LIBS)

tests_unit_test_queue_caps_SOURCES = tests/unit/test_queue_caps.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_caps_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_caps_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_flow_SOURCES = tests/unit/test_queue_flow.c
tests_unit_test_queue_flow_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_flow_LDADD = daemon/queue/libqueue.a $(UNIT_LIBS)

tests_unit_test_queue_hostile_SOURCES = tests/unit/test_queue_hostile.c tests/lib/queue_world.c \
	tests/lib/queue_world.h $(QUEUE_RIG)
tests_unit_test_queue_hostile_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_hostile_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_copies_SOURCES = tests/unit/test_queue_copies.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_copies_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_copies_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_dsn_SOURCES = tests/unit/test_queue_dsn.c $(QUEUE_RIG)
tests_unit_test_queue_dsn_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_dsn_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_history_SOURCES = tests/unit/test_queue_history.c $(QUEUE_RIG) \
	tests/lib/faultvfs.c tests/lib/faultvfs.h
tests_unit_test_queue_history_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_history_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_idmap_SOURCES = tests/unit/test_queue_idmap.c
tests_unit_test_queue_idmap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_idmap_LDADD = daemon/queue/libqueue.a $(UNIT_LIBS)

tests_unit_test_queue_journal_SOURCES = tests/unit/test_queue_journal.c $(QUEUE_RIG) \
	tests/lib/faultvfs.c tests/lib/faultvfs.h
tests_unit_test_queue_journal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_journal_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_due_SOURCES = tests/unit/test_queue_due.c tests/lib/fake_storage.c \
	tests/lib/fake_storage.h tests/lib/queue_fill.c tests/lib/queue_fill.h
tests_unit_test_queue_due_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_due_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_model_SOURCES = tests/unit/test_queue_model.c tests/lib/fake_storage.c \
	tests/lib/fake_storage.h tests/lib/queue_model.c tests/lib/queue_model.h
tests_unit_test_queue_model_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_model_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_week_SOURCES = tests/unit/test_queue_week.c tests/lib/fake_storage.c \
	tests/lib/fake_storage.h
tests_unit_test_queue_week_CFLAGS = $(UNIT_CFLAGS) -DFAKE_MESSAGES_MAX=51000
tests_unit_test_queue_week_LDADD = daemon/relay/librelay.a $(QUEUE_TEST_LIBS)

tests_unit_test_queue_notices_SOURCES = tests/unit/test_queue_notices.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_notices_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_notices_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_power_SOURCES = tests/unit/test_queue_power.c $(QUEUE_RIG) \
	tests/lib/powervfs.c tests/lib/powervfs.h
tests_unit_test_queue_power_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_power_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_report_SOURCES = tests/unit/test_queue_report.c
tests_unit_test_queue_report_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_report_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_role_SOURCES = tests/unit/test_queue_role.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_role_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_role_LDADD = $(QUEUE_TEST_LIBS)
tests_unit_test_queue_ways_SOURCES = tests/unit/test_queue_ways.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_ways_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_ways_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_trouble_SOURCES = tests/unit/test_queue_trouble.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_trouble_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_trouble_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_scan_SOURCES = tests/unit/test_queue_scan.c tests/lib/queue_fill.c \
	tests/lib/queue_fill.h
tests_unit_test_queue_scan_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_scan_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_settlement_SOURCES = tests/unit/test_queue_settlement.c $(QUEUE_RIG)
tests_unit_test_queue_settlement_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_settlement_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_shares_SOURCES = tests/unit/test_queue_shares.c
tests_unit_test_queue_shares_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_shares_LDADD = daemon/queue/libqueue.a $(UNIT_LIBS)

tests_unit_test_queue_shrink_SOURCES = tests/unit/test_queue_shrink.c $(QUEUE_RIG)
tests_unit_test_queue_shrink_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_shrink_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_spares_SOURCES = tests/unit/test_queue_spares.c
tests_unit_test_queue_spares_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_spares_LDADD = daemon/queue/libqueue.a $(UNIT_LIBS)

tests_unit_test_queue_store_SOURCES = tests/unit/test_queue_store.c $(QUEUE_RIG) \
	tests/lib/faultvfs.c tests/lib/faultvfs.h tests/lib/queue_fill.c tests/lib/queue_fill.h
tests_unit_test_queue_store_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_store_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_track_SOURCES = tests/unit/test_queue_track.c tests/lib/queue_world.c \
	tests/lib/queue_world.h
tests_unit_test_queue_track_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_track_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_usage_SOURCES = tests/unit/test_queue_usage.c
tests_unit_test_queue_usage_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_usage_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_used_SOURCES = tests/unit/test_queue_used.c $(QUEUE_RIG) \
	tests/lib/faultvfs.c tests/lib/faultvfs.h
tests_unit_test_queue_used_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_used_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_wary_clock_SOURCES = tests/unit/test_queue_wary_clock.c
tests_unit_test_queue_wary_clock_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_wary_clock_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_window_SOURCES = tests/unit/test_queue_window.c
tests_unit_test_queue_window_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_window_LDADD = $(QUEUE_TEST_LIBS)

tests_unit_test_queue_worker_SOURCES = tests/unit/test_queue_worker.c
tests_unit_test_queue_worker_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_queue_worker_LDADD = $(QUEUE_TEST_LIBS)
