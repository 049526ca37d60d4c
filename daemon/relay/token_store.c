/*
 * token_store - a new refresh token's way to the disk.
 *
 * The old one is on disk until accounts has put the new one in its place, which happens only if the
 * one that is there is the one that was used: an operator may have entered another meanwhile. Before
 * that no request is made with the new one, nor is the access token used that came with it: if relay
 * dies here, the old one is tried again, and many servers still take it as long as nobody used what it
 * brought.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/token_private.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_MS 1000
#define PATIENCE_MS (10 * 1000)

static void
end(struct token_source *source, enum token_stored outcome)
{
	struct token_storing *storing = &source->storing;
	void (*on_stored)(enum token_stored, void *) = storing->on_stored;

	storing->is_due = false;
	storing->on_stored = NULL;
	if (outcome == TOKEN_SUPERSEDED)
		log_problem(LOG_WARNING,
		    "profile %s: a new refresh token was not stored, since another login has "
		    "taken its place meanwhile",
		    source->settings.profile);
	if (outcome == TOKEN_KEPT)
		log_trace("profile %s: the new refresh token is on disk", source->settings.profile);
	if (on_stored != NULL)
		on_stored(outcome, storing->ctx);
	timer_set(source->soon, 0);
}

static void
try_again(struct token_source *source)
{
	timer_set(source->storing.again, AGAIN_MS);
	timer_set(source->soon, 0); /* who waits may have done so for too long */
}

static void
on_stored(const union message *answer, void *ctx)
{
	struct token_source *source = ctx;

	source->storing.request = 0;
	if (answer == NULL)
		try_again(source);
	else if (answer->token_stored.outcome < TOKEN_UNWANTED)
		end(source, answer->token_stored.outcome);
	else
		end(source, TOKEN_UNWANTED);
}

static void
store(struct token_source *source)
{
	const struct tokens *tokens = source->tokens;
	struct token_storing *storing = &source->storing;
	const struct msg_token_store message = {
	    .profile_id = source->profile_id,
	    .refresh_token = {(const uint8_t *)source->refresh_token,
		(uint32_t)strlen(source->refresh_token)},
	    .replaces = {storing->replaces, storing->is_login ? 0 : TOKEN_DIGEST_SIZE},
	};

	storing->request = tokens->ops->store(tokens->ctx, &message, on_stored, source);
	if (storing->request == 0)
		try_again(source);
}

void
token_on_store_again(void *ctx)
{
	struct token_source *source = ctx;

	if (source->storing.is_due)
		store(source);
}

void
tokens_on_accounts(struct tokens *tokens)
{
	LIST_EACH (&tokens->sources, at) {
		struct token_source *source = LIST_ENTRY(at, struct token_source, link);

		if (source->storing.is_due && source->storing.request == 0)
			timer_set(source->storing.again, 0);
	}
}

void
token_stop_storing(struct token_source *source)
{
	struct token_storing *storing = &source->storing;

	if (storing->request != 0)
		source->tokens->ops->cancel_store(source->tokens->ctx, storing->request);
	storing->request = 0;
	storing->is_due = false;
	timer_stop(storing->again);
}

bool
token_store_is_overdue(const struct token_source *source)
{
	return source->storing.is_due &&
	       loop_now_ms(source->tokens->loop) - source->storing.since_ms >= PATIENCE_MS;
}

static void
set_refresh_token(struct token_source *source, const char *text, size_t size)
{
	char *copy = xstrndup(size > 0 ? text : "", size);

	explicit_bzero(source->refresh_token, strlen(source->refresh_token));
	free(source->refresh_token);
	source->refresh_token = copy;
}

void
token_replace_refresh(struct token_source *source, const char *refresh_token, bool is_login)
{
	struct token_storing *storing = &source->storing;

	token_stop_storing(source);
	storing->is_due = true;
	storing->is_login = is_login;
	storing->since_ms = loop_now_ms(source->tokens->loop);
	SHA256((const uint8_t *)source->refresh_token, strlen(source->refresh_token),
	    storing->replaces);
	set_refresh_token(source, refresh_token, strlen(refresh_token));
	store(source);
}

/* Accounts said it before it heard of ours. */
static bool
is_being_replaced(const struct token_source *source, struct msg_bytes refresh_token)
{
	uint8_t digest[TOKEN_DIGEST_SIZE];

	if (!source->storing.is_due || source->storing.is_login)
		return source->storing.is_due;
	SHA256(refresh_token.at, refresh_token.size, digest);
	return memcmp(digest, source->storing.replaces, sizeof(digest)) == 0;
}

bool
token_take_stored(struct token_source *source, struct msg_bytes refresh_token)
{
	bool is_same = strlen(source->refresh_token) == refresh_token.size &&
		       (refresh_token.size == 0 || memcmp(source->refresh_token, refresh_token.at,
						       refresh_token.size) == 0);

	if (is_same || is_being_replaced(source, refresh_token))
		return false;
	token_stop_storing(source);
	set_refresh_token(source, (const char *)refresh_token.at, refresh_token.size);
	return true;
}
