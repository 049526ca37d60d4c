/*
 * trace - the header that a message leaves with: Received:, what was missing, less what was dropped
 *
 * Owns     nothing: appends to the caller's buf
 * Units    milliseconds of the wall clock, octets
 * Fails    never
 *
 * Every line that is written here ends in CRLF and is shorter than 998 octets, whatever the client
 * called itself. The user's name isn't disclosed.
 */
#ifndef POSTERN_SMTPD_TRACE_H
#define POSTERN_SMTPD_TRACE_H

#include "common/buf.h"
#include "common/netaddr.h"
#include "daemon/smtpd/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct trace {
	const char *hostname; /* ours */
	const char *helo;     /* as the client wrote it */
	struct netaddr client;
	uint64_t message_id; /* of the queue */
	bool is_esmtp;       /* EHLO, not HELO */
	bool is_authenticated;
	bool is_smtputf8;        /* as MAIL said */
	const char *tls_version; /* `TLSv1.3`, or "" in clear */
	int64_t now_ms;
};

struct header_changes {
	char *const *drop_headers; /* NULL-terminated; NULL: none */
	unsigned stamp_priority;   /* 1 to 5, or 0 */
};

/* Whether the message gets a Message-ID: of ours: it has none, or it is dropped. */
bool trace_makes_message_id(const struct header *header, const struct header_changes *changes);
/* The Message-ID: that such a message gets, with its angle brackets. */
void trace_message_id(struct buf *out, const struct trace *trace);

/* Received: (RFC 5321 4.4), Date: and Message-ID: when they're missing or dropped (RFC
 * 6409 8), the fields
 * that stay as they are, the stamp, and the empty line. `bytes` are those that were scanned. */
void trace_write_header(struct buf *out, const struct trace *trace,
    const struct header_changes *changes, const struct header *header, const char *bytes,
    size_t size);

#endif
