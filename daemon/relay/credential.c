/* credential - first the connection's turn, then what it logs in with. */
#include "daemon/relay/credential.h"

#include "common/xalloc.h"
#include "daemon/relay/profile.h"
#include "daemon/relay/tokens.h"

#include <stdlib.h>

struct credential_query {
	struct profile *profile;
	struct login *login;
	struct token_wait *token;
	uint64_t serial; /* of the token that was given, 0: none */
	void (*on_credential)(const struct credential *credential, void *ctx);
	void *ctx;
};

static void
on_token(const struct token_answer *answer, void *ctx)
{
	struct credential_query *query = ctx;
	struct credential credential = {
	    .secret = answer->token,
	    .problem = answer->token == NULL ? answer->reason : NULL,
	    .outcome = answer->outcome,
	    .is_renewable = !answer->is_fresh,
	    .worked = login_worked(query->login),
	};

	query->token = NULL;
	query->serial = answer->serial;
	query->on_credential(&credential, query->ctx);
}

static void
on_turn(const char *problem, void *ctx)
{
	struct credential_query *query = ctx;
	struct token_source *source = query->profile->token_source;
	struct credential credential = {
	    .secret = query->profile->secret,
	    .problem = problem,
	    .outcome = ATTEMPT_AUTH_REFUSED, /* as it was, see logins.h */
	    .worked = login_worked(query->login),
	};

	if (problem == NULL && source != NULL)
		query->token = token_get(source, on_token, query);
	else
		query->on_credential(&credential, query->ctx);
}

struct credential_query *
credential_get(struct profile *profile, bool is_next,
    void (*on_credential)(const struct credential *credential, void *ctx), void *ctx)
{
	struct credential_query *query = xcalloc(1, sizeof(*query));

	query->profile = profile_hold(profile);
	query->on_credential = on_credential;
	query->ctx = ctx;
	query->login = login_wait(profile->logins, profile, is_next, on_turn, query);
	return query;
}

void
credential_end(
    struct credential_query *query, enum login_result result, unsigned method, const char *words)
{
	if (query->token != NULL)
		token_cancel(query->token);
	if (query->serial != 0 && result == LOGIN_GOOD)
		token_worked(query->profile->token_source, query->serial);
	if (query->serial != 0 && result == LOGIN_REFUSED)
		token_refused(query->profile->token_source, query->serial);
	login_note_method(query->login, method);
	login_end(query->login, result, words);
	profile_release(query->profile);
	free(query);
}
