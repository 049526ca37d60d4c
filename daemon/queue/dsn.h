/*
 * dsn - the text of a notice on what became of recipients (RFC 3464, RFC 6533), and nothing else
 *
 * Owns     nothing; appends to the caller's buf
 * Context  any
 */
#ifndef POSTERN_QUEUE_DSN_H
#define POSTERN_QUEUE_DSN_H

#include "common/buf.h"
#include "daemon/queue/mail.h"

/* What a sender is told of a recipient. */
enum dsn_action {
	DSN_NONE,
	DSN_FAILED,    /* for good */
	DSN_DELAYED,   /* still tried */
	DSN_RELAYED,   /* an upstream took it that says no more of it (RFC 3461 5.2.2) */
	DSN_DELIVERED, /* into a mailbox of ours */
	DSN_ACTION_COUNT
};

struct dsn_recipient {
	const char *address;
	const char *orcpt;       /* as its client gave it, or "" */
	const char *enhanced;    /* "": 5.0.0 or 2.0.0 */
	const char *reply;       /* the upstream's words, or ours */
	const char *upstream;    /* host[ip]:port, or "" */
	uint16_t code;           /* 0: there was no reply */
	int64_t attempted_at_ms; /* the last attempt; 0: not known, or none */
	bool is_expired;
	enum dsn_action action;
};

struct dsn {
	const char *hostname; /* ours */
	const char *from;     /* "": MAILER-DAEMON at our name */
	const struct mail *mail;
	const struct dsn_recipient *recipients;
	size_t recipient_count;
	const char *original; /* the message that it is about, as far as it was read; any bytes */
	size_t original_size;
	uint64_t notice_id;
	const char *why;        /* what is delayed waits; a sentence, or NULL or "" */
	int64_t retry_until_ms; /* of what is delayed */
	int64_t now_ms;
};

struct dsn_needs {
	bool has_8bit;        /* octets above 127 */
	bool has_utf8_header; /* also in its header: SMTPUTF8 */
};

/* Lines end in CRLF. */
struct dsn_needs dsn_write(const struct dsn *dsn, struct buf *out);
const char *dsn_subject(const struct dsn *dsn);

/* dsn_status.c: what stands in message/delivery-status; with `is_global` in
 * message/global-delivery-status, where addresses may be UTF-8. */
bool dsn_is_global(const struct dsn *dsn);
void dsn_write_status(const struct dsn *dsn, bool is_global, struct buf *out);
/* `550 5.1.1 no such user`, as far as there is something of each; in UTF-8. */
void dsn_write_reply(const struct dsn_recipient *recipient, struct buf *out);

#endif
