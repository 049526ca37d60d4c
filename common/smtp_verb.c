/* smtp_verb - what is on a command line (RFC 5321 4.1.1). */
#include "common/smtp_verb.h"

#include "common/octet.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && octet_is_blank(**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && octet_is_blank((*text)[*length - 1]))
		(*length)--;
}

bool
smtp_verb_split(const char *line, size_t length, struct smtp_verb *verb_out)
{
	size_t word = 0;

	*verb_out = (struct smtp_verb){.argument = line};
	if (octet_has_control(line, length, "\t"))
		return false;
	while (word < length && !octet_is_blank(line[word]))
		word++;
	if (word < SMTP_VERB_SIZE)
		for (size_t i = 0; i < word; i++)
			verb_out->name[i] = (char)toupper((unsigned char)line[i]);
	verb_out->argument = line + word;
	verb_out->argument_length = length - word;
	trim(&verb_out->argument, &verb_out->argument_length);
	return true;
}

bool
smtp_verb_drop_keyword(struct smtp_verb *verb, const char *keyword)
{
	size_t length = strlen(keyword);

	if (verb->argument_length < length || strncasecmp(verb->argument, keyword, length) != 0)
		return false;
	verb->argument += length;
	verb->argument_length -= length;
	return true;
}
