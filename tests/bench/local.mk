# bench tools: a load generator and a counting sink; tests/bench/run puts postern between them
noinst_PROGRAMS += tests/bench/smtpgen tests/bench/smtpsink
EXTRA_DIST += tests/bench/procs.py tests/bench/rigs.py tests/bench/run

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
