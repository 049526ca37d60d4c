/*
 * refusal - why a call of the API isn't done: what HTTP, scripts and people are told
 *
 * Owns     nothing: a fixed-size value
 */
#ifndef POSTERN_ACCOUNTS_REFUSAL_H
#define POSTERN_ACCOUNTS_REFUSAL_H

#include "common/err.h"

#define REFUSED_INVALID 400
#define REFUSED_NOT_FOUND 404
#define REFUSED_METHOD 405
#define REFUSED_CONFLICT 409
#define REFUSED_TOO_LARGE 413
#define REFUSED_UNAVAILABLE 503

struct refusal {
	unsigned status;  /* of HTTP */
	const char *code; /* one word for scripts */
	char field[64];   /* "": it's not about one */
	struct err why;
};

/* Fills it and returns -1. `field` may be NULL. */
int refuse(struct refusal *refusal_out, unsigned status, const char *code, const char *field,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The database failed: nothing was changed, and it's not the caller's fault. */
int refuse_unavailable(struct refusal *refusal_out, const struct err *why);

#endif
