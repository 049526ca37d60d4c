/*
 * header - the header of a message: where it ends, its fields, and what smtpd wants to know of it
 *
 * Owns     the texts and addresses of a scanned header, until header_fini(); fields point into the
 *          caller's bytes
 * Units    octets
 * Fails    never: every sequence of octets is a message, if an odd one
 *
 * Lines end in CRLF; smtpd let nothing else in. The header ends at the empty line, or before the
 * first line that is neither a field nor the continuation of one; an empty line is put in there
 * when the message is written (trace), so that no later reader finds more fields than we did.
 */
#ifndef POSTERN_SMTPD_HEADER_H
#define POSTERN_SMTPD_HEADER_H

#include "daemon/smtpd/addresses.h"
#include "daemon/smtpd/priority.h"

#include <stdbool.h>
#include <stddef.h>

/* Looks for the end while the bytes come in. Zeroed at the beginning. */
struct header_end {
	size_t fields_size; /* the fields, without the empty line */
	size_t body_at;     /* where the body begins */
	size_t seen;        /* whole lines that were looked at */
	size_t searched;    /* octets in which a line's end was looked for */
};

/* `bytes` are all that came so far. True once the end is known. */
bool header_find_end(struct header_end *end, const char *bytes, size_t size);
/* The message ended before its header did: all of it is header. */
void header_end_at(struct header_end *end, size_t size);

struct header_field {
	const char *bytes; /* the whole field with its folds and last CRLF */
	size_t size;
	size_t name_length;
	const char *value; /* behind the colon, with folds, without the last CRLF */
	size_t value_length;
};

/* Takes the next field off `*at`; false when there's none. */
bool header_next_field(const char **at, const char *end, struct header_field *field_out);
bool header_field_is(const struct header_field *field, const char *name);

enum header_addresses {
	HEADER_ABSENT,
	HEADER_PARSED,
	HEADER_UNPARSABLE,
	HEADER_SEVERAL /* the field is there more than once */
};

/* Texts of fields are in one line, UTF-8, of at most so many octets; "" when there's no field. */
#define HEADER_TEXT_MAX 500

#define HEADER_PLACE_MAX 40

/* From: or Sender: */
struct header_mailboxes {
	enum header_addresses outcome;
	struct addresses addresses; /* when it's parsed; at least one */
	char *text;                 /* of the first field */
	/* of one that can't be read: what stands about there, in printable ASCII */
	char place[HEADER_PLACE_MAX + 1];
};

struct header {
	struct header_mailboxes from, sender;
	char *subject, *message_id; /* texts of fields */
	bool has_date, has_message_id;
	unsigned received_count, field_count;
	size_t longest_line; /* without its CRLF */
	struct priority_hints hints;
};

/* `size` is fields_size. */
void header_scan(struct header *header, const char *bytes, size_t size);
/* The same of a message that was sent with SMTPUTF8: the addresses may be UTF-8 (RFC 6532
 * 3.2), which otherwise makes a field unparsable. */
void header_scan_utf8(struct header *header, const char *bytes, size_t size);
void header_fini(struct header *header);

#endif
