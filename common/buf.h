/*
 * buf - a growing byte string
 *
 * Owns     its bytes until buf_fini(); buf_give() hands them to the caller
 * Fails    never: out of memory aborts; a caller that appends what a peer sent checks its limit
 */
#ifndef POSTERN_COMMON_BUF_H
#define POSTERN_COMMON_BUF_H

#include <stddef.h>

struct buf {
	char *bytes; /* NUL-terminated once anything was appended */
	size_t size; /* without the NUL */
	size_t capacity;
};

void buf_init(struct buf *buf);
void buf_fini(struct buf *buf);
void buf_clear(struct buf *buf);
/* Room for so many bytes more: appending them moves nothing. */
void buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *bytes, size_t size);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Gives the bytes (NUL-terminated, the caller frees) and leaves the buf empty. */
char *buf_give(struct buf *buf);

#endif
