# bench tools: a load generator and a counting sink (tests/bench/run, priority, fair and reuse put postern
# between them), a crowd of clients that send no mail (tests/bench/crowd), and what fills a queue
# (tests/bench/million)
noinst_PROGRAMS += tests/bench/queuefill tests/bench/smtpcrowd tests/bench/smtpgen tests/bench/smtpsink
EXTRA_DIST += tests/bench/backlog.py tests/bench/crowd tests/bench/fair tests/bench/faraway.py \
	tests/bench/million tests/bench/priority tests/bench/procs.py tests/bench/reuse \
	tests/bench/rigs.py tests/bench/run tests/bench/slowsync.c

tests_bench_smtpgen_SOURCES = \
	tests/bench/dialogue.c \
	tests/bench/dialogue.h \
	tests/bench/load.h \
	tests/bench/smtpgen.c \
	tests/bench/wire.c \
	tests/bench/wire.h
tests_bench_smtpgen_LDADD = common/libcommon.a $(OPENSSL_LIBS)

tests_bench_smtpsink_SOURCES = \
	tests/bench/idset.c \
	tests/bench/idset.h \
	tests/bench/smtpsink.c
tests_bench_smtpsink_LDADD = common/libcommon.a

tests_bench_smtpcrowd_SOURCES = \
	tests/bench/load.h \
	tests/bench/smtpcrowd.c \
	tests/bench/wire.c \
	tests/bench/wire.h
tests_bench_smtpcrowd_LDADD = common/libcommon.a $(OPENSSL_LIBS)

tests_bench_queuefill_SOURCES = \
	tests/bench/queuefill.c \
	tests/lib/queue_fill.c \
	tests/lib/queue_fill.h
tests_bench_queuefill_LDADD = daemon/queue/libqueue.a daemon/core/libcore.a \
	daemon/config/libconf.a common/libcommon.a $(EVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) \
	$(SQLITE_LIBS) $(CONFIG_LIBS) $(JANSSON_LIBS) $(IDN2_LIBS)
