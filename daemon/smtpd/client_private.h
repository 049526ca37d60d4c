/*
 * client_private - a client's inside, for the two files that make it up
 *
 * client.c moves the connection's bytes, client_roles.c carries the session's questions to
 * accounts and queue. Nobody else includes this.
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
	struct timer *deadline;
	struct session *session; /* NULL during the handshake of implicit TLS */
	bool is_paused;
	bool is_tls_due;          /* once the input has been used */
	bool is_over;             /* the connection is on its own or gone */
	bool is_silent_since_tls; /* not a byte has come */

	struct link *asked; /* accounts, while a question is under way */
	uint32_t request_id;
	enum message_kind question;
	struct timer *no_answer; /* set: there is no link to ask */
	uint64_t exchange;       /* of SASL */
	struct stream *stream;
};

/* Offers the session the input that it has not used; after everything that it was told. */
void client_pump(struct client *client);
/* No answer to what was asked will reach the session. */
void client_cancel_question(struct client *client);

/* The session's ports to the other roles; ctx is the client. */
void client_sasl_step(void *ctx, const struct msg_sasl_step *step);
void client_sasl_abort(void *ctx);
struct grant *client_grant_find(void *ctx, uint64_t user_id);
void client_grant_get(void *ctx, uint64_t user_id, const char *login);
void client_alert(void *ctx, const struct msg_alert *alert);
enum handoff_readiness client_readiness(void *ctx);
uint64_t client_message_open(void *ctx);
void client_message_send(void *ctx, const struct slice *slice);
void client_message_commit(void *ctx, const struct msg_commit *commit);
void client_message_abort(void *ctx);
/* For the timer: there was no link to ask over. */
void client_on_no_answer(void *ctx);

#endif
