/*
 * journal - what happened to messages, as records: the format of the rows of queue.db's journal and
 * of history.db's events
 *
 * Owns     nothing; a record that was read borrows the bytes it was read from
 * Context  any; no I/O
 * Units    bytes, milliseconds; *_at_ms are wall clock
 * Fails    false: the bytes are no record of ours
 *
 * A record is written in the transaction of what it tells of, and tells enough to be understood by
 * itself: the message it belongs to may be gone, or its acceptance never have been written down.
 */
#ifndef POSTERN_QUEUE_JOURNAL_H
#define POSTERN_QUEUE_JOURNAL_H

#include "common/buf.h"
#include "daemon/queue/mail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As stored: the numbers are part of the databases' format. */
enum journal_kind {
	JOURNAL_ACCEPTED = 1,   /* a row for each recipient */
	JOURNAL_ATTEMPT = 2,    /* a row for each recipient that was tried, or one of nobody */
	JOURNAL_REMOVED = 3,    /* by an operator */
	JOURNAL_REFUSED = 4,    /* what a user was not allowed to send, counted; no message */
	JOURNAL_TRANSCRIPT = 5, /* of an attempt */
};

enum journal_fate {
	JOURNAL_DELIVERED = 1,
	JOURNAL_DEFERRED = 2,
	JOURNAL_FAILED = 3,
	JOURNAL_EXPIRED = 4,
	JOURNAL_UNCERTAIN = 5,
	JOURNAL_NOT_SENT = 6, /* of nobody: the profile had a problem, see the reply */
};

/* What became of a message as a whole. */
enum journal_end {
	JOURNAL_GOES_ON = 0,
	JOURNAL_ALL_DELIVERED = 1,
	JOURNAL_SOME_FAILED = 2,
	JOURNAL_WAS_REMOVED = 3, /* its record of removal came before */
};

/* Kinds don't have the fields that say nothing of them: those are 0 and "". */
struct journal_record {
	enum journal_kind kind;
	uint64_t message_id;
	int64_t at_ms;
	int64_t received_at_ms; /* with message_id the name of the message in history.db */
	const char *login, *list, *profile, *sender;
	uint64_t size;

	/* accepted */
	const char *header_from, *message_id_header, *subject, *client;
	int64_t begins_at_ms; /* from when on it may go */
	unsigned priority;
	bool is_notice;

	/* attempt */
	uint64_t attempt; /* of a transcript too */
	enum journal_end end;
	int64_t next_at_ms;
	const char *upstream, *tls;
	uint64_t queue_ms, connect_ms, tls_ms, send_ms; /* the four delays */

	/* removed: the recipients that were not through; refused: messages */
	unsigned recipients;
	unsigned blocked, rejected;

	const char *transcript;

	/* for journal_next_row() */
	unsigned version; /* of the format */
	uint32_t row_count;
	const uint8_t *rows_at, *end_at;
};

/* Accepted: index and address. */
struct journal_row {
	unsigned index;
	enum journal_fate fate;
	unsigned code;
	const char *address, *enhanced, *reply;
	const char *class, *rule; /* what the reply means, and which rule said so; "" not known */
};

/* Appends the record; its `row_count` is how often journal_add_row() follows. */
void journal_write(struct buf *out, const struct journal_record *record);
void journal_add_row(struct buf *out, enum journal_kind kind, const struct journal_row *row);

/* `profile` is where its user's mail goes, "" nowhere. */
void journal_write_accepted(struct buf *out, const struct mail *mail, const char *profile);

__attribute__((warn_unused_result)) bool journal_read(
    const void *bytes, size_t size, struct journal_record *record_out);
/* The next row; false: there is none left, or the rest is damaged. */
bool journal_next_row(struct journal_record *record, struct journal_row *row_out);

#endif
