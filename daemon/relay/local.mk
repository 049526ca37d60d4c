# daemon/relay: the relay role
noinst_LIBRARIES += daemon/relay/librelay.a
daemon_relay_librelay_a_SOURCES = \
	daemon/relay/relay.c \
	daemon/relay/relay.h
