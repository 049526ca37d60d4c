/*
 * session_private - the session's inside, shared by the files that make it up
 *
 * session.c reads lines and keeps the state, reply.c has what the client hears and the log of it,
 * commands.c the table of verbs, mail.c MAIL and RCPT, auth.c the SASL exchange, auth_offer.c its
 * mechanisms, receive.c what happens between DATA or BDAT (bdat.c) and the last reply, commit.c what
 * queue is told at its end, refusal.c what becomes of a message that is refused, policy.c what decides
 * about one, pace.c how long things may take. Nobody else includes this.
 */
#ifndef POSTERN_SMTPD_SESSION_PRIVATE_H
#define POSTERN_SMTPD_SESSION_PRIVATE_H

#include "common/buf.h"
#include "common/mailaddr.h"
#include "common/smtp_parameters.h"
#include "common/smtp_verb.h"
#include "daemon/smtpd/auth_failures.h"
#include "daemon/smtpd/data.h"
#include "daemon/smtpd/header.h"
#include "daemon/smtpd/session.h"

#define REPLY_TEXT_SIZE 480 /* a reply line is at most 512 octets (RFC 5321 4.5.3.1.5) */

/* Bits, so that a row of the verb table can name several. */
enum session_state {
	STATE_START = 1 << 0,    /* greeted, no EHLO yet */
	STATE_READY = 1 << 1,    /* outside of a transaction */
	STATE_MAIL = 1 << 2,     /* there is a sender */
	STATE_RCPT = 1 << 3,     /* there are recipients */
	STATE_AUTH = 1 << 4,     /* the next line is a SASL response */
	STATE_DATA = 1 << 5,     /* the message's text comes in */
	STATE_STALL = 1 << 6,    /* so much is on its way to queue that the client has to wait */
	STATE_SASL = 1 << 7,     /* accounts thinks about a SASL response */
	STATE_GRANT = 1 << 8,    /* MAIL waits to hear what the user may do */
	STATE_COMMIT = 1 << 9,   /* queue writes the message down */
	STATE_TLS = 1 << 10,     /* STARTTLS was read; the handshake */
	STATE_CHUNKS = 1 << 11,  /* between two chunks of a message */
	STATE_FAILED = 1 << 12,  /* likewise, but a chunk was refused: no message comes of it */
	STATE_SKIP = 1 << 13,    /* a chunk that belongs to no message comes in */
	STATE_ENDED = 1 << 14,   /* the last reply is out */
	STATE_REFUSED = 1 << 15, /* no service: only QUIT is answered with more than 503 */
	STATE_PENALTY = 1 << 16  /* the login failed; the client waits to hear it */
};

struct refusal {
	unsigned code;
	const char *enhanced; /* static */
	char text[REPLY_TEXT_SIZE];
	bool is_logged; /* in words of its own */
	bool is_said;   /* to the client, for an earlier chunk */
};

/* The chunk that comes in. */
struct bdat {
	uint64_t size, left;
	bool is_last;
	enum session_state back; /* where a chunk that is skipped came up */
};

struct recipient {
	char *address, *orcpt; /* orcpt "" if it wasn't said */
	unsigned notify;       /* enum dsn_notify, bits */
};

/* One message on its way, from MAIL to the reply to its text. */
struct transaction {
	struct mailaddr sender;
	struct grant *grant; /* held: a change during the transaction comes too late */
	struct smtp_mail_parameters wishes;
	int64_t hold_until_ms; /* wall clock; 0: send at once */
	struct recipient *recipients;
	size_t recipient_count;
	int64_t began_at_ms;

	/* while the text comes in */
	uint64_t id;
	struct data decoder;
	uint64_t text_size; /* octets of the text, dots unstuffed */
	int64_t reading_ms; /* how long the client has taken for them */
	struct buf header;  /* the text so far, until the end of its header was seen */
	struct header_end header_end;
	bool has_header;      /* it has, and was judged */
	bool has_8bit;        /* octets above 127 */
	bool has_utf8_header; /* SMTPUTF8 was said, and the header isn't ASCII */
	struct chunk *unsent; /* the rewritten header, as far as credit did not reach */
	uint32_t unsent_offset;
	uint64_t sent_size;
	uint32_t credit;
	bool is_open; /* queue knows of it */
	bool is_discarded;
	struct refusal refusal; /* what the client hears at the end of a text that is discarded */
	unsigned priority;
	char *header_from, *from_address, *message_id, *subject;
};

struct session {
	struct session_setup setup;
	char *client, *trusted_login;
	enum session_state state;
	struct buf line; /* what there is of the current command line */
	bool is_line_too_long;
	bool has_read; /* anything at all */
	bool has_quit;
	bool is_draining;
	unsigned errors, idle_commands; /* since the last message that was taken */
	unsigned messages;
	int64_t began_at_ms, entered_at_ms; /* the session, its state */

	char *helo;
	bool is_esmtp;
	char tls_version[16]; /* "" in clear */

	uint64_t user_id; /* 0: not known */
	bool is_authenticated;
	uint32_t credential;
	char *login; /* NULL: not known */
	char mechanism[32];
	struct auth_failures *auth_failures; /* NULL: none */
	uint32_t penalty_ms;                 /* how long the next 535 has to wait */
	bool is_last_failure;

	struct transaction *transaction; /* from MAIL on */
	struct bdat bdat;
};

/* session.c: sets the state and arms its deadline; the only place that writes it. */
void session_enter(struct session *session, enum session_state state);
/* The end, once what was written is out. */
void session_end(struct session *session);
void session_forget_user(struct session *session);
bool session_has_tls(const struct session *session);

/* reply.c */
/* The ordinary reply to a command: `enhanced` is "" for replies that have none. */
void session_reply(struct session *session, unsigned code, const char *enhanced, const char *format,
    ...) __attribute__((format(printf, 4, 5)));
/* For the statistics of the user. */
void session_count_refusal(struct session *session, const struct grant *grant, bool is_blocked);
/* A reply of 400 and more: goes to the log as `rejected`, and counts if the client is to blame. */
void session_refuse(struct session *session, unsigned code, const char *enhanced,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same; the reason is for the log alone, "" is none. */
void session_refuse_because(struct session *session, const char *reason, unsigned code,
    const char *enhanced, const char *text);
void session_write(struct session *session, const struct buf *bytes);
/* 421 and the end. */
void session_hang_up(struct session *session, const char *enhanced, const char *text);
/* 421 and the end: the user has too many connections. A refused login, permanent or not, would
 * make the client's program ask its user for another password. */
void session_refuse_user(struct session *session, const char *login);
/* Likewise: too many failed logins came from the client's address. */
void session_refuse_shut_out(struct session *session, int64_t until_ms);
/* The end without a word, with `reason` in the log. */
void session_drop(struct session *session, const char *reason);
/* Log lines begin with what is known of the session. */
struct log_line;
void session_log(const struct session *session, struct log_line *line);

/* commands.c */
void command_run(struct session *session, const char *line, size_t length);
/* 220 and the handshake; bytes that came behind STARTTLS end the session instead. */
void command_start_tls(struct session *session, bool has_more_input);

/* mail.c */
void mail_begin(struct session *session, struct smtp_verb *verb);
void mail_take_grant(struct session *session, struct grant *grant, bool is_answered);
void mail_add_recipient(struct session *session, struct smtp_verb *verb);
/* The user has used up what it may send. */
void mail_refuse_limit(struct session *session, const struct grant *grant);

/* auth.c */
void auth_begin(struct session *session, const char *arguments, size_t length);
void auth_line(struct session *session, const char *line, size_t length);
void auth_line_too_long(struct session *session);
void auth_take_reply(struct session *session, const struct msg_sasl_reply *reply);
/* The penalty is over. */
void auth_end_penalty(struct session *session);

/* auth_offer.c */
#define AUTH_BOUND_MECHANISM "SCRAM-SHA-256-PLUS"
enum auth_usable { AUTH_USABLE, AUTH_NEEDS_TLS, AUTH_UNKNOWN };
enum auth_usable auth_usable(const struct session *session, const char *mechanism);
/* The EHLO lines that name the mechanisms that can be used now, if there are any. */
void auth_offer(const struct session *session, struct buf *out);

/* pace.c: when session_on_deadline() is due in a state; 0: never */
int64_t pace_deadline_ms(const struct session *session, enum session_state state);
/* Before the state is entered (again). */
void pace_note_state(struct session *session);
/* Whether the session has to end now, being between two messages. */
bool pace_is_over(const struct session *session);
/* At the deadline: what has taken too long. */
const char *pace_reason(const struct session *session);
/* Counts a command that is no part of a message; false: the session has ended. */
bool pace_allows_command(struct session *session);

/* bdat.c */
void bdat_begin(struct session *session, struct smtp_verb *verb);
/* Octets of a chunk that belongs to no message. Returns how many of them. */
size_t bdat_skip(struct session *session, size_t size);

/* receive.c */
void receive_begin(struct session *session);
/* A chunk of session->bdat; the first one if there are recipients and no more. */
void receive_begin_chunk(struct session *session);
size_t receive_bytes(struct session *session, const uint8_t *bytes, size_t size);
void receive_take_credit(struct session *session, uint32_t bytes);
void receive_end_stall(struct session *session);
void receive_take_commit(struct session *session, enum commit_outcome outcome);
void receive_lose_queue(struct session *session);

/* commit.c: the message is whole; queue's answer comes to receive_take_commit(). */
void receive_commit(struct session *session);

/* refusal.c: the client hears it at the end of its text */
void receive_stop_storing(struct session *session);
void receive_discard_malformed(struct session *session, const char *what);
void receive_discard_too_big(struct session *session);
void receive_discard_lost(struct session *session);
void receive_reply_refusal(struct session *session);
void receive_end_transaction(struct session *session);

/* transaction.c */
struct transaction *transaction_new(
    const struct mailaddr *sender, const struct smtp_mail_parameters *wishes);
void transaction_add_recipient(struct transaction *transaction, const char *address,
    const struct smtp_rcpt_parameters *parameters);
void transaction_free(struct transaction *transaction);
/* Gives up what there is of a transaction, also towards queue. */
void session_abandon_transaction(struct session *session);

#endif
