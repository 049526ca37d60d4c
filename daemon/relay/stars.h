/*
 * stars - takes secrets out of what others repeat
 *
 * Context  pure
 */
#ifndef POSTERN_RELAY_STARS_H
#define POSTERN_RELAY_STARS_H

#include <stddef.h>

/* Puts stars over each place where the text has the word. Very short words are left: they stand in
 * texts that nobody means. */
void stars_over(char *text, const void *word, size_t size);

#endif
