/*
 * guessing_private - the inside of guessing, for the files that make it up
 *
 * guessing.c has the rules, guessing_store.c what is on disk, origins.c what is in memory. Nobody
 * else includes this.
 */
#ifndef POSTERN_ACCOUNTS_GUESSING_PRIVATE_H
#define POSTERN_ACCOUNTS_GUESSING_PRIVATE_H

#include "daemon/accounts/guessing.h"
#include "daemon/accounts/origins.h"
#include "daemon/core/loop.h"

#define KNOWN_MS (INT64_C(30) * 24 * 60 * 60 * 1000)

struct guessing {
	struct guessing_parts parts;
	struct origins *origins;
	struct list dirty;
	struct timer *flush, *sweep;
	unsigned written; /* rows since the last trim */
};

/* guessing_store.c: the origin has changed and is to be written. */
void guessing_touch(struct guessing *guessing, struct origin *origin);
void guessing_on_flush(void *ctx);
/* Forgets the rows that say nothing any more, and those that are too many. */
int guessing_trim(struct guessing *guessing, struct err *err_out);
int guessing_load(struct guessing *guessing, struct err *err_out);

#endif
