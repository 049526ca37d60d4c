/*
 * utf8 - text from outside, made fit for logs, JSON and replies
 *
 * Owns     nothing
 * Units    octets
 * Fails    never: what isn't UTF-8 becomes `?`
 */
#ifndef POSTERN_COMMON_UTF8_H
#define POSTERN_COMMON_UTF8_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* The length of the well-formed sequence at `at`, or 0 (RFC 3629 4). C1 control characters don't
 * count as well-formed, nor do line separators and what changes the direction of text. */
size_t utf8_length(const char *at, size_t left);

bool utf8_is_valid(const char *text, size_t length);

/* Appends the text in UTF-8, without control characters: a tab becomes a blank, others `?`. */
void utf8_append_clean(struct buf *out, const char *text, size_t length);

/* The longest beginning of at most `limit` octets that ends between two characters. */
size_t utf8_cut(const char *text, size_t length, size_t limit);

#endif
