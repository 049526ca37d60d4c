/*
 * octet - the classes of octets that the grammars of mail are made of (RFC 5322 3.2, 3.2.3)
 *
 * No locale has a say in these.
 */
#ifndef POSTERN_COMMON_OCTET_H
#define POSTERN_COMMON_OCTET_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool
octet_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* CR, LF and the tab included */
static inline bool
octet_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static inline bool
octet_is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 8-bit octets count as such (RFC 6532 3.2). */
static inline bool
octet_is_atext(char c)
{
	return (unsigned char)c >= 0x80 || octet_is_alphanumeric(c) ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* What people and logs may see of an octet from outside. */
static inline char
octet_printable(char c)
{
	if (c == '\t')
		return ' ';
	return octet_is_control(c) ? '?' : c;
}

/* Whether a control character other than those `allowed` is in the text. */
static inline bool
octet_has_control(const char *text, size_t length, const char *allowed)
{
	for (size_t i = 0; i < length; i++)
		if (octet_is_control(text[i]) &&
		    (text[i] == '\0' || strchr(allowed, text[i]) == NULL))
			return true;
	return false;
}

#endif
