/*
 * sasl_verify - whether a login and a password, or the proof of one, belong together
 *
 * Owns     a check until its verdict was given
 * Context  loop; the derivation runs on the pool
 *
 * Part of sasl, apart from the protocol: this decides, sasl.c speaks.
 */
#ifndef POSTERN_ACCOUNTS_SASL_VERIFY_H
#define POSTERN_ACCOUNTS_SASL_VERIFY_H

#include "daemon/accounts/sasl_cache.h"
#include "daemon/accounts/sasl_user.h"
#include "daemon/core/pool.h"

enum verdict {
	VERDICT_GOOD,
	VERDICT_BAD,
	VERDICT_INACTIVE, /* the password was right; the client hears the same as for BAD */
	VERDICT_TEMPORARY
};

struct verified {
	enum verdict verdict;
	int64_t user_id, credential; /* if good */
	char login[256];             /* as the user is called, if good */
	uint64_t guess;              /* stands for login and password; 0: a proof doesn't show it */
};

struct sasl_verifier {
	struct sasl_users users;
	struct pool *pool;
	struct sasl_cache *cache;
	uint8_t guess_key[VERIFIER_KEY_SIZE]; /* of this process */
	uint64_t derivations;                 /* how many there were */
	/* Tells the verdict; `number` is the caller's. */
	void (*on_verdict)(uint64_t number, const struct verified *verified, void *ctx);
	void *ctx;
};

struct credentials {
	const char *authorization; /* "" or NULL: none */
	const char *login;
	const char *password; /* as the client sent it */
};

/* True: *verified_out is the verdict already. False: on_verdict will be called in a later turn. */
bool sasl_verify(struct sasl_verifier *verifier, uint64_t number,
    const struct credentials *credentials, struct verified *verified_out);

/* After a proof that fits `user`, as it was found before: whether it's still so, and may log in.
 * `credentials` has no password. */
void sasl_verify_proof(const struct sasl_verifier *verifier, const struct sasl_user *user,
    const struct credentials *credentials, struct verified *verified_out);

#endif
