/*
 * sasl_verify - first the cache, then the pool. The user is read twice: for its verifier before
 * the derivation, and again after it, since it may have changed meanwhile.
 */
#include "daemon/accounts/sasl_verify.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/user.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct check {
	struct sasl_verifier *parent;
	uint64_t number;
	struct verifier verifier;
	char *password;
	int64_t user_id; /* 0: there is none, it can't match */
	int64_t credential;
	bool is_match; /* set on the pool */
};

static void
check_free(struct check *check)
{
	password_free(check->password);
	OPENSSL_cleanse(check, sizeof(*check));
	free(check);
}

static bool
temporary(struct verified *verified_out, const struct err *err)
{
	log_problem(LOG_ERROR, "a password can't be checked: %s", err->text);
	*verified_out = (struct verified){.verdict = VERDICT_TEMPORARY};
	return true;
}

static void
set_good(struct verified *verified_out, const struct user *user)
{
	*verified_out = (struct verified){
	    .verdict = VERDICT_GOOD, .user_id = user->id, .credential = user->credential};
	(void)snprintf(verified_out->login, sizeof(verified_out->login), "%s", user->login);
}

/* ---- after the derivation ---- */

static void
judge(const struct check *check, struct verified *verified_out)
{
	struct user user;
	struct err err;
	int found;

	*verified_out = (struct verified){.verdict = VERDICT_BAD};
	if (!check->is_match || check->user_id == 0)
		return;
	found = db_find_id(check->parent->db, &user_table, check->user_id, &user, &err);
	if (found < 0)
		(void)temporary(verified_out, &err);
	if (found <= 0)
		return;
	if (user.credential == check->credential && !user.active)
		verified_out->verdict = VERDICT_INACTIVE;
	else if (user.credential == check->credential)
		set_good(verified_out, &user);
	table_row_fini(&user_table, &user);
}

static void
derive(void *ctx)
{
	struct check *check = ctx;

	check->is_match = verifier_matches(&check->verifier, check->password);
}

static void
on_derived(void *ctx)
{
	struct check *check = ctx;
	struct sasl_verifier *parent = check->parent;
	struct verified verified;

	judge(check, &verified);
	if (verified.verdict == VERDICT_GOOD)
		sasl_cache_put(
		    parent->cache, verified.user_id, verified.credential, check->password);
	parent->on_verdict(check->number, &verified, parent->ctx);
	check_free(check);
}

/* ---- before it ---- */

/* Logins are the same in any case, so their fakes must be as well. */
static void
use_fake(struct check *check, const char *login)
{
	char *lower = xstrdup(login);

	for (char *at = lower; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	verifier_fake(&check->verifier, check->parent->fake_secret, lower);
	check->user_id = 0;
	free(lower);
}

/* Nobody speaks for somebody else: an authorization identity must be the login itself, as some
 * clients send it. */
static bool
is_own_authorization(const struct credentials *credentials)
{
	return credentials->authorization == NULL || *credentials->authorization == '\0' ||
	       strcasecmp(credentials->authorization, credentials->login) == 0;
}

/* The user's verifier or a fake one; 1 if the cache knows the password. */
static int
prepare(struct check *check, const struct credentials *credentials, struct verified *verified_out,
    struct err *err_out)
{
	struct user user;
	bool may_match = is_own_authorization(credentials);
	int found;

	if (password_prepare(credentials->password, &check->password, NULL) != 0) {
		check->password = xstrdup("-");
		may_match = false;
	}
	found = db_find(check->parent->db, &user_table, credentials->login, &user, err_out);
	if (found < 0)
		return -1;
	if (found == 0) {
		use_fake(check, credentials->login);
		(void)sasl_cache_matches(check->parent->cache, 0, 0, check->password);
		return 0;
	}
	check->user_id = user.id;
	check->credential = user.credential;
	if (sasl_cache_matches(check->parent->cache, user.id, user.credential, check->password) &&
	    may_match && user.active) {
		set_good(verified_out, &user);
		found = 1;
	} else if (verifier_parse(user.verifier, &check->verifier) != 0) {
		found = err_set(err_out, "the verifier of user %s is damaged", user.login);
	} else {
		found = 0;
		if (!may_match)
			check->user_id = 0;
	}
	table_row_fini(&user_table, &user);
	return found;
}

bool
sasl_verify(struct sasl_verifier *verifier, uint64_t number, const struct credentials *credentials,
    struct verified *verified_out)
{
	struct check *check = xcalloc(1, sizeof(*check));
	struct err err;
	int found;

	check->parent = verifier;
	check->number = number;
	found = prepare(check, credentials, verified_out, &err);
	if (found == 0 && pool_submit(verifier->pool, derive, on_derived, check))
		return false;
	if (found == 0)
		*verified_out = (struct verified){.verdict = VERDICT_TEMPORARY};
	if (found < 0)
		(void)temporary(verified_out, &err);
	check_free(check);
	return true;
}
