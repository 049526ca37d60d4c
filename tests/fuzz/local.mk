# Fuzz targets. `make check` feeds them their corpus with any compiler; configured with
# --enable-fuzzing (clang), `make fuzz` explores each for FUZZ_SECONDS.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_client \
	tests/fuzz/fuzz_header \
	tests/fuzz/fuzz_journal \
	tests/fuzz/fuzz_mailaddr \
	tests/fuzz/fuzz_messages \
	tests/fuzz/fuzz_mime \
	tests/fuzz/fuzz_oauth_answer \
	tests/fuzz/fuzz_pop3 \
	tests/fuzz/fuzz_sasl \
	tests/fuzz/fuzz_smtp_line \
	tests/fuzz/fuzz_smtp_reply \
	tests/fuzz/fuzz_smtpd
FUZZ_CFLAGS = $(AM_CFLAGS)
FUZZ_LIBS = common/libcommon.a $(IDN2_LIBS)
FUZZ_SECONDS = 60
FUZZ_FLAGS =
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict

# Of messages the corpus is made, since it changes with their list: fuzz-seeds/NAME.
FUZZ_SEEDS = fuzz-seeds/messages/HELLO
EXTRA_PROGRAMS = tests/fuzz/seed_messages
CLEANFILES += tests/fuzz/seed_messages
$(FUZZ_SEEDS): tests/fuzz/seed_messages
	$(MKDIR_P) fuzz-seeds/messages
	./tests/fuzz/seed_messages fuzz-seeds/messages
clean-local:
	rm -rf fuzz-seeds

if FUZZING
EXTRA_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_MAIN =
FUZZ_LINK_FLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer

# What it finds goes to a directory beside; what is worth keeping is moved to the corpus by hand.
fuzz: $(FUZZ_TARGETS) $(FUZZ_SEEDS)
	set -e; for target in $(FUZZ_TARGETS); do \
		name=$${target##*/fuzz_}; mkdir -p fuzz-found/$$name; \
		dict=$(srcdir)/tests/fuzz/dict/$$name.dict; \
		./$$target -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -print_final_stats=1 $(FUZZ_FLAGS) \
			$$(test -f $$dict && echo -dict=$$dict) \
			fuzz-found/$$name $$(ls -d fuzz-seeds/$$name \
			$(srcdir)/tests/fuzz/corpus/$$name 2>/dev/null); \
	done
else
check_PROGRAMS += $(FUZZ_TARGETS)
check_DATA = $(FUZZ_SEEDS)
FUZZ_MAIN = tests/fuzz/replay.c
FUZZ_LINK_FLAGS = $(AM_LDFLAGS)

fuzz:
	@echo 'configure with --enable-fuzzing CC=clang first'; exit 1
endif
.PHONY: fuzz

tests_fuzz_fuzz_client_SOURCES = tests/fuzz/fuzz_client.c $(FUZZ_MAIN)
tests_fuzz_fuzz_client_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_client_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_client_LDADD = daemon/relay/librelay.a daemon/config/libconf.a $(FUZZ_LIBS) $(GSASL_LIBS) \
	$(JANSSON_LIBS) $(OPENSSL_LIBS) $(CONFIG_LIBS)

tests_fuzz_fuzz_pop3_SOURCES = tests/fuzz/fuzz_pop3.c $(FUZZ_MAIN)
tests_fuzz_fuzz_pop3_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_pop3_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_pop3_LDADD = $(tests_fuzz_fuzz_client_LDADD)

tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(FUZZ_MAIN)
tests_fuzz_fuzz_header_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_header_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_header_LDADD = daemon/smtpd/libsmtpd.a $(FUZZ_LIBS)

tests_fuzz_fuzz_journal_SOURCES = tests/fuzz/fuzz_journal.c $(FUZZ_MAIN)
tests_fuzz_fuzz_journal_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_journal_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_journal_LDADD = daemon/queue/libqueue.a $(FUZZ_LIBS)

tests_fuzz_fuzz_mailaddr_SOURCES = tests/fuzz/fuzz_mailaddr.c $(FUZZ_MAIN)
tests_fuzz_fuzz_mailaddr_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_mailaddr_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_mailaddr_LDADD = $(FUZZ_LIBS)

tests_fuzz_fuzz_smtp_line_SOURCES = tests/fuzz/fuzz_smtp_line.c $(FUZZ_MAIN)
tests_fuzz_fuzz_smtp_line_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_smtp_line_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_smtp_line_LDADD = $(FUZZ_LIBS)

tests_fuzz_fuzz_smtp_reply_SOURCES = tests/fuzz/fuzz_smtp_reply.c $(FUZZ_MAIN)
tests_fuzz_fuzz_smtp_reply_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_smtp_reply_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_smtp_reply_LDADD = $(FUZZ_LIBS)

tests_fuzz_fuzz_messages_SOURCES = tests/fuzz/fuzz_messages.c $(FUZZ_MAIN)
tests_fuzz_fuzz_messages_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_messages_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_messages_LDADD = daemon/core/libcore.a $(FUZZ_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS)

tests_fuzz_fuzz_mime_SOURCES = tests/fuzz/fuzz_mime.c $(FUZZ_MAIN)
tests_fuzz_fuzz_mime_CFLAGS = $(FUZZ_CFLAGS) $(GMIME_CFLAGS)
tests_fuzz_fuzz_mime_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_mime_LDADD = daemon/mime/libmime.a daemon/core/libcore.a $(FUZZ_LIBS) $(GMIME_LIBS) \
	$(EVENT_LIBS) $(OPENSSL_LIBS)

tests_fuzz_fuzz_oauth_answer_SOURCES = tests/fuzz/fuzz_oauth_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_oauth_answer_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_oauth_answer_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_oauth_answer_LDADD = daemon/relay/librelay.a $(FUZZ_LIBS) $(JANSSON_LIBS)

tests_fuzz_seed_messages_SOURCES = tests/fuzz/seed_messages.c
tests_fuzz_seed_messages_LDADD = $(tests_fuzz_fuzz_messages_LDADD)

tests_fuzz_fuzz_smtpd_SOURCES = \
	tests/fuzz/fuzz_smtpd.c \
	tests/dialogue/world.c \
	tests/dialogue/world.h \
	$(FUZZ_MAIN)
tests_fuzz_fuzz_smtpd_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_smtpd_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_smtpd_LDADD = $(DIALOGUE_SMTPD_LIBS)

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_config_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_config_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_config_LDADD = daemon/config/libconf.a common/libcommon.a $(CONFIG_LIBS) $(IDN2_LIBS)

tests_fuzz_fuzz_sasl_SOURCES = tests/fuzz/fuzz_sasl.c $(FUZZ_MAIN)
tests_fuzz_fuzz_sasl_CFLAGS = $(FUZZ_CFLAGS)
tests_fuzz_fuzz_sasl_LDFLAGS = $(FUZZ_LINK_FLAGS)
tests_fuzz_fuzz_sasl_LDADD = daemon/accounts/libaccounts.a daemon/core/libcore.a \
	daemon/config/libconf.a $(FUZZ_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS) $(SQLITE_LIBS) \
	$(CONFIG_LIBS) $(GSASL_LIBS) $(JANSSON_LIBS)
