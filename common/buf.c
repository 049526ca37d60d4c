/* buf - a growing byte string. */
#include "common/buf.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
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
	va_list args, again;
	int length;

	va_start(args, format);
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	ensure(length >= 0);
	buf_reserve(buf, (size_t)length);
	(void)vsnprintf(buf->bytes + buf->size, (size_t)length + 1, format, again);
	va_end(again);
	buf->size += (size_t)length;
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
