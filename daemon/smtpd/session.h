/*
 * session - one client's SMTP dialogue (RFC 5321, 4954, 3207): bytes in, bytes out, no sockets
 *
 * Role     smtpd; driven by client.c on a connection, by tests and fuzzers on nothing at all
 * Owns     its lines, its transaction and its grant; borrows config, ports and ctx until
 *          session_free()
 * Context  loop; a port never calls back into the session before it has returned
 * Units    bytes, milliseconds
 * Fails    never: what goes wrong is said to the client, logged, and ends with ports->finish
 *
 * Who calls session_input() or one of session_on_…() afterwards offers the input that is left
 * again: a session that waited may now read on.
 */
#ifndef POSTERN_SMTPD_SESSION_H
#define POSTERN_SMTPD_SESSION_H

#include "common/chunk.h"
#include "common/netaddr.h"
#include "daemon/config/config.h"
#include "daemon/core/messages.h"
#include "daemon/smtpd/grants.h"
#include "daemon/smtpd/handoff.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

/* What a session asks of the world around it. */
struct session_ports {
	/* towards the client; what one turn writes leaves in one piece */
	void (*write)(void *ctx, const void *bytes, size_t size);
	void (*start_tls)(void *ctx); /* session_on_secured() follows */
	void (*finish)(void *ctx);    /* write what waits, then close */
	/* the channel bindings of the TLS session that is on; false: it has none */
	bool (*tls_binding)(void *ctx, struct tls_binding *binding_out);

	/* session_on_deadline() after so long; 0: never */
	void (*set_deadline)(void *ctx, int64_t after_ms);
	int64_t (*now_ms)(void *ctx);
	int64_t (*wall_ms)(void *ctx);

	/* accounts */
	void (*sasl_step)(void *ctx, const struct msg_sasl_step *step); /* session_on_sasl() */
	void (*sasl_abort)(void *ctx);
	struct grant *(*grant_find)(void *ctx, uint64_t user_id); /* NULL: ask */
	/* session_on_grant() follows. By login if user_id is 0. */
	void (*grant_get)(void *ctx, uint64_t user_id, const char *login);
	void (*alert)(void *ctx, const struct msg_alert *alert);
	/* The client did what no mail program does; `what` is for the operator. */
	void (*abuse)(void *ctx, const char *what);

	/* queue: one message at a time */
	enum handoff_readiness (*readiness)(void *ctx);
	/* as user_limits_find() */
	uint32_t (*user_limit)(void *ctx, uint64_t user_id, int64_t *until_ms_out);
	uint64_t (*message_open)(void *ctx); /* its id, or 0 */
	void (*message_send)(void *ctx, const struct slice *slice);
	void (*message_commit)(void *ctx, const struct msg_commit *commit);
	void (*message_abort)(void *ctx);
	/* For the statistics, whether there was a message or not. */
	void (*refused)(void *ctx, const struct msg_refused *refused);
};

struct session_setup {
	const struct config *config;
	const struct session_ports *ports;
	void *ctx;
	const char *client; /* address:port, as in the log */
	struct netaddr address;
	unsigned listener_port;
	bool is_loopback;
	bool offers_tls;
	const char *tls_version;   /* implicit TLS is on already; otherwise NULL */
	bool is_refused;           /* the client's network gets no service */
	const char *trusted_login; /* who the client's network is mapped to, or NULL */
	uint64_t trusted_user_id;  /* its id, if the client counts as this user already; or 0 */
};

/* Whether a client that says this first speaks HTTP. */
bool session_is_http(const char *bytes, size_t size);

/* Greets the client. */
struct session *session_open(const struct session_setup *setup);
/* The connection is gone, or was finished. Gives up a message that isn't finished. */
void session_free(struct session *session);

/* Takes the input that has been read and not been used, all of it; returns how much of it was
 * used. Less than all: the session waits for something, or for the rest of a line. */
size_t session_input(struct session *session, const void *bytes, size_t size);

void session_on_secured(struct session *session, const char *tls_version);
void session_on_deadline(struct session *session);
/* NULL: there was no answer in time. */
void session_on_sasl(struct session *session, const struct msg_sasl_reply *reply);
void session_on_grant(struct session *session, struct grant *grant, bool is_answered);
/* Instead of session_on_grant(): the user has as many connections as he may. */
void session_on_user_full(struct session *session, const char *login);
void session_on_credit(struct session *session, uint32_t bytes);
void session_on_committed(struct session *session, enum commit_outcome outcome);
void session_on_queue_lost(struct session *session);
/* The daemon stops: who has no transaction hears 421 now, the others when theirs is over. */
void session_drain(struct session *session);

/* For the log line at the end of the connection. */
const char *session_login(const struct session *session);
/* Who it is by now; 0: not known. */
uint64_t session_user_id(const struct session *session);
unsigned session_messages(const struct session *session);
/* The client said so: nothing follows, if that was all of the input. */
bool session_has_quit(const struct session *session);

#endif
