# daemon/relay: the relay role
noinst_LIBRARIES += daemon/relay/librelay.a
daemon_relay_librelay_a_SOURCES = \
	daemon/relay/capabilities.c \
	daemon/relay/capabilities.h \
	daemon/relay/classify.c \
	daemon/relay/classify.h \
	daemon/relay/client.c \
	daemon/relay/client.h \
	daemon/relay/client_auth.c \
	daemon/relay/client_auth.h \
	daemon/relay/dotstuff.c \
	daemon/relay/dotstuff.h \
	daemon/relay/relay.c \
	daemon/relay/relay.h \
