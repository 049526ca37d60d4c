/* xalloc - allocation that aborts instead of failing. */
#include "common/xalloc.h"

#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
checked(void *memory)
{
	ensure(memory != NULL);
	return memory;
}

void *
xmalloc(size_t size)
{
	return checked(malloc(size == 0 ? 1 : size));
}

void *
xcalloc(size_t count, size_t size)
{
	return checked(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size));
}

void *
xrealloc(void *old, size_t count, size_t size)
{
	return checked(reallocarray(old, count == 0 ? 1 : count, size == 0 ? 1 : size));
}

char *
xstrdup(const char *text)
{
	return checked(strdup(text));
}

char *
xstrndup(const char *text, size_t size)
{
	return checked(strndup(text, size));
}

char *
xasprintf(const char *format, ...)
{
	va_list args;
	char *text = NULL;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	ensure(length >= 0);
	return checked(text);
}
