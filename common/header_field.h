/*
 * header_field - where the header of a message ends, and its fields one by one
 *
 * Owns     nothing; fields point into the caller's bytes
 * Units    octets
 * Fails    never: every sequence of octets is a message, if an odd one
 *
 * Lines end in CRLF. The header ends at the empty line, or before the first line that is neither a
 * field nor the continuation of one.
 */
#ifndef POSTERN_COMMON_HEADER_FIELD_H
#define POSTERN_COMMON_HEADER_FIELD_H

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

/* The size of the first line with its LF; 0 when it isn't whole. */
size_t header_line_size(const char *bytes, size_t size);

#endif
