/*
 * userlist - a list: what its users have in common
 *
 * Owns     the row's texts, until table_row_fini(&userlist_table, …)
 */
#ifndef POSTERN_ACCOUNTS_USERLIST_H
#define POSTERN_ACCOUNTS_USERLIST_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/table.h"

struct userlist {
	int64_t id;
	char *name;
	char *unauthorized; /* block, alert; NULL: the config's sender_authorization */
	char *profile;
	char *alert_to; /* not built; always NULL */
	char *note;
};

extern const struct table userlist_table;

/* What can only be said of the whole row: its profile exists. */
int userlist_check(struct db *db, struct userlist *userlist, struct refusal *refusal_out);

#endif
