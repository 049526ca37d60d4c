/*
 * pop3_client - a login to a POP3 server as an automaton: bytes in, bytes out, no sockets
 *
 * Owns     its output and its place in the dialogue; borrows the settings until pop3_client_free()
 * Context  pure; who drives it reads, writes and keeps the time
 * Units    milliseconds
 * Fails    as an event: POP3_IS_OVER, and pop3_client_end() says what is wrong
 *
 *	greeting → (STLS) → CAPA → login → QUIT           RFC 1939, 2449, 2595, 5034
 *
 * What the mailbox holds is not looked at. A server that says more than it was asked for is not
 * listened to, least of all behind STLS.
 */
#ifndef POSTERN_RELAY_POP3_CLIENT_H
#define POSTERN_RELAY_POP3_CLIENT_H

#include "common/buf.h"
#include "daemon/core/values.h"
#include "daemon/relay/client.h"
#include "daemon/relay/pop3_method.h"

struct pop3_client;

enum pop3_event {
	POP3_WAITS,      /* for more input */
	POP3_WANTS_TLS,  /* begin TLS, then pop3_client_secured() */
	POP3_WANTS_TURN, /* pop3_client_login(), now or later */
	POP3_IS_DONE,    /* logged in */
	POP3_IS_OVER     /* see pop3_client_end() */
};

struct pop3_client_settings {
	enum profile_tls tls; /* PROFILE_STARTTLS is STLS */
	struct pop3_method method;
	const char *username, *password;
	struct classifier
	    classifier;     /* of SMTP's replies: what it says of too many logins holds here */
	int64_t timeout_ms; /* each step */
	/* Each line of the dialogue, secrets replaced; may be NULL. */
	void (*on_line)(bool is_sent, const char *line, void *ctx);
	void *line_ctx;
};

struct pop3_client *pop3_client_new(const struct pop3_client_settings *settings, bool has_tls);
void pop3_client_free(struct pop3_client *client); /* NULL is allowed */

/* Reads what there is; `*used_out` bytes are done with. */
enum pop3_event pop3_client_input(
    struct pop3_client *client, const uint8_t *bytes, size_t size, size_t *used_out);
/* TLS stands. */
enum pop3_event pop3_client_secured(struct pop3_client *client);
/* It is this login's turn. */
enum pop3_event pop3_client_login(struct pop3_client *client);
/* The connection was lost or a deadline passed. */
enum pop3_event pop3_client_lost(struct pop3_client *client, const char *reason);

/* To be written; the caller clears it. */
struct buf *pop3_client_output(struct pop3_client *client);
/* How long the server may take for the step it is at, 0: nothing is due; and which step that is: a new
 * number, a new deadline. */
int64_t pop3_client_deadline_ms(const struct pop3_client *client);
unsigned pop3_client_step(const struct pop3_client *client);
enum phase pop3_client_phase(const struct pop3_client *client);
const struct client_end *pop3_client_end(const struct pop3_client *client);

/* The server took the login. */
bool pop3_client_is_logged_in(const struct pop3_client *client);
/* The server judged the login and refused it. */
bool pop3_client_is_refused(const struct pop3_client *client);
/* How often the server wants to see a login at most (RFC 2449 6.5); 0: it doesn't say. */
int64_t pop3_client_login_delay_ms(const struct pop3_client *client);

#endif
