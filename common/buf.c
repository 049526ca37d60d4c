/* buf - a growing byte string. */
#include "common/buf.h"

#include "common/format.h"
#include "common/xalloc.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
buf_init(struct buf *buf)
{
	*buf = (struct buf){0};
}

void
buf_fini(struct buf *buf)
{
	free(buf->bytes);
	buf_init(buf);
}

void
buf_clear(struct buf *buf)
{
	buf->size = 0;
	if (buf->bytes != NULL)
		buf->bytes[0] = '\0';
}

void
buf_reserve(struct buf *buf, size_t more)
{
	size_t needed = buf->size + more + 1;

	if (needed <= buf->capacity)
		return;
	if (needed < buf->capacity * 2)
		needed = buf->capacity * 2;
	if (needed < 64)
		needed = 64;
	buf->bytes = xrealloc(buf->bytes, needed, 1);
	buf->capacity = needed;
}

void
buf_append(struct buf *buf, const void *bytes, size_t size)
{
	buf_reserve(buf, size);
	if (size > 0)
		memcpy(buf->bytes + buf->size, bytes, size);
	buf->size += size;
	buf->bytes[buf->size] = '\0';
}

void
buf_text(struct buf *buf, const char *text)
{
	buf_append(buf, text, strlen(text));
}

void
buf_char(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room, length;
	va_list args;

	buf_reserve(buf, 0);
	do {
		room = buf->capacity - buf->size;
		va_start(args, format);
		length = format_arguments(buf->bytes + buf->size, room, format, args);
		va_end(args);
		buf_reserve(buf, length);
	} while (length >= room);
	buf->size += length;
}

char *
buf_give(struct buf *buf)
{
	char *bytes;

	buf_reserve(buf, 0);
	bytes = buf->bytes;
	bytes[buf->size] = '\0';
	buf_init(buf);
	return bytes;
}
