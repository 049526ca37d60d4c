/*
 * mailaddr - mailboxes and the paths of MAIL and RCPT (RFC 5321 4.1.2)
 *
 * Owns     nothing: an address is a value of fixed size
 * Units    lengths in octets
 * Fails    an outcome other than MAILADDR_OK, and *err_out as a sentence for a reply
 *
 * The normal form is `local@domain`: without a source route, the local part quoted only where it
 * must be, both in the case in which they came. Two addresses that mean the same mailbox have
 * the same normal form but for case and for domains as U-labels or A-labels. Addresses are
 * UTF-8 (RFC 6531 3.3); who allows only ASCII asks mailaddr_is_ascii().
 */
#ifndef POSTERN_COMMON_MAILADDR_H
#define POSTERN_COMMON_MAILADDR_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define MAILADDR_LOCAL_MAX 64 /* octets as written in the normal form */
#define MAILADDR_SIZE 321     /* local part, @, 255 octets of domain, NUL */

struct mailaddr {
	char text[MAILADDR_SIZE]; /* "" is the null path */
	size_t local_length;      /* as in `text`, quotes included */
};

enum mailaddr_outcome {
	MAILADDR_OK,
	MAILADDR_MALFORMED, /* 501 5.1.7 or 5.1.3 */
	MAILADDR_TOO_LONG   /* the same codes; over a limit of RFC 5321 4.5.3.1 */
};

/* Where a path stands decides what else it may be. */
enum mailaddr_path {
	MAILADDR_REVERSE, /* MAIL: null is allowed */
	MAILADDR_FORWARD  /* RCPT: `postmaster` without a domain is allowed */
};

/* The path behind `FROM:` or `TO:`. As clients write it: blanks before it, or no brackets. A
 * source route is dropped. `*used_out` is where the parameters begin. */
enum mailaddr_outcome mailaddr_parse_path(const char *text, size_t length, enum mailaddr_path path,
    struct mailaddr *address_out, size_t *used_out, struct err *err_out);

/* A mailbox alone, `local@domain`. */
enum mailaddr_outcome mailaddr_parse(
    const char *text, size_t length, struct mailaddr *address_out, struct err *err_out);

/* From a local part without its quotes and escapes, and a domain or address literal. */
enum mailaddr_outcome mailaddr_make(const char *local, size_t local_length, const char *domain,
    size_t domain_length, struct mailaddr *address_out, struct err *err_out);

/* `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321 4.1.3) */
bool mailaddr_is_literal(const char *text, size_t length);
bool mailaddr_is_ascii(const struct mailaddr *address);
bool mailaddr_is_null(const struct mailaddr *address);
/* "" when there's none. */
const char *mailaddr_domain(const struct mailaddr *address);
/* Without regard to case, of the domain and of the local part. */
bool mailaddr_equals(const char *a, const char *b);

#endif
