/*
 * domain - names of mail domains: validity, one form to compare, and rules that match them
 *
 * Owns     nothing
 * Units    lengths in octets
 * Fails    -1 and *err_out, which names the domain and what is wrong with it
 *
 * The one form is A-labels in lower case without a dot at the end (RFC 5890, UTS 46
 * non-transitional). Underscores are taken: they aren't host names (RFC 952) but exist in mail.
 */
#ifndef POSTERN_COMMON_DOMAIN_H
#define POSTERN_COMMON_DOMAIN_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define DOMAIN_SIZE 256 /* 255 octets (RFC 5321 4.5.3.1.2) and the NUL */

/* From ASCII or UTF-8 to the form that is compared. */
int domain_normalise(
    const char *text, size_t length, char out[static DOMAIN_SIZE], struct err *err_out);

/* The same of a domain that goes on as it stands, for others to read: nothing but case is mapped, and
 * what IDNA 2008 (RFC 5891 5) doesn't have is refused. */
int domain_normalise_exact(
    const char *text, size_t length, char out[static DOMAIN_SIZE], struct err *err_out);

/* Whether this is a domain as it may stand in an envelope: ASCII labels, any case. */
bool domain_is_ascii(const char *text, size_t length);

/* Without regard to case. */
bool domain_equals(const char *a, const char *b);

/* `example.com` matches itself only, `*.example.com` every domain below it but not itself. */
bool domain_matches(const char *rule, const char *domain);

#endif
