/*
 * dsn - the text of a failure notice (RFC 3464), and nothing else
 *
 * Owns     nothing; appends to the caller's buf
 * Context  any
 */
#ifndef POSTERN_QUEUE_DSN_H
#define POSTERN_QUEUE_DSN_H

#include "common/buf.h"
#include "daemon/queue/mail.h"

/* A recipient that failed for good. */
struct dsn_failure {
	const char *address;
	const char *enhanced; /* "": 5.0.0 */
	const char *reply;    /* the upstream's words, or ours */
	const char *upstream; /* host[ip]:port, or "" */
	uint16_t code;        /* 0: there was no reply */
	bool is_expired;
};

struct dsn {
	const char *hostname; /* ours */
	const char *from;     /* "": MAILER-DAEMON at our name */
	const struct mail *mail;
	const struct dsn_failure *failures;
	size_t failure_count;
	const char *header; /* the original's, as far as it was read; any bytes */
	size_t header_size;
	uint64_t notice_id;
	int64_t now_ms;
};

/* Lines end in CRLF. Returns whether it has octets above 127. */
bool dsn_write(const struct dsn *dsn, struct buf *out);

#endif
