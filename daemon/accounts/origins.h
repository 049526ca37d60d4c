/*
 * origins - what is remembered of where clients come from: guesses, and who is at home there
 *
 * Owns     the origins and what hangs on them; their number is bounded
 * Context  loop
 * Units    guesses and failures in thousandths, times in ms of the wall clock
 * Fails    never: when there are too many the one that was quiet for longest is forgotten
 *
 * Part of guessing, which has the rules. Origins where somebody has logged in are kept apart from
 * the others: whoever comes from a million addresses makes us forget strangers only, and those
 * that are shut out last.
 */
#ifndef POSTERN_ACCOUNTS_ORIGINS_H
#define POSTERN_ACCOUNTS_ORIGINS_H

#include "common/list.h"
#include "common/netaddr.h"

#include <stdbool.h>
#include <stdint.h>

#define ORIGIN_MARKS_MAX 64
#define ORIGIN_KNOWN_MAX 256
#define ORIGIN_TALLIES 4
#define ORIGIN_TALLY_KINDS 4
#define ORIGINS_MAX 32768 /* strangers, and as many homes */

/* Guesses of one connection for one login, each kind of mechanism by itself: the same password
 * tried with several is one guess, although a proof doesn't show the password. */
struct tally {
	unsigned smtpd;
	uint64_t connection; /* 0: unused */
	uint32_t login;
	unsigned by_kind[ORIGIN_TALLY_KINDS];
	unsigned counted;
};

/* A user who has logged in from there. */
struct known {
	char *login;
	int64_t at_ms; /* lately */
	int64_t wrong; /* guesses at it since then */
	int64_t wrong_at_ms;
	bool is_dirty;
};

struct origin {
	struct list bucket, age, dirty;
	struct netaddr address;
	int64_t guesses, failures, at_ms; /* as they were at that time */
	int64_t shut_until_ms;
	uint32_t *marks; /* of passwords that were tried, the oldest is replaced */
	unsigned mark_count, mark_at;
	struct tally tallies[ORIGIN_TALLIES];
	unsigned tally_at;
	struct known *known;
	unsigned known_count;
	unsigned refused; /* that were not logged */
	int64_t logged_at_ms;
};

struct origins;

struct origins *origins_new(void);
void origins_free(struct origins *origins); /* NULL is allowed */

struct origin *origins_find(const struct origins *origins, const struct netaddr *address);
/* The one there is or a new one; it's the one that was heard of last now. */
struct origin *origins_get(struct origins *origins, const struct netaddr *address, int64_t now_ms);
void origins_forget(struct origins *origins, struct origin *origin);
unsigned origins_count(const struct origins *origins);
/* For each one; the callback may forget it. */
void origins_each(
    struct origins *origins, void (*on_origin)(struct origin *origin, void *ctx), void *ctx);

/* Whether this mark is new there; it's remembered. */
bool origin_add_mark(struct origin *origin, uint32_t mark);
/* Whether this is a guess more, and not one that other mechanisms have tried already. */
bool origin_add_tally(struct origin *origin, const struct tally *whose, unsigned kind);

/* NULL if nobody of that name has logged in from there. */
struct known *origin_find_known(const struct origin *origin, const char *login);
struct known *origins_add_known(
    struct origins *origins, struct origin *origin, const char *login, int64_t at_ms);
/* Those from before are strangers again. */
void origins_drop_known(struct origins *origins, struct origin *origin, int64_t before_ms);

#endif
