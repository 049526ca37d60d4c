/*
 * channel_private - a channel's inside, for the files that make it up
 *
 * channel.c opens and ends it, follows the automaton and carries a transaction; channel_hosts.c goes from
 * host to host, channel_name.c says what we are called there; channel_connect.c finds an address that greets and drives the automaton from the socket;
 * channel_chunks.c says whether a body goes in chunks and with its envelope;
 * channel_login.c fetches what AUTH needs; channel_pop3.c waits for POP-before-SMTP. Nobody else includes
 * this.
 */
#ifndef POSTERN_RELAY_CHANNEL_PRIVATE_H
#define POSTERN_RELAY_CHANNEL_PRIVATE_H

#include "daemon/core/conn.h"
#include "daemon/core/loop.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/dial.h"
#include "daemon/relay/dotstuff.h"

#define BODY_HIGH_BYTES (192u * 1024)

struct channel {
	struct loop *loop;
	struct profile *profile;
	const struct channel_callbacks *callbacks;
	void *ctx;

	struct dns *dns;
	struct token_wait *token; /* that is waited for before anything else, or NULL */
	size_t host;              /* the one in use */
	unsigned hosts_tried;     /* bits */
	struct client_end failed; /* of the hosts that failed the one that came furthest */
	const char *failed_host;  /* its name; NULL: none has failed */
	struct buf failed_others; /* in words */
	struct dns_query *query;
	struct dial dial;
	struct conn *conn;
	struct client_settings settings;
	char literal[64];      /* our address, as a name; "" before a connection */
	bool is_by_address;    /* it was said first */
	bool has_changed_name; /* the connection is a new one for the sake of another name */
	struct tls_binding binding;
	struct credential_query *credential; /* NULL: no login is under way */
	bool is_second_login;
	struct pop3_wait *pop3; /* POP-before-SMTP, NULL: it isn't waited for */
	int64_t connected_at_ms;
	unsigned pop3_families; /* that a login is wanted of */
	bool has_turned;        /* to the other family, after the first led nowhere */
	bool has_asked_pop3;    /* the upstream, although there was a login */
	bool resends;           /* the transaction, when it is ready again, or in the next turn */
	struct client_transaction *transaction;
	struct key_job *key;   /* that is being derived, NULL: none */
	struct client *client; /* from the connection on */
	unsigned step;         /* of the automaton, that the deadline is for */
	bool takes_chunks;     /* that was seen to work here */
	struct dotstuff stuff;

	struct silence *silence; /* of a test's upstream; NULL: it isn't watched */
	struct timer *soon;      /* for an event that is told in a later turn */
	enum client_event event; /* that event; CLIENT_WAITS: none */
	bool is_ready, is_established, is_sending_body, is_past_dot, is_closed;
	bool is_handshake;                 /* of implicit TLS, before the greeting */
	enum phase phase;                  /* of the step under way */
	int64_t started_at_ms, step_at_ms; /* loop_now_ms() */
	int64_t ready_at_ms;               /* since when it waits for a transaction */
	bool is_kept;                      /* the connection has carried a message */
	struct client_end end;
	struct channel_facts facts;
};

/* It ends before there is an automaton that could say how. */
void channel_end_early(struct channel *channel, enum phase phase, const char *text);
void channel_end_with(struct channel *channel, const struct client_end *end);
/* Tells who follows the way of the connection. */
void channel_step_done(struct channel *channel, enum phase phase, const char *detail);
/* Does what the automaton asks for, until it waits. */
void channel_act(struct channel *channel, enum client_event event);
/* What came before it could be read, for the automaton. */
void channel_read_early(struct channel *channel);
void channel_drop_client(struct channel *channel);
/* The socket stands, for the greeting. */
void channel_begin_dialogue(struct channel *channel, bool has_tls);

/* channel_hosts.c: to the next host, or the first. */
void channel_seek_host(struct channel *channel);
/* Whether the end is the host's alone, and another one is tried. */
bool channel_goes_elsewhere(struct channel *channel);
void channel_note_host_worked(struct channel *channel);

/* channel_name.c: of a connection that has begun, before its automaton. */
void channel_choose_name(struct channel *channel);
/* The connection is ready, so the upstream took a name. */
void channel_note_name(struct channel *channel);
/* "", or what was said where that isn't EHLO with the first name. */
const char *channel_name_detail(const struct channel *channel, char *buffer, size_t size);
/* Whether the upstream minds our name, and is tried once more with another, on a new connection. */
bool channel_renames_end(struct channel *channel);
bool channel_renames_transaction(struct channel *channel);

/* channel_chunks.c: of a transaction that is about to begin. */
void channel_choose_way(struct channel *channel);
/* Its body is small and not there yet, but will be in the next turn: it could go with the envelope. */
bool channel_waits_for_body(const struct channel *channel);
/* Of one that is done: whether the upstream doesn't know the chunks that it announces, and is sent the body as
 * data, on a new connection. */
bool channel_unchunks_transaction(struct channel *channel);

/* channel_login.c: what the automaton wants for AUTH. */
void channel_want_credential(struct channel *channel);
void channel_want_key(struct channel *channel);
void channel_on_login(enum login_result result, unsigned method, const char *words, void *ctx);
/* Nothing is waited for any more. */
void channel_end_login(struct channel *channel);

/* channel_pop3.c: begins the way behind a login. */
void channel_want_pop3(struct channel *channel);
/* Nothing greeted in the family that the login opened: whether the other one is tried now. */
bool channel_turns(struct channel *channel);
void channel_end_pop3(struct channel *channel);
/* Whether the upstream asked for POP-before-SMTP and is tried once more, after a login. */
bool channel_retries_end(struct channel *channel);
bool channel_retries_transaction(struct channel *channel);
/* The transaction that was to be sent again has the channel's end for a verdict. */
void channel_fail_transaction(struct channel *channel);
/* channel_connect.c: leaves the connection that there may be, for another. */
void channel_leave_conn(struct channel *channel);
/* channel_connect.c: the addresses are known, and the upstream is open for us. */
void channel_connect(struct channel *channel);
/* channel_connect.c: the name query's answer, from which the way begins; ctx is the channel. */
void channel_on_addresses(const struct dns_answer *answer, void *ctx);

#endif
