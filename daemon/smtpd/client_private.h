/*
 * client_private - a client's inside, for the files that make it up
 *
 * client.c moves the connection's bytes, opening.c finds out what the client speaks where it may
 * begin with TLS, client_roles.c carries the session's questions to accounts and queue. Nobody else
 * includes this.
 */
#ifndef POSTERN_SMTPD_CLIENT_PRIVATE_H
#define POSTERN_SMTPD_CLIENT_PRIVATE_H

#include "common/netaddr.h"
#include "daemon/core/conn.h"
#include "daemon/smtpd/client.h"
#include "daemon/smtpd/session.h"

struct client {
	struct list link;
	struct client_house *house;
	const struct config *config; /* held: the one the client was greeted under */
	struct tls_context *context;
	struct conn *conn;
	struct netaddr address;
	uint16_t port; /* ours */
	enum listener_tls door;
	struct timer *deadline;
	struct session *session;  /* NULL until the client is greeted */
	enum listener_tls awaits; /* the first byte, on a listener of this kind; or LISTENER_NONE */
	bool is_paused;
	bool is_tls_due;          /* once the input has been used */
	bool is_over;             /* the connection is on its own or gone */
	bool is_silent_since_tls; /* not a byte has come */

	uint64_t number;        /* of the connection, for accounts */
	struct link *admission; /* accounts, until it says whether the client may stay */
	uint32_t admission_request;
	uint64_t
	    trusted_user_id; /* accounts counts it as this user, that of its network; 0: not yet */
	bool is_in_no_hurry; /* accounts may hear late that it is gone */
	struct link *asked;  /* accounts, while a question is under way */
	uint32_t request_id;
	enum message_kind question;
	struct timer *no_answer; /* set: there is no link to ask */
	uint64_t exchange;       /* of SASL */
	struct stream *stream;
};

/* Offers the session the input that it has not used; after everything that it was told. */
void client_pump(struct client *client);
/* What there is to know of the client comes after it; `tls_version` NULL: in clear. */
void client_greet(struct client *client, const char *tls_version);
/* Begins TLS with what is in the input. */
void client_secure(struct client *client);
/* The end, once what was written is out. */
void client_dismiss(struct client *client, const char *reason);

/* opening.c: waits for the first byte, and for so long. */
void opening_begin(struct client *client, enum listener_tls tls);
void opening_input(struct client *client);
void opening_over(struct client *client);
/* The client may stay: what its listener is for begins. */
void client_begin(struct client *client);
/* It may not: the end, with this line if the client can read one yet. */
void client_turn_away(struct client *client, const char *line);

/* admission.c: client_begin() or client_turn_away() follows. */
void admission_ask(struct client *client);
/* The client is gone. */
void admission_end(struct client *client);

/* No answer to what was asked will reach the session. */
void client_cancel_question(struct client *client);

/* The session's ports to the other roles; ctx is the client. */
void client_sasl_step(void *ctx, const struct msg_sasl_step *step);
void client_sasl_abort(void *ctx);
struct grant *client_grant_find(void *ctx, uint64_t user_id);
void client_grant_get(void *ctx, uint64_t user_id, const char *login);
void client_alert(void *ctx, const struct msg_alert *alert);
void client_refused(void *ctx, const struct msg_refused *refused);
void client_abuse(void *ctx, const char *what);
enum handoff_readiness client_readiness(void *ctx);
uint32_t client_user_limit(void *ctx, uint64_t user_id, int64_t *until_ms_out);
uint64_t client_message_open(void *ctx);
void client_message_send(void *ctx, const struct slice *slice);
void client_message_commit(void *ctx, const struct msg_commit *commit);
void client_message_abort(void *ctx);
/* For the timer: there was no link to ask over. */
void client_on_no_answer(void *ctx);

#endif
