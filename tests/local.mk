# unit tests (cmocka), fuzz targets, bench tools
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_ident
endif
EXTRA_DIST += tests/lib/scratch.h
UNIT_LIBS = common/libcommon.a $(CMOCKA_LIBS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

tests_unit_test_ident_SOURCES = tests/unit/test_ident.c
tests_unit_test_ident_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ident_LDADD = $(UNIT_LIBS)

include tests/unit/accounts.mk
include tests/unit/core.mk
include tests/unit/net.mk
include tests/unit/relay.mk
include tests/unit/grammar.mk
include tests/unit/mime.mk
include tests/unit/control.mk
include tests/unit/config.mk
include tests/fuzz/local.mk
include tests/unit/queue.mk
include tests/dialogue/local.mk
include tests/differential/local.mk
include tests/unit/smtpd.mk
include tests/e2e/local.mk
include tests/bench/local.mk
