# tests of the relay role
if HAVE_CMOCKA
check_PROGRAMS += \
	tests/unit/test_channel \
	tests/unit/test_classify \
	tests/unit/test_client \
	tests/unit/test_client_auth \
	tests/unit/test_connects \
	tests/unit/test_diagnosis \
	tests/unit/test_dns \
	tests/unit/test_dotstuff \
	tests/unit/test_hostlist \
	tests/unit/test_logins \
	tests/unit/test_ntlm \
	tests/unit/test_oauth_answer \
	tests/unit/test_oauth_settings \
	tests/unit/test_own_words \
	tests/unit/test_pace \
	tests/unit/test_pop3_client \
	tests/unit/test_pop3_families \
	tests/unit/test_pop3_keeper \
	tests/unit/test_relay \
	tests/unit/test_relay_ahead \
	tests/unit/test_relay_chunks \
	tests/unit/test_relay_mime \
	tests/unit/test_suspects \
	tests/unit/test_tokens \
	tests/unit/test_replies \
	tests/unit/test_transcript
endif
RELAY_LIBS = daemon/relay/librelay.a daemon/core/libcore.a daemon/config/libconf.a \
	common/libcommon.a $(CMOCKA_LIBS) $(EVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(CONFIG_LIBS) \
	$(CARES_LIBS) $(CURL_LIBS) $(GSASL_LIBS) $(JANSSON_LIBS) $(IDN2_LIBS)

tests_unit_test_channel_SOURCES = \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_channel.c
tests_unit_test_channel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_channel_LDADD = $(RELAY_LIBS)

tests_unit_test_classify_SOURCES = tests/unit/test_classify.c
tests_unit_test_classify_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_classify_LDADD = $(RELAY_LIBS)

tests_unit_test_client_SOURCES = tests/unit/test_client.c
tests_unit_test_client_CFLAGS = $(UNIT_CFLAGS) -DDIALOGUES='"$(abs_top_srcdir)/tests/dialogue"'
tests_unit_test_client_LDADD = $(RELAY_LIBS)

tests_unit_test_client_auth_SOURCES = tests/unit/test_client_auth.c
tests_unit_test_client_auth_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_client_auth_LDADD = $(RELAY_LIBS)

tests_unit_test_connects_SOURCES = tests/unit/test_connects.c
tests_unit_test_connects_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_connects_LDADD = daemon/relay/librelay.a common/libcommon.a $(CMOCKA_LIBS)

tests_unit_test_diagnosis_SOURCES = tests/unit/test_diagnosis.c
tests_unit_test_diagnosis_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_diagnosis_LDADD = $(RELAY_LIBS)

tests_unit_test_dns_SOURCES = tests/unit/test_dns.c
tests_unit_test_dns_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dns_LDADD = $(RELAY_LIBS)

tests_unit_test_dotstuff_SOURCES = tests/unit/test_dotstuff.c
tests_unit_test_dotstuff_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_dotstuff_LDADD = $(RELAY_LIBS)

tests_unit_test_hostlist_SOURCES = tests/unit/test_hostlist.c
tests_unit_test_hostlist_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_hostlist_LDADD = daemon/relay/librelay.a common/libcommon.a $(CMOCKA_LIBS)

tests_unit_test_logins_SOURCES = tests/unit/test_logins.c
tests_unit_test_logins_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_logins_LDADD = $(RELAY_LIBS)

tests_unit_test_oauth_answer_SOURCES = tests/unit/test_oauth_answer.c
tests_unit_test_oauth_answer_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_oauth_answer_LDADD = $(RELAY_LIBS)

tests_unit_test_oauth_settings_SOURCES = tests/unit/test_oauth_settings.c
tests_unit_test_oauth_settings_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_oauth_settings_LDADD = $(RELAY_LIBS)

tests_unit_test_suspects_SOURCES = tests/unit/test_suspects.c
tests_unit_test_suspects_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_suspects_LDADD = $(RELAY_LIBS)

tests_unit_test_tokens_SOURCES = tests/unit/test_tokens.c
tests_unit_test_tokens_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_tokens_LDADD = $(RELAY_LIBS)

tests_unit_test_ntlm_SOURCES = tests/unit/test_ntlm.c
tests_unit_test_ntlm_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ntlm_LDADD = $(RELAY_LIBS)

tests_unit_test_own_words_SOURCES = tests/unit/test_own_words.c
tests_unit_test_own_words_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_own_words_LDADD = $(RELAY_LIBS)

tests_unit_test_pace_SOURCES = tests/unit/test_pace.c
tests_unit_test_pace_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pace_LDADD = daemon/relay/librelay.a $(CMOCKA_LIBS)

tests_unit_test_pop3_client_SOURCES = tests/unit/test_pop3_client.c
tests_unit_test_pop3_client_CFLAGS = $(UNIT_CFLAGS) -DDIALOGUES='"$(abs_top_srcdir)/tests/dialogue"'
tests_unit_test_pop3_client_LDADD = $(RELAY_LIBS)

tests_unit_test_pop3_families_SOURCES = \
	tests/unit/pop3_server.c \
	tests/unit/pop3_server.h \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_pop3_families.c
tests_unit_test_pop3_families_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pop3_families_LDADD = $(RELAY_LIBS)

tests_unit_test_pop3_keeper_SOURCES = \
	tests/unit/pop3_server.c \
	tests/unit/pop3_server.h \
	tests/unit/test_pop3_keeper.c
tests_unit_test_pop3_keeper_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pop3_keeper_LDADD = $(RELAY_LIBS)

tests_unit_test_relay_SOURCES = \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_relay.c
tests_unit_test_relay_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_LDADD = $(RELAY_LIBS)

tests_unit_test_relay_ahead_SOURCES = \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_relay_ahead.c
tests_unit_test_relay_ahead_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_ahead_LDADD = $(RELAY_LIBS)

tests_unit_test_relay_chunks_SOURCES = \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_relay_chunks.c
tests_unit_test_relay_chunks_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_chunks_LDADD = $(RELAY_LIBS)

tests_unit_test_relay_mime_SOURCES = \
	tests/unit/relay_world.c \
	tests/unit/relay_world.h \
	tests/unit/test_relay_mime.c
tests_unit_test_relay_mime_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_relay_mime_LDADD = $(RELAY_LIBS)

tests_unit_test_replies_SOURCES = tests/unit/test_replies.c
tests_unit_test_replies_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_replies_LDADD = $(RELAY_LIBS)

tests_unit_test_transcript_SOURCES = tests/unit/test_transcript.c
tests_unit_test_transcript_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_transcript_LDADD = daemon/relay/librelay.a daemon/config/libconf.a common/libcommon.a $(CMOCKA_LIBS)

EXTRA_DIST += \
	tests/dialogue/client-chunks.txt \
	tests/dialogue/client-envelope.txt \
	tests/dialogue/client-introduction.txt \
	tests/dialogue/client-login.txt \
	tests/dialogue/client-loss.txt \
	tests/dialogue/client-token.txt \
	tests/dialogue/client-wishes.txt \
	tests/dialogue/pop3.txt \
	tests/lib/fakehost.py \
	tests/lib/ntlm_acceptor.py \
	tests/lib/test_fakehost.py \
	tests/lib/tokenserver.py
