/*
 * channel - one connection to an upstream: the client automaton on a socket
 *
 * Owns     its name query, its socket, its automaton; holds its profile; borrows a transaction
 *          until on_done
 * Context  loop; no callback runs inside channel_open(), channel_send() or channel_finish()
 * Units    milliseconds, bytes
 * Fails    on_closed, once, with what ended it; a transaction that was under way has had its
 *          on_done before
 *
 *	channel_open → on_ready → channel_send → on_body_wanted → channel_body… channel_body_end
 *	→ on_done → on_ready …
 *
 * The profile's hosts are tried in turn until one can be used, up to a login: one that isn't found, doesn't
 * answer, turns connections away without a word of us, or has no TLS that stands. What a host says of
 * the account or of how much it gets holds for all of them. Of a host all addresses are tried in turn
 * until one greets.
 */
#ifndef POSTERN_RELAY_CHANNEL_H
#define POSTERN_RELAY_CHANNEL_H

#include "common/chunk.h"
#include "daemon/relay/client.h"
#include "daemon/relay/dns.h"
#include "daemon/relay/profile.h"

struct channel;
struct loop;

/* A step that was done, for who follows the way of a connection. */
struct channel_step {
	enum phase phase;
	int64_t took_ms;
	const char *detail; /* an address, a TLS version, a method; may be "" */
};

struct channel_callbacks {
	/* Free for a transaction. */
	void (*on_ready)(struct channel *channel, void *ctx);
	/* The upstream waits for the body; also when it takes more after it didn't. */
	void (*on_body_wanted)(struct channel *channel, void *ctx);
	/* The transaction has its verdict. on_ready or on_closed follows. */
	void (*on_done)(struct channel *channel, void *ctx);
	/* The last one. The channel is freed afterwards. */
	void (*on_closed)(struct channel *channel, const struct client_end *end, void *ctx);
	/* These may be NULL. */
	/* A host can't be used, see channel_facts(); the next one is tried. */
	void (*on_host_failed)(struct channel *channel, const struct client_end *end, void *ctx);
	void (*on_step)(struct channel *channel, const struct channel_step *step, void *ctx);
	void (*on_line)(bool is_sent, const char *line, void *ctx);
};

struct channel *channel_open(struct loop *loop, struct dns *dns, struct profile *profile,
    const struct channel_callbacks *callbacks, void *ctx);
/* At once, without a callback; the transaction is forgotten. */
void channel_close(struct channel *channel);
/* QUIT, only when ready; without a callback. */
void channel_finish(struct channel *channel);

void channel_send(struct channel *channel, struct client_transaction *transaction);
/* Whether channel_body() is welcome. */
bool channel_takes_body(const struct channel *channel);
/* The next piece as it was stored; it is dot-stuffed, or made a chunk, here. Returns the bytes that this made. */
uint32_t channel_body(struct channel *channel, const struct slice *slice);
/* Whether more of the body is waited for, or its end. */
bool channel_awaits_body(const struct channel *channel);
/* The next piece must be no more than a line: nobody knows yet whether the upstream takes chunks. */
bool channel_tries_chunks(const struct channel *channel);
/* No piece comes just now, by our own doing: no deadline runs once the others have left. */
void channel_hold_body(struct channel *channel);
/* The last piece, NULL: there is none, and the end. */
uint32_t channel_body_end(struct channel *channel, const struct slice *slice);

bool channel_is_ready(const struct channel *channel);
/* The upstream has, or will soon have, the end of the body. */
bool channel_is_past_dot(const struct channel *channel);
/* Messages that the upstream takes on this connection; 0: as many as we like. */
unsigned channel_mail_max(const struct channel *channel);
/* The upstream announced no 8BITMIME; only when ready. */
bool channel_lacks_8bitmime(const struct channel *channel);
/* It has been ready once. */
bool channel_is_established(const struct channel *channel);

struct channel_facts {
	const char *host;     /* that is tried or was reached, one of the profile's */
	const char *upstream; /* host[ip]:port, or "" */
	const char *tls;      /* TLSv1.3, or "" */
	const char *auth;     /* PLAIN …, or "" */
	int64_t connect_ms;   /* with the name, the greeting and EHLO */
	int64_t tls_ms;       /* with AUTH */
};
const struct channel_facts *channel_facts(const struct channel *channel);

#endif
