/* credential - first the connection's turn, then what it logs in with. */
#include "daemon/relay/credential.h"

#include "common/xalloc.h"
#include "daemon/relay/profile.h"

#include <stdlib.h>

struct credential_query {
	struct profile *profile;
	struct login *login;
	void (*on_credential)(const struct credential *credential, void *ctx);
	void *ctx;
};

static void
on_turn(const char *problem, void *ctx)
{
	struct credential_query *query = ctx;
	struct credential credential = {
	    .secret = query->profile->secret,
	    .problem = problem,
	    .outcome = ATTEMPT_AUTH_LATER,
	    .worked = login_worked(query->login),
	};

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
	login_note_method(query->login, method);
	login_end(query->login, result, words);
	profile_release(query->profile);
	free(query);
}
