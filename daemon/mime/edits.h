/*
 * edits - what is to be other in a message, as pieces to be put in the place of others
 *
 * Owns     the new texts, until edits_fini(); the message stays the caller's
 * Units    octets; places are those of the message as it came
 * Fails    never; places beyond the message, or that overlap, are a bug (ensure)
 *
 * Everything that no edit names leaves as it came, to the byte: what was signed, what we don't
 * understand, and what is large.
 */
#ifndef POSTERN_MIME_EDITS_H
#define POSTERN_MIME_EDITS_H

#include "common/buf.h"

#include <stdint.h>

struct edit {
	size_t at, removed;
	struct buf text;
};

/* Zeroed at the beginning. */
struct edits {
	struct edit *items;
	size_t count, capacity;
};

/* Takes the text. Several at one place stay in their order; of those that replace the same, the last
 * one counts. */
void edits_add(struct edits *edits, size_t at, size_t removed, struct buf *text);
/* Behind the last edits_add(), before the others. */
void edits_sort(struct edits *edits);
void edits_fini(struct edits *edits);

/* What a message of that size becomes. */
size_t edits_result_size(const struct edits *edits, size_t size);

/* Where reading has come to. Zeroed at the beginning. */
struct edits_reader {
	size_t next;    /* edit */
	size_t at;      /* in the message */
	size_t in_text; /* of the next edit */
};

/* The next octets of the result, at most so many; returns how many. 0: that was all. */
size_t edits_read(const struct edits *edits, struct edits_reader *reader, const char *message,
    size_t size, void *out, size_t capacity);

#endif
