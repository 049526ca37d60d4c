/*
 * sasl_cache - passwords that were right a moment ago, so that they cost no derivation again
 *
 * Owns     HMACs under a key that exists only in this process; no password
 * Context  loop
 * Fails    never: what doesn't fit pushes something else out
 *
 * A user has one good password, so there is one place for each user. The password's version is
 * part of what is kept: a changed password never matches.
 */
#ifndef POSTERN_ACCOUNTS_SASL_CACHE_H
#define POSTERN_ACCOUNTS_SASL_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct sasl_cache;

struct sasl_cache *sasl_cache_new(void);
void sasl_cache_free(struct sasl_cache *cache); /* NULL is allowed */

/* Takes the same time whether there's an entry or not; user 0 is never found. */
bool sasl_cache_matches(
    const struct sasl_cache *cache, int64_t user_id, int64_t credential, const char *password);
void sasl_cache_put(
    struct sasl_cache *cache, int64_t user_id, int64_t credential, const char *password);
void sasl_cache_forget(struct sasl_cache *cache, int64_t user_id);

#endif
