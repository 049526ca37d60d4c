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

#include "common/header_field.h"
#include "daemon/smtpd/addresses.h"
#include "daemon/smtpd/priority.h"

#include <stdbool.h>
#include <stddef.h>

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
