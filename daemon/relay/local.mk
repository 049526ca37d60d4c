# daemon/relay: the relay role
noinst_LIBRARIES += daemon/relay/librelay.a
daemon_relay_librelay_a_SOURCES = \
	daemon/relay/capabilities.c \
	daemon/relay/capabilities.h \
	daemon/relay/capture.c \
	daemon/relay/capture.h \
	daemon/relay/capture_delivery.c \
	daemon/relay/capture_delivery.h \
	daemon/relay/channel.c \
	daemon/relay/channel.h \
	daemon/relay/channel_connect.c \
	daemon/relay/channel_private.h \
	daemon/relay/classify.c \
	daemon/relay/classify.h \
	daemon/relay/client.c \
	daemon/relay/client.h \
	daemon/relay/client_auth.c \
	daemon/relay/client_auth.h \
	daemon/relay/client_envelope.c \
	daemon/relay/client_login.c \
	daemon/relay/client_private.h \
	daemon/relay/client_transaction.c \
	daemon/relay/delivery.c \
	daemon/relay/delivery.h \
	daemon/relay/diagnosis.c \
	daemon/relay/diagnosis.h \
	daemon/relay/dns.c \
	daemon/relay/dns.h \
	daemon/relay/dotstuff.c \
	daemon/relay/dotstuff.h \
	daemon/relay/hostfiles.c \
	daemon/relay/hostfiles.h \
	daemon/relay/pace.c \
	daemon/relay/pace.h \
	daemon/relay/profile.c \
	daemon/relay/profile.h \
	daemon/relay/profile_test.c \
	daemon/relay/profile_test.h \
	daemon/relay/relay.c \
	daemon/relay/relay.h \
	daemon/relay/report.c \
	daemon/relay/report.h \
	daemon/relay/upstream.c \
	daemon/relay/upstream.h \
	daemon/relay/upstream_pace.c \
	daemon/relay/upstream_private.h \
	daemon/relay/upstream_slot.c
