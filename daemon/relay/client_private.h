/*
 * client_private - what the files of the client automaton share
 *
 *	client.c              the table of states, the calls of client.h
 *	client_introduction.c greeting, EHLO, HELO, STARTTLS
 *	client_login.c        AUTH
 *	client_envelope.c     what MAIL and RCPT say, and to whom: by the upstream's abilities
 *	client_transaction.c  the replies to MAIL, RCPT, DATA, the final dot, RSET
 *	client_chunks.c       BDAT in place of DATA and the dot
 *
 * An on_… function handles a reply in its state and says what the driver is to do; a send_…
 * function says what is said on entering one. Only client_enter() writes the state.
 */
#ifndef POSTERN_RELAY_CLIENT_PRIVATE_H
#define POSTERN_RELAY_CLIENT_PRIVATE_H

#include "common/smtp_reply.h"
#include "daemon/relay/capabilities.h"
#include "daemon/relay/client.h"
#include "daemon/relay/client_auth.h"

enum client_state {
	CLIENT_STATE_GREETING,
	CLIENT_STATE_EHLO,
	CLIENT_STATE_HELO,
	CLIENT_STATE_STARTTLS,
	CLIENT_STATE_HANDSHAKE,
	CLIENT_STATE_AUTH,
	CLIENT_STATE_READY,
	CLIENT_STATE_ENVELOPE,
	CLIENT_STATE_BODY,
	CLIENT_STATE_DOT,
	CLIENT_STATE_ABANDON,
	CLIENT_STATE_RSET,
	CLIENT_STATE_OVER,
};

struct client {
	const struct client_settings *settings;
	enum client_state state;
	unsigned step; /* see client_step() */
	bool has_tls;
	bool is_settled;  /* the transaction has its verdict; answers on their way don't count */
	bool needs_reset; /* RSET before the next transaction */
	const char *name; /* that we go by, one of the settings' */
	bool is_name_refused; /* the first one */
	struct reply name_refusal;
	bool has_said_helo;
	struct smtp_reply reply; /* as far as it has come */
	struct buf output;
	struct capabilities capabilities;

	struct client_auth *auth;
	struct buf secret;  /* of the credential */
	struct buf initial; /* response, in base64, until it is said */
	struct buf token;   /* what AUTH was told last, in base64 */
	enum auth_method method;
	unsigned next_methods; /* that the next credential is for, AUTH_BIT()s */
	unsigned methods_refused;
	struct err cancelled; /* why we cancelled the exchange, "": we did not */
	struct reply refusal; /* of the method before */
	bool is_second;       /* a method was refused on this connection */
	bool is_renewable;    /* the token; see struct credential */
	bool is_renewed;      /* another was asked for */
	unsigned challenges;  /* of the exchange so far */
	bool awaits_key;
	bool has_authenticated;

	struct client_transaction *transaction;
	size_t *chosen; /* recipients that are named, by their place in the transaction */
	size_t chosen_count;
	size_t sent, answered; /* commands of the envelope: 0 MAIL, then RCPTs, then DATA */
	size_t accepted;       /* recipients */
	bool is_chunked;       /* the body goes by BDAT */
	size_t chunks_said, chunks_answered;
	bool has_said_last; /* chunk */
	bool is_followed;   /* by bytes that are no refusal, the reply that is read */
	char **domains;     /* of recipients on this connection, if it has a limit of them */
	size_t domain_count;
	struct client_end end;
};

/* ---- client.c ---- */

void client_enter(struct client *client, enum client_state state);
/* Something is due anew: it has its own time. */
void client_next_step(struct client *client);
/* Into the transcript. */
void client_say_line(struct client *client, bool is_sent, const char *line);
/* A command line. */
void client_put(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One that holds a secret; `shown` stands for it in the transcript. */
void client_put_secret(struct client *client, const char *line, const char *shown);
void client_wipe(struct buf *buf);
void client_read_reply(const struct smtp_reply *from, struct reply *to);
bool client_is_positive(const struct smtp_reply *reply);
/* The upstream refuses to go on; we do. */
enum client_event client_end_refused(struct client *client, const struct smtp_reply *refusal);
enum client_event client_end_reply(struct client *client, const struct reply *refusal);
enum client_event client_end_by_us(
    struct client *client, enum attempt_outcome outcome, const char *why);
enum client_event client_become_ready(struct client *client);

/* ---- client_introduction.c ---- */

enum client_event client_on_greeting(struct client *client, const struct smtp_reply *reply);
void client_send_ehlo(struct client *client);
enum client_event client_on_ehlo(struct client *client, const struct smtp_reply *reply);
void client_send_helo(struct client *client);
enum client_event client_on_helo(struct client *client, const struct smtp_reply *reply);
void client_send_starttls(struct client *client);
enum client_event client_on_starttls(struct client *client, const struct smtp_reply *reply);

/* ---- client_login.c ---- */

/* Encryption is settled: log in, if the profile wants that. */
enum client_event client_begin_auth(struct client *client);
enum client_event client_on_auth(struct client *client, const struct smtp_reply *reply);
/* The exchange under way. */
void client_forget_exchange(struct client *client);
/* And the secrets. */
void client_forget_auth(struct client *client);
/* Servers that repeat what they don't understand repeat a password: stars take its place. */
void client_hide_secrets(const struct client *client, char *text);

/* ---- client_envelope.c ---- */

/* Finds who can be named to this upstream, and how. False: nobody; the transaction is settled. */
bool client_choose_recipients(struct client *client);
void client_say_mail(struct client *client);
void client_say_rcpt(struct client *client, const struct client_recipient *recipient);
void client_forget_envelope(struct client *client);

/* ---- client_chunks.c ---- */

/* How the body will go, of a transaction that begins. */
void client_choose_way(struct client *client);
/* All recipients have their answers. */
enum client_event client_begin_chunks(struct client *client);
enum client_event client_on_chunk(struct client *client, const struct smtp_reply *from);
/* A chunk that has no reply yet. */
bool client_awaits_chunk(const struct client *client);

/* ---- client_transaction.c ---- */

void client_send_envelope(struct client *client);
void client_send_dot(struct client *client);
void client_send_rset(struct client *client);
enum client_event client_on_idle(struct client *client, const struct smtp_reply *reply);
enum client_event client_on_envelope(struct client *client, const struct smtp_reply *from);
enum client_event client_on_body(struct client *client, const struct smtp_reply *from);
enum client_event client_on_dot(struct client *client, const struct smtp_reply *from);
enum client_event client_on_abandoned(struct client *client, const struct smtp_reply *reply);
enum client_event client_on_rset(struct client *client, const struct smtp_reply *reply);
/* The transaction has its verdict, for all whom no refusal of their own has met. */
void client_settle(
    struct client *client, struct verdict verdict, const struct reply *reply, enum phase phase);
/* And no answer is on its way any more. */
enum client_event client_finish(struct client *client);
/* What a reply means at this place. */
struct verdict client_judge(struct client *client, enum phase phase, const struct reply *reply);
/* DATA among the envelope's commands, where MAIL is 0. */
size_t client_data_index(const struct client *client);

#endif
