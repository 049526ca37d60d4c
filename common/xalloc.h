/*
 * xalloc - memory, or the end: out of memory aborts, the parent restarts the role
 *
 * Gives    memory that the caller frees with free()
 *
 * A size that a peer controls is checked against its limit before it comes here.
 */
#ifndef POSTERN_COMMON_XALLOC_H
#define POSTERN_COMMON_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((returns_nonnull, malloc));
void *xcalloc(size_t count, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *old, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((returns_nonnull, malloc));
char *xstrndup(const char *text, size_t size) __attribute__((returns_nonnull, malloc));
char *xasprintf(const char *format, ...)
    __attribute__((returns_nonnull, malloc, format(printf, 1, 2)));

#endif
