/*
 * client - the client's side of SMTP as an automaton: bytes in, bytes out, no sockets
 *
 * Owns     its output and its place in the dialogue; borrows the settings (until client_free())
 *          and a transaction (until it is done)
 * Context  pure; who drives it reads, writes and keeps the time
 * Units    milliseconds, bytes
 * Fails    as an event: a transaction that is done has a verdict, a client that is over has a
 *          client_end
 *
 * Each call below that returns an event may have appended to client_output(): write that, then do
 * what the event says, and set the deadline if there is another step.
 *
 *	greeting → EHLO (another name, HELO) → STARTTLS → EHLO → AUTH → ready
 *	ready → MAIL RCPT… DATA → body → final dot → done → (RSET) → ready
 *	ready → MAIL RCPT…      → body → last chunk → done → (RSET) → ready
 *	ready → MAIL RCPT… body           …            → done → (RSET) → ready
 *
 * The second and the third are for an upstream that announces CHUNKING and PIPELINING (RFC 3030): the body goes in
 * chunks, each said before its octets; a body that is whole in hand, and small, leaves with its envelope. Without
 * PIPELINING each chunk would wait for the reply to the one before: then it is DATA.
 */
#ifndef POSTERN_RELAY_CLIENT_H
#define POSTERN_RELAY_CLIENT_H

#include "common/buf.h"
#include "daemon/core/messages.h"
#include "daemon/core/tls.h"
#include "daemon/relay/classify.h"
#include "daemon/relay/credential.h"
#include "daemon/relay/scram_key.h"

struct client;

enum client_event {
	CLIENT_WAITS,            /* for more input */
	CLIENT_WANTS_TLS,        /* begin TLS, then client_secured() */
	CLIENT_WANTS_CREDENTIAL, /* client_credential(), now or later */
	CLIENT_WANTS_KEY,        /* client_take_key(), derive it, client_use_key(), now or later */
	CLIENT_IS_READY,         /* client_send() may be called */
	/* Write the body, dot-stuffed, and its end; or in chunks, see client_chunk(), all of it at once if
	 * the transaction is_grouped; then client_body_sent() */
	CLIENT_WANTS_BODY,
	CLIENT_IS_DONE, /* the transaction has its verdict; then client_next() */
	CLIENT_IS_OVER  /* see client_end(); the connection is of no more use */
};

struct client_settings {
	const char *ehlo_name;
	const char *ehlo_other; /* where that is refused; NULL: nothing else */
	struct classifier classifier;
	enum profile_tls tls;
	bool verifies;       /* certificates: TLS stands only with the upstream that is meant */
	bool skips_starttls; /* opportunistic, and TLS has failed with this upstream */
	bool
	    skips_chunking; /* it is announced, and BDAT is not known; read as a transaction begins */
	bool tries_chunks; /* it is not known yet that they are: the first is awaited; likewise */
	bool groups_body;  /* with the envelope, where that can be; likewise */
	bool allows_clear; /* credentials also where there is no TLS */
	bool is_loopback;  /* the connection doesn't leave this machine */
	bool has_certificate; /* of our own, which TLS shows */
	const char *host;     /* the upstream's name */
	uint16_t port;
	unsigned auth_methods; /* AUTH_BIT()s; 0: none */
	const char *username;
	/* Of the TLS that stands; set before client_secured(), or client_new() with TLS. NULL: none. */
	const struct tls_binding *binding;
	int64_t timeout_ms;     /* each step up to AUTH */
	int64_t dot_timeout_ms; /* the reply to the final dot */
	/* Each line of the dialogue, secrets replaced; may be NULL. */
	void (*on_line)(bool is_sent, const char *line, void *ctx);
	void *line_ctx;
	/* What became of the login that the last credential was for, but for a connection that was
	 * lost meanwhile. `method` is an AUTH_BIT(), `words` the upstream's if it was refused; may be NULL. */
	void (*on_login)(enum login_result result, unsigned method, const char *words, void *ctx);
	void *login_ctx;
};

/* The verdict's rule where BDAT is not known: the message is to go again, by DATA. */
#define CHUNKING_UNKNOWN "chunking-unknown"
#define CLIENT_GROUP_MAX (64u * 1024) /* bytes of a body that goes with its envelope */

struct client_recipient {
	uint16_t index;
	const char *address;
	const char *orcpt; /* as its client gave it; NULL or "": not */
	uint8_t notify;    /* enum dsn_notify, bits */
	struct reply
	    *refusal; /* NULL: it shares the transaction's fate; client_transaction_reset() */
	struct verdict verdict; /* the same */
	bool is_postponed;      /* the upstream takes no more of them now: it was not tried */
	char *wire;             /* what this upstream calls it; NULL: as above */
};

struct client_transaction {
	const char *sender;
	struct client_recipient *recipients;
	size_t recipient_count; /* at least 1 */
	uint64_t size_bytes;
	bool has_8bit;
	bool is_whole;            /* the body is in hand, and no longer than CLIENT_GROUP_MAX */
	struct rec_wishes wishes; /* zeroes: none */

	/* when it is done */
	struct verdict verdict; /* for the recipients without a refusal */
	struct reply reply;
	enum phase phase; /* that `reply` belongs to */
	bool is_answered; /* false: no command was answered, it may be said again elsewhere */
	bool is_chunked;  /* the body goes by BDAT; also before it is done */
	bool is_grouped;  /* and with the envelope; likewise */
	bool lacks_bdat;  /* the upstream announced CHUNKING, and does not know what that is */
	bool is_in_hand;  /* and the body can be said again */
	bool takes_bdat;  /* it took a chunk */
	bool has_dsn;     /* the upstream knows of the notices that are wanted (RFC 3461) */
	/* What was said to some of the recipients, who are postponed, of the account: it has to wait,
	 * or takes fewer at a time. REPLY_NONE: nothing. */
	struct verdict put_off;
	struct reply put_off_reply;
	uint16_t recipients_max; /* so many were taken in one transaction; 0: nothing was learned */
	char *sender_wire;
};

struct client_end {
	enum phase phase;
	struct verdict verdict;
	struct reply reply;
	char fingerprint[TLS_FINGERPRINT_TEXT_SIZE]; /* of a certificate not accepted, else "" */
};

/* Waits for the greeting, over TLS already if `has_tls`. */
struct client *client_new(const struct client_settings *settings, bool has_tls);
void client_free(struct client *client);

/* Reads as far as events allow; `*used_out` bytes are done with. */
enum client_event client_input(
    struct client *client, const uint8_t *bytes, size_t size, size_t *used_out);
/* TLS stands. */
enum client_event client_secured(struct client *client);
/* What to log in with, or why there is nothing. */
enum client_event client_credential(struct client *client, const struct credential *credential);
/* The caller owns the key until it gives it back, derived. */
struct scram_key *client_take_key(struct client *client);
enum client_event client_use_key(struct client *client, struct scram_key *key);
/* The connection was lost or a deadline passed. Ends a transaction (IS_DONE) and the client. */
enum client_event client_lost(struct client *client, const char *reason);

/* Only when ready. Fills in the transaction's results. */
enum client_event client_send(struct client *client, struct client_transaction *transaction);
enum client_event client_body_sent(struct client *client);
/* The transaction's body goes in chunks. So many octets follow in the next one, behind client_output();
 * the last one may be empty. */
bool client_is_chunked(const struct client *client);
void client_chunk(struct client *client, uint64_t size);
void client_last_chunk(struct client *client, uint64_t size);
/* The first chunk decides whether any other follows: it is not more than a line, and the reply to it is awaited. */
bool client_tries_chunks(const struct client *client);
bool client_awaits_trial(const struct client *client);
/* The upstream has refused none of it so far. */
bool client_takes_body(const struct client *client);
/* The end of the body, be it a dot or the last chunk, has not left after all; before client_lost(). */
void client_body_unsent(struct client *client);
/* After IS_DONE. */
enum client_event client_next(struct client *client);
/* A polite end, without waiting for the answer. */
void client_quit(struct client *client);

/* To be written; the caller clears it. */
struct buf *client_output(struct client *client);
/* How long the peer may take now; 0: nothing is due. It begins when the step changes: what comes in
 * drops, and what is asked within a login, is no reason for more time. */
int64_t client_deadline_ms(const struct client *client);
unsigned client_step(const struct client *client);
/* Whether what waits to be read was said before what it would answer: no command may be written then.
 * A refusal is let through, it may be the upstream's last word. */
bool client_is_ahead(const struct client *client, const uint8_t *bytes, size_t size);
/* And the end that follows, as of client_lost(). */
enum client_event client_end_ahead(struct client *client);
enum phase client_phase(const struct client *client);
const struct client_end *client_end(const struct client *client);
/* Messages that the upstream takes on one connection (RFC 9422); 0: as many as we like. */
unsigned client_mail_max(const struct client *client);
/* The upstream takes bodies in chunks, and more of them than it has answered; only when ready. */
bool client_may_chunk(const struct client *client);
/* The upstream announced no 8BITMIME; only when ready. */
bool client_lacks_8bitmime(const struct client *client);
/* The name that the upstream was told last; whether it refused the first one; whether as HELO. */
const char *client_name(const struct client *client);
bool client_is_name_refused(const struct client *client);
bool client_has_said_helo(const struct client *client);
/* The method that was used, "" without AUTH. */
const char *client_auth_used(const struct client *client);

/* Every recipient that was tried was taken. */
bool client_transaction_is_delivered(const struct client_transaction *transaction);
/* Frees refusals; the transaction may be sent again. */
void client_transaction_reset(struct client_transaction *transaction);

#endif
