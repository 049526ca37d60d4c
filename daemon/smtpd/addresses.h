/*
 * addresses - reads the addresses of From: and Sender: (RFC 5322 3.4, RFC 6854), or says no
 *
 * Owns     the addresses, until addresses_fini()
 * Fails    false when the value can't be read, or could be read as something else
 *
 * What is decided by these addresses must hold for whoever reads the message later. So a value is
 * refused not only when it breaks the grammar, but wherever programs are known to differ:
 *   - blanks, comments or folds inside an address; a local part of several words
 *   - `<`, `>` in a quoted or encoded name; these and `@` in a comment
 *   - an encoded word or specials in a local part
 *   - 8-bit octets in an address without SMTPUTF8, and with it a domain that IDNA would map to
 *     another, but for case
 *   - a source route over more than one domain
 *   - control characters, brackets that don't close, anything behind `>`
 * Read are: names as phrases, quoted strings, encoded words or plain 8-bit text, dots in names and
 * encoded words, an address for a name (`a@b.example <c@d.example>`: it counts as one more), comments (nested), folds, groups, a source route (dropped), quoted local parts, address literals,
 * empty elements of a list.
 */
#ifndef POSTERN_SMTPD_ADDRESSES_H
#define POSTERN_SMTPD_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESSES_MAX 1000

struct addresses {
	char **items; /* normal form, the domain as A-labels in lower case */
	size_t count;
	size_t bad_at; /* of a value that can't be read: about where that is */
};

/* The value behind the colon. True when there's at least one address and no doubt. */
bool addresses_parse(struct addresses *addresses, const char *value, size_t length);
/* The same of a message that was sent with SMTPUTF8: addresses may be UTF-8 (RFC 6532 3.2). */
bool addresses_parse_utf8(struct addresses *addresses, const char *value, size_t length);
void addresses_fini(struct addresses *addresses);

#endif
