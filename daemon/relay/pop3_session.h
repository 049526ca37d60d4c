/*
 * pop3_session - one login to a profile's POP3 server: the automaton on a socket
 *
 * Owns     its name query, its socket, its automaton, its turn to log in; holds its profile
 * Context  loop; no callback runs inside pop3_session_open()
 * Units    milliseconds
 * Fails    on_end, once, with what ended it
 *
 * All addresses of the name are tried in turn until one greets.
 */
#ifndef POSTERN_RELAY_POP3_SESSION_H
#define POSTERN_RELAY_POP3_SESSION_H

#include "daemon/relay/channel.h"
#include "daemon/relay/dial.h"

struct pop3_session;

struct pop3_session_callbacks {
	void (*on_step)(const struct channel_step *step, void *ctx);
	void (*on_line)(bool is_sent, const char *line, void *ctx);
	/* The last one; the session is freed afterwards. `end` NULL: it worked. */
	void (*on_end)(struct pop3_session *session, const struct client_end *end, void *ctx);
};

/* The server is to see an address of these families, if it has one itself. */
struct pop3_session *pop3_session_open(struct loop *loop, struct dns *dns, struct profile *profile,
    unsigned families, const struct pop3_session_callbacks *callbacks, void *ctx);
/* At once, without a callback. */
void pop3_session_close(struct pop3_session *session);

/* Of a session that worked: the family that was used. */
unsigned pop3_session_family(const struct pop3_session *session);
/* See pop3_client.h. */
int64_t pop3_session_login_delay_ms(const struct pop3_session *session);
/* host[ip]:port; "" before a connection. */
const char *pop3_session_server(const struct pop3_session *session);

#endif
