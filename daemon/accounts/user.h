/*
 * user - a user: who may send, as whom, and how urgently
 *
 * Owns     the row's texts, until table_row_fini(&user_table, …)
 */
#ifndef POSTERN_ACCOUNTS_USER_H
#define POSTERN_ACCOUNTS_USER_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/table.h"
#include "daemon/core/values.h"

#include <stdbool.h>

struct user {
	int64_t id;
	char *login, *list;
	bool active;
	char *verifier;     /* see verifier.h */
	int64_t credential; /* the password's version, from 1 */
	char *secret;       /* the password, sealed; NULL: there is none */
	int64_t priority, priority_max;
	char *domains, *senders; /* items in the form that is compared, `;` between them */
	char *check;             /* both, envelope, header; NULL: both */
	char *profile;
	bool stamp_priority;
	char *messages, *recipients; /* as cap_parse() reads them; NULL: the config's */
	char *over_limit;            /* refuse, hold; NULL: the config's */
	char *note;
};

extern const struct table user_table;

/* The values that a new user has before the call's are read. */
void user_init(struct user *user);
/* What can only be said of the whole row: list and profile exist, priorities make sense. */
int user_check(struct db *db, struct user *user, struct refusal *refusal_out);
/* Whether there are senders that it may not use. */
bool user_is_restricted(const struct user *user);
enum check_sides user_check_sides(const struct user *user);

#endif
