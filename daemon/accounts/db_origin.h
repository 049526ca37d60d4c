/*
 * db_origin - what accounts.db keeps of origins, see origins.h
 *
 * Context  loop
 * Units    wall clock in milliseconds, guesses in thousandths
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_ACCOUNTS_DB_ORIGIN_H
#define POSTERN_ACCOUNTS_DB_ORIGIN_H

#include "daemon/accounts/db.h"

struct db_origin {
	const char *address; /* as netaddr_format_origin() has it */
	int64_t guesses, at_ms, shut_until_ms;
};

struct db_known {
	const char *address, *login;
	int64_t at_ms;
};

int db_put_origin(struct db *db, const struct db_origin *origin, struct err *err_out);
int db_put_known(struct db *db, const struct db_known *known, struct err *err_out);
int db_remove_origin(struct db *db, const char *address, struct err *err_out);
/* The oldest first. */
int db_each_origin(struct db *db, void (*on_origin)(const struct db_origin *origin, void *ctx),
    void *ctx, struct err *err_out);
int db_each_known(struct db *db, void (*on_known)(const struct db_known *known, void *ctx),
    void *ctx, struct err *err_out);
/* Forgets origins and logins from before these times, and the oldest if there are more. */
int db_trim_origins(struct db *db, int64_t origins_before_ms, int64_t known_before_ms, int64_t keep,
    struct err *err_out);

#endif
