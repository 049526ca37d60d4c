/* sasl_user - fakes first, always; then what the database has in their place. */
#include "daemon/accounts/sasl_user.h"

#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/accounts/base64_buf.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/seal.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/user_secret.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* Logins are the same in any case, so their fakes must be as well. */
static void
make_fake(const struct sasl_users *users, const char *login, struct sasl_user *user_out)
{
	char *lower = xstrdup(login);

	for (char *at = lower; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	*user_out = (struct sasl_user){0};
	verifier_fake(&user_out->verifier, users->fake_secret, lower);
	free(lower);
}

static int
use_row(struct sasl_user *user_out, const struct user *row, struct err *err_out)
{
	if (verifier_parse(row->verifier, &user_out->verifier) != 0)
		return err_set(err_out, "the verifier of user %s is damaged", row->login);
	user_out->id = row->id;
	user_out->credential = row->credential;
	user_out->is_active = row->active;
	(void)snprintf(user_out->login, sizeof(user_out->login), "%s", row->login);
	return 0;
}

int
sasl_user_find(const struct sasl_users *users, const char *login, struct sasl_user *user_out,
    struct err *err_out)
{
	struct user row;
	int found, rc = 0;

	make_fake(users, login, user_out);
	found = db_find(users->db, &user_table, login, &row, err_out);
	if (found <= 0)
		return found;
	rc = use_row(user_out, &row, err_out);
	table_row_fini(&user_table, &row);
	return rc;
}

/* ---- secrets ---- */

/* A password made of the fake key, in letters that SASLprep leaves alone. */
static char *
fake_secret(const struct sasl_user *user)
{
	struct buf text;

	buf_init(&text);
	base64_append(&text, user->verifier.server_key, sizeof(user->verifier.server_key));
	return buf_give(&text);
}

/* Gives a fake, sealed as a real one is. */
static int
seal_fake(const struct sasl_users *users, const struct sasl_user *user, char **sealed_out,
    struct err *err_out)
{
	char *secret = fake_secret(user);
	int rc = seal_close(*users->seal_key, "nobody", secret, sealed_out, err_out);

	password_free(secret);
	return rc;
}

static int
open_one(const struct sasl_users *users, const struct user *row, const char *fake,
    struct sasl_user *user_out, struct err *err_out)
{
	if (row->secret != NULL)
		return user_secret_open(row, *users->seal_key, &user_out->secret, err_out);
	return seal_open(*users->seal_key, "nobody", fake, &user_out->secret, err_out);
}

int
sasl_user_find_secret(const struct sasl_users *users, const char *login, struct sasl_user *user_out,
    struct err *err_out)
{
	struct user row = {0};
	char *fake;
	int found, rc = 0;

	make_fake(users, login, user_out);
	if (seal_fake(users, user_out, &fake, err_out) != 0)
		return -1;
	found = db_find(users->db, &user_table, login, &row, err_out);
	if (found > 0)
		rc = use_row(user_out, &row, err_out);
	if (found < 0 || rc != 0 || open_one(users, &row, fake, user_out, err_out) != 0)
		rc = -1;
	if (found > 0)
		table_row_fini(&user_table, &row);
	free(fake);
	return rc;
}

void
sasl_user_fini(struct sasl_user *user)
{
	password_free(user->secret);
	OPENSSL_cleanse(user, sizeof(*user));
}
