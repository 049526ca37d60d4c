/*
 * smtp_verb - a command line's verb and argument
 *
 * Owns     nothing: pieces point into the caller's line
 * Units    octets
 */
#ifndef POSTERN_COMMON_SMTP_VERB_H
#define POSTERN_COMMON_SMTP_VERB_H

#include <stdbool.h>
#include <stddef.h>

#define SMTP_VERB_SIZE 16

struct smtp_verb {
	char name[SMTP_VERB_SIZE]; /* upper case; "" when the line begins with no word that fits */
	const char *argument;      /* without the blanks around it */
	size_t argument_length;
};

/* False when the line has a control character: it's refused whatever the verb is. */
bool smtp_verb_split(const char *line, size_t length, struct smtp_verb *verb_out);

/* Drops `FROM:` or `TO:`, in any case, from the argument. False when it isn't there. */
bool smtp_verb_drop_keyword(struct smtp_verb *verb, const char *keyword);

#endif
