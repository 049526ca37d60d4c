/*
 * sasl_verify - first the cache, then the pool. The user is read twice: for its verifier before
 * the derivation, and again after it, since it may have changed meanwhile.
 */
#include "daemon/accounts/sasl_verify.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/password.h"
#include "daemon/accounts/user.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
	uint64_t guess;
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

/* ---- after the derivation, or the proof ---- */

static void
set_good(struct verified *verified_out, int64_t user_id, int64_t credential, const char *login)
{
	verified_out->verdict = VERDICT_GOOD;
	verified_out->user_id = user_id;
	verified_out->credential = credential;
	(void)snprintf(verified_out->login, sizeof(verified_out->login), "%s", login);
}

/* What fitted the user's keys of then may be out of date by now. */
static void
judge(struct db *db, int64_t user_id, int64_t credential, struct verified *verified_out)
{
	struct user user;
	struct err err;
	int found = db_find_id(db, &user_table, user_id, &user, &err);

	if (found < 0)
		(void)temporary(verified_out, &err);
	if (found <= 0)
		return;
	if (user.credential == credential && !user.active)
		verified_out->verdict = VERDICT_INACTIVE;
	else if (user.credential == credential)
		set_good(verified_out, user.id, user.credential, user.login);
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
	struct verified verified = {.verdict = VERDICT_BAD, .guess = check->guess};

	parent->derivations++;
	if (check->is_match && check->user_id != 0)
		judge(parent->users.db, check->user_id, check->credential, &verified);
	if (verified.verdict == VERDICT_GOOD)
		sasl_cache_put(
		    parent->cache, verified.user_id, verified.credential, check->password);
	parent->on_verdict(check->number, &verified, parent->ctx);
	check_free(check);
}

/* ---- before it ---- */

/* Nobody speaks for somebody else: an authorization identity must be the login itself, as some
 * clients send it. */
static bool
is_own_authorization(const struct credentials *credentials)
{
	return credentials->authorization == NULL || *credentials->authorization == '\0' ||
	       strcasecmp(credentials->authorization, credentials->login) == 0;
}

/* What tells two guesses apart and one that is repeated, also by another mechanism, and nothing
 * else: the key dies with the process. */
static uint64_t
guess_of(const struct sasl_verifier *verifier, const char *login, const char *password)
{
	uint8_t mac[VERIFIER_KEY_SIZE];
	struct buf text;
	uint64_t guess;

	buf_init(&text);
	for (; *login != '\0'; login++)
		buf_char(&text, (char)tolower((unsigned char)*login));
	buf_char(&text, '\0');
	buf_text(&text, password);
	ensure(HMAC(EVP_sha256(), verifier->guess_key, sizeof(verifier->guess_key),
		   (const unsigned char *)text.bytes, text.size, mac, NULL) != NULL);
	OPENSSL_cleanse(text.bytes, text.size);
	buf_fini(&text);
	memcpy(&guess, mac, sizeof(guess));
	return guess == 0 ? 1 : guess;
}

/* The user's verifier or a fake one; 1 if the cache knows the password. */
static int
prepare(struct check *check, const struct credentials *credentials, struct verified *verified_out,
    struct err *err_out)
{
	const struct sasl_verifier *parent = check->parent;
	bool may_match = is_own_authorization(credentials), is_known;
	struct sasl_user user;

	if (password_prepare(credentials->password, &check->password, NULL) != 0) {
		check->password = xstrdup("-");
		may_match = false;
	}
	if (sasl_user_find(&parent->users, credentials->login, &user, err_out) != 0)
		return -1;
	check->verifier = user.verifier;
	check->user_id = may_match ? user.id : 0;
	check->credential = user.credential;
	check->guess = guess_of(parent, credentials->login, credentials->password);
	is_known = sasl_cache_matches(parent->cache, user.id, user.credential, check->password) &&
		   may_match && user.is_active;
	if (is_known)
		set_good(verified_out, user.id, user.credential, user.login);
	sasl_user_fini(&user);
	return is_known ? 1 : 0;
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
	*verified_out = (struct verified){.verdict = VERDICT_BAD};
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

void
sasl_verify_proof(const struct sasl_verifier *verifier, const struct sasl_user *user,
    const struct credentials *credentials, struct verified *verified_out)
{
	*verified_out = (struct verified){.verdict = VERDICT_BAD};
	if (user->id != 0 && is_own_authorization(credentials))
		judge(verifier->users.db, user->id, user->credential, verified_out);
}
