/*
 * pop3_client_private - what the files of the POP3 automaton share
 *
 *	pop3_client.c        the table of states, greeting, STLS, CAPA, QUIT, the calls of pop3_client.h
 *	pop3_client_login.c  USER and PASS, APOP, AUTH
 *
 * Nobody else includes this. An on_… function handles a reply in its state; only pop3_enter() writes
 * the state.
 */
#ifndef POSTERN_RELAY_POP3_CLIENT_PRIVATE_H
#define POSTERN_RELAY_POP3_CLIENT_PRIVATE_H

#include "daemon/relay/client_auth.h"
#include "daemon/relay/pop3_client.h"
#include "daemon/relay/pop3_reply.h"

#include <stdbool.h>

enum pop3_state {
	POP3_STATE_GREETING,
	POP3_STATE_STLS,
	POP3_STATE_HANDSHAKE,
	POP3_STATE_CAPA,
	POP3_STATE_TURN,
	POP3_STATE_USER,
	POP3_STATE_PASS,
	POP3_STATE_APOP,
	POP3_STATE_AUTH,
	POP3_STATE_QUIT,
	POP3_STATE_DONE,
	POP3_STATE_OVER
};

struct pop3_client {
	const struct pop3_client_settings *settings;
	enum pop3_state state;
	unsigned step;
	bool has_tls;
	struct buf output;
	char stamp[POP3_STAMP_SIZE]; /* of the greeting; "": none that is sound */

	/* CAPA */
	bool is_listing;
	unsigned line_count;
	bool has_sasl;       /* it names mechanisms, so it knows of initial responses */
	unsigned mechanisms; /* AUTH_BIT()s */
	int64_t login_delay_ms;

	/* the login */
	struct client_auth *auth;
	struct buf token; /* what was said last, in base64 or as APOP's digest */
	unsigned challenge_count;
	bool is_logged_in, is_refused;
	struct client_end end;
};

/* ---- pop3_client.c ---- */

enum pop3_event pop3_enter(struct pop3_client *client, enum pop3_state state);
/* The same state, another step of it. */
void pop3_next_step(struct pop3_client *client);
void pop3_wipe(struct buf *buf);
void pop3_put(struct pop3_client *client, const char *line);
/* A line with a secret behind its beginning, which alone is shown. */
void pop3_put_secret(struct pop3_client *client, const char *prefix, const char *secret);
/* It ends here, for this reason. */
enum pop3_event pop3_end(
    struct pop3_client *client, enum attempt_outcome outcome, const char *text);
/* The same, in the server's words. */
enum pop3_event pop3_end_refused(struct pop3_client *client, enum attempt_outcome outcome,
    const char *command, const struct pop3_reply *reply);

/* ---- pop3_client_login.c ---- */

/* Why the login can't be done here; NULL: it can. */
const char *pop3_login_obstacle(const struct pop3_client *client);
enum pop3_event pop3_begin_login(struct pop3_client *client);
enum pop3_event pop3_on_user(struct pop3_client *client, const struct pop3_reply *reply);
enum pop3_event pop3_on_login(struct pop3_client *client, const struct pop3_reply *reply);
enum pop3_event pop3_on_auth(struct pop3_client *client, const struct pop3_reply *reply);

#endif
