/*
 * db_query - the questions to accounts.db that are about more than one row
 *
 * Context  loop
 * Units    wall clock in milliseconds
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_ACCOUNTS_DB_QUERY_H
#define POSTERN_ACCOUNTS_DB_QUERY_H

#include "daemon/accounts/db.h"

#include <stdbool.h>

/* A site's secret of this size: made and kept at the first call. */
int db_site_secret(
    struct db *db, const char *name, uint8_t *bytes_out, size_t size, struct err *err_out);

int db_count_users(struct db *db, const char *list, int64_t *count_out, struct err *err_out);

/* Takes the passwords that can be read again away from all users; returns how many had one. */
int db_wipe_secrets(struct db *db, struct err *err_out);

/* Makes a profile the default one, in place of the one that was (inside a transaction). */
int db_set_default_profile(struct db *db, int64_t id, struct err *err_out);

/* What says where a user's mail goes. */
struct db_route {
	int64_t user_id;
	const char *login, *list;
	const char *profile, *list_profile;             /* names; NULL: none */
	const char *messages, *recipients, *over_limit; /* NULL: the config's */
};
/* Of one user, or of all with 0. */
int db_each_route(struct db *db, int64_t user_id,
    void (*on_route)(const struct db_route *route, void *ctx), void *ctx, struct err *err_out);

/* The way of a list, for the mail of users that were removed; of list 0, for those of no list. */
struct db_list_route {
	int64_t list_id;
	const char *name, *profile;
};
int db_each_list_route(struct db *db,
    void (*on_route)(const struct db_list_route *route, void *ctx), void *ctx, struct err *err_out);

/* Senders that are told apart when mail is queued: addresses and domains that some profile has, or
 * had, as its own. A number is never another sender's. */
int db_add_sender(struct db *db, const char *name, struct err *err_out);
int db_each_sender(struct db *db, void (*on_sender)(int64_t id, const char *name, void *ctx),
    void *ctx, struct err *err_out);

/* Counts an alert on the row of its interval; returns 0 if there is none yet. */
struct db_alert_key {
	const char *kind, *user, *address;
	int64_t since_ms; /* when the interval began */
};
int db_count_alert(struct db *db, const struct db_alert_key *key, int64_t count, int64_t now_ms,
    struct err *err_out);
/* How many rows this kind and user have since then. */
int db_count_alert_rows(
    struct db *db, const struct db_alert_key *key, int64_t *count_out, struct err *err_out);
/* All with 0. Returns how many are newly acknowledged. */
int db_acknowledge_alerts(struct db *db, int64_t id, struct err *err_out);
/* Keeps the newest rows. */
int db_trim_alerts(struct db *db, int64_t keep, struct err *err_out);

#endif
