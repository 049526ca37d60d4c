/* own_words - takes out what a reply repeats, a kind after the other. */
#include "daemon/relay/own_words.h"

#include "common/utf8.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PART_MAX 320 /* of an address: longer ones are no addresses */
#define PHRASE_MIN 7 /* a shorter part may be a word of the upstream's: e-mail, no-one */
#define APART_BEFORE "'`\"(<[:="
#define APART_BEHIND "'`\")>]:;.,"

/* An @ in the place of the bytes. */
static char *
take_out(char *at, size_t size)
{
	*at = '@';
	memmove(at + 1, at + size, strlen(at + size) + 1);
	return at + 1;
}

/* ---- the envelope's addresses ---- */

static void
take_out_each(char *words, const char *what)
{
	size_t size = strlen(what);

	for (char *at = words; size > 1 && (at = strcasestr(at, what)) != NULL;)
		at = take_out(at, size);
}

static bool
is_plain_word(const char *part)
{
	return part[strspn(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool
is_inside_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Nothing before it, or a mark; a mark behind it. */
static bool
stands_apart(const char *words, const char *at, size_t size)
{
	char behind = at[size];

	return (at == words || strchr(APART_BEFORE, at[-1]) != NULL) && behind != '\0' &&
	       strchr(APART_BEHIND, behind) != NULL;
}

static bool
is_whole(const char *words, const char *at, size_t size)
{
	return (at == words || !is_inside_word(at[-1])) && !is_inside_word(at[size]);
}

static void
take_out_part(char *words, const char *part)
{
	size_t size = strlen(part);
	bool may_be_theirs = is_plain_word(part) || size < PHRASE_MIN;

	for (char *at = words; size > 1 && (at = strcasestr(at, part)) != NULL;)
		if (may_be_theirs ? stands_apart(words, at, size) : is_whole(words, at, size))
			at = take_out(at, size);
		else
			at++;
}

/* `"a\ b"` is said by some as `a b`. */
static void
unquote(const char *from, size_t size, char part_out[PART_MAX])
{
	bool is_quoted = size >= 2 && from[0] == '"' && from[size - 1] == '"';
	size_t count = 0;

	for (size_t i = is_quoted; i < size - is_quoted && count < PART_MAX - 1; i++) {
		if (is_quoted && from[i] == '\\' && i + 1 < size - is_quoted)
			i++;
		part_out[count++] = from[i];
	}
	part_out[count] = '\0';
}

static void
take_out_address(char *words, const char *address)
{
	const char *at = strrchr(address, '@');
	char local[PART_MAX];

	if (strlen(address) >= PART_MAX)
		return;
	take_out_each(words, address);
	unquote(address, at == NULL ? strlen(address) : (size_t)(at - address), local);
	take_out_part(words, local);
	if (at != NULL)
		take_out_part(words, at + 1);
}

/* ---- what is no part of the envelope ---- */

/* To the end, if that is missing: the reply was cut. */
static void
take_out_brackets(char *words)
{
	for (char *at = words; (at = strchr(at, '<')) != NULL;) {
		size_t size = strcspn(++at, ">");

		if (size > 0 && *at != ' ')
			at = take_out(at, size);
	}
}

/* Who is quoted may have said quotes as well. */
static void
take_out_quoted(char *words)
{
	char *first = strchr(words, '"'), *last = strrchr(words, '"');

	if (first == NULL)
		return;
	if (first == last)
		last = first + strlen(first);
	if (last > first + 1)
		(void)take_out(first + 1, (size_t)(last - first - 1));
}

static void
take_out_subject(char *words)
{
	for (char *at = words; (at = strcasestr(at, "subject")) != NULL;) {
		at += strlen("subject");
		at += strspn(at, " ");
		if (*at != ':' && *at != '=')
			continue;
		at[1] = '\0';
		return;
	}
}

static void
take_out_links(char *words)
{
	for (char *at = words; (at = strstr(at, "://")) != NULL;) {
		at += strlen("://");
		at = take_out(at, strcspn(at, " "));
	}
}

static bool
is_of_address(char c)
{
	return is_inside_word(c) || (c != '\0' && strchr("!#$%&'*+-./=?^_`{|}~@[]", c) != NULL);
}

static void
take_out_addresses(char *words)
{
	for (char *at = words; (at = strchr(at, '@')) != NULL;) {
		char *begin = at, *end = at + 1;

		while (begin > words && is_of_address(begin[-1]))
			begin--;
		while (is_of_address(*end))
			end++;
		/* A sentence may end there. */
		while (end > at + 1 && strchr(".?!'`]", end[-1]) != NULL)
			end--;
		at = take_out(begin, (size_t)(end - begin));
	}
}

void
own_words(
    const char *text, const struct envelope *envelope, char words_out[static REPLY_TEXT_MAX + 1])
{
	size_t size = utf8_cut(text, strlen(text), REPLY_TEXT_MAX);

	(void)snprintf(words_out, REPLY_TEXT_MAX + 1, "%.*s", (int)size, text);
	for (size_t i = 0; envelope != NULL && i < envelope->count; i++)
		take_out_address(words_out, envelope->addresses[i]);
	take_out_brackets(words_out);
	take_out_quoted(words_out);
	take_out_subject(words_out);
	take_out_links(words_out);
	take_out_addresses(words_out);
}
