/*
 * guessing_private - the inside of guessing, for the files that make it up
 *
 * guessing.c has the rules, guessing_aims.c what is guessed at, guessing_tell.c what is told of it, guessing_store.c what is on disk, origins.c what is in memory. Nobody
 * else includes this.
 */
#ifndef POSTERN_ACCOUNTS_GUESSING_PRIVATE_H
#define POSTERN_ACCOUNTS_GUESSING_PRIVATE_H

#include "daemon/accounts/guessing.h"
#include "daemon/accounts/origins.h"
#include "daemon/core/loop.h"

#define ONE 1000     /* guess */
#define WIDE_TIMES 4 /* what a /48, or a login from everywhere, has more than an origin */
#define AIMS 2048
#define KNOWN_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

/* A login that is guessed at. */
struct aim {
	uint32_t login;
	int64_t guesses, at_ms; /* as they were at that time */
};

struct guessing {
	struct guessing_parts parts;
	struct origins *origins;
	struct aim *aims; /* AIMS */
	struct list dirty;
	struct timer *flush, *sweep;
	unsigned written; /* rows since the last trim */
};

/* guessing.c: how many an origin may have, in thousandths; and what is left of a bucket. */
int64_t guessing_limit(const struct guessing *guessing);
int64_t guessing_left(const struct guessing *guessing, int64_t limit, int64_t level, int64_t at_ms);

/* guessing_aims.c: a guess more at this login, from wherever. */
void guessing_note_aim(struct guessing *guessing, const struct guess *guess);
uint32_t guessing_hash_login(const char *login);

/* guessing_tell.c: a client that wasn't greeted, once a minute and counted; and three alerts, `count`
 * being how many guesses it took. */
void guessing_log_refused(struct guessing *guessing, struct origin *origin);
void guessing_alert_shut_out(
    struct guessing *guessing, const struct origin *origin, unsigned count, const char *what);
void guessing_alert_known(
    struct guessing *guessing, const struct origin *origin, const struct known *known);
void guessing_alert_aim(struct guessing *guessing, const struct guess *guess, unsigned count);

/* guessing_store.c: the origin has changed and is to be written. */
void guessing_touch(struct guessing *guessing, struct origin *origin);
void guessing_on_flush(void *ctx);
/* Forgets the rows that say nothing any more, and those that are too many. */
int guessing_trim(struct guessing *guessing, struct err *err_out);
int guessing_load(struct guessing *guessing, struct err *err_out);

#endif
