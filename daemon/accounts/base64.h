/*
 * base64 - bytes as text, for what stands in columns (RFC 4648 section 4, with padding)
 *
 * Fails    base64_read(): -1 when the text isn't base64 or needs more than `capacity`
 */
#ifndef POSTERN_ACCOUNTS_BASE64_H
#define POSTERN_ACCOUNTS_BASE64_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void base64_append(struct buf *out, const uint8_t *bytes, size_t size);
/* Returns the number of bytes. */
ssize_t base64_read(const char *text, size_t length, uint8_t *out, size_t capacity);

#endif
