/*
 * base64_buf - bytes as text, for what stands in columns
 *
 * Fails    base64_take(): -1 when the text isn't base64 or has more than `capacity` bytes
 */
#ifndef POSTERN_ACCOUNTS_BASE64_BUF_H
#define POSTERN_ACCOUNTS_BASE64_BUF_H

#include "common/buf.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void base64_append(struct buf *out, const uint8_t *bytes, size_t size);
/* Returns the number of bytes. */
ssize_t base64_take(const char *text, size_t length, uint8_t *out, size_t capacity);

#endif
