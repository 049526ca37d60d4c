/*
 * sasl_user - the user that a login names; where there is none, the likeness of one
 *
 * Owns     the secret, until sasl_user_fini()
 * Context  loop
 * Fails    -1 and *err_out: the database, a damaged verifier, a secret that doesn't open
 *
 * Part of sasl. Whether there is such a user must not show: a likeness is made for every login,
 * the same for each question, and given up when there is something real. The work is the same.
 */
#ifndef POSTERN_ACCOUNTS_SASL_USER_H
#define POSTERN_ACCOUNTS_SASL_USER_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/verifier.h"
#include "daemon/core/messages.h"

#include <stdbool.h>

/* Where users are looked up. */
struct sasl_users {
	struct db *db;
	const struct msg_bytes *seal_key; /* borrowed; a reload changes it */
	uint8_t fake_secret[VERIFIER_KEY_SIZE];
};

struct sasl_user {
	int64_t id; /* 0: nobody, nothing matches the rest */
	int64_t credential;
	bool is_active;
	char login[256]; /* as the user is called */
	struct verifier verifier;
	char *secret; /* after sasl_user_find_secret() */
};

/* The user's keys, or keys that no password fits. */
int sasl_user_find(const struct sasl_users *users, const char *login, struct sasl_user *user_out,
    struct err *err_out);
/* The password too, for CRAM-MD5; of who has none that can be read, one that nobody knows. */
int sasl_user_find_secret(const struct sasl_users *users, const char *login,
    struct sasl_user *user_out, struct err *err_out);
void sasl_user_fini(struct sasl_user *user); /* one that is all zero is allowed */

#endif
