# daemon/core: what every role stands on: loop, links and their messages, connections, TLS
noinst_LIBRARIES += daemon/core/libcore.a
daemon_core_libcore_a_SOURCES = \
	daemon/core/backup_name.c \
	daemon/core/backup_name.h \
	daemon/core/conn.c \
	daemon/core/conn.h \
	daemon/core/conn_private.h \
	daemon/core/conn_tls.c \
	daemon/core/conn_turn.c \
	daemon/core/link.c \
	daemon/core/link.h \
	daemon/core/link_in.c \
	daemon/core/link_out.c \
	daemon/core/link_private.h \
	daemon/core/loop.c \
	daemon/core/loop.h \
	daemon/core/messages.c \
	daemon/core/messages.def \
	daemon/core/messages.h \
	daemon/core/pool.c \
	daemon/core/pool.h \
	daemon/core/request.c \
	daemon/core/request.h \
	daemon/core/result.c \
	daemon/core/result.h \
	daemon/core/rights.c \
	daemon/core/rights.h \
	daemon/core/role.c \
	daemon/core/role.h \
	daemon/core/sandbox.c \
	daemon/core/sandbox.h \
	daemon/core/sandbox_rules.c \
	daemon/core/sandbox_rules.h \
	daemon/core/tls.c \
	daemon/core/tls.h \
	daemon/core/tls_identity.c \
	daemon/core/tls_identity.h \
	daemon/core/tls_private.h \
	daemon/core/tls_session.c \
	daemon/core/tls_session.h \
	daemon/core/tls_words.c \
	daemon/core/tls_staple.c \
	daemon/core/tls_tickets.c \
	daemon/core/tls_tickets.h \
	daemon/core/values.h
