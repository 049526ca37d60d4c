/* tokens - the sources of all profiles, and who waits for a token. */
#include "daemon/relay/tokens.h"

#include "common/xalloc.h"
#include "daemon/core/result.h"
#include "daemon/relay/token_private.h"

#include <stdlib.h>
#include <string.h>

struct token_wait {
	struct list link;
	token_fn on_token;
	void *ctx;
};

/* ---- the set ---- */

struct tokens *
tokens_new(struct loop *loop, const struct tokens_ops *ops, void *ctx)
{
	struct tokens *tokens = xcalloc(1, sizeof(*tokens));

	tokens->loop = loop;
	tokens->ops = ops;
	tokens->ctx = ctx;
	list_init(&tokens->sources);
	return tokens;
}

static void
free_source(void *object)
{
	struct token_source *source = object;

	timer_free(source->soon);
	timer_free(source->ahead);
	timer_free(source->storing.again);
	explicit_bzero(source->refresh_token, strlen(source->refresh_token));
	free(source->refresh_token);
	oauth_settings_fini(&source->settings);
	free(source);
}

/* Out of the set; it stays as long as a profile holds it. */
static void
detach(struct token_source *source)
{
	list_remove(&source->link);
	token_stop_call(source);
	token_stop_storing(source);
	token_drop(source);
	timer_stop(source->ahead);
	timer_set(source->soon, 0); /* whoever waits yet */
	token_source_release(source);
}

void
tokens_free(struct tokens *tokens)
{
	LIST_EACH_SAFE (&tokens->sources, at, next)
		detach(LIST_ENTRY(at, struct token_source, link));
	free(tokens);
}

static struct token_source *
find(struct tokens *tokens, uint64_t profile_id)
{
	LIST_EACH (&tokens->sources, at) {
		struct token_source *source = LIST_ENTRY(at, struct token_source, link);

		if (source->profile_id == profile_id)
			return source;
	}
	return NULL;
}

static void
on_soon(void *ctx)
{
	token_settle(ctx);
}

static struct token_source *
make(struct tokens *tokens, const struct msg_profile *message)
{
	struct token_source *source = xcalloc(1, sizeof(*source));

	source->tokens = tokens;
	source->loop = tokens->loop;
	source->references = 1;
	source->profile_id = message->profile_id;
	source->version = message->version;
	oauth_settings_init(&source->settings, message);
	source->refresh_token = xstrdup("");
	list_init(&source->waits);
	source->soon = timer_new(tokens->loop, on_soon, source);
	source->ahead = timer_new(tokens->loop, token_on_ahead, source);
	source->storing.again = timer_new(tokens->loop, token_on_store_again, source);
	(void)token_take_stored(source, message->oauth_refresh_token);
	list_append(&tokens->sources, &source->link);
	return source;
}

/* True: tokens that were got before are no good any more. */
static bool
take_settings(struct token_source *source, const struct msg_profile *message)
{
	struct oauth_settings settings;
	bool is_other;

	oauth_settings_init(&settings, message);
	is_other = !oauth_settings_equal(&source->settings, &settings);
	oauth_settings_fini(&source->settings);
	source->settings = settings;
	/* Both look, in any case. */
	return token_take_stored(source, message->oauth_refresh_token) || is_other;
}

static void
update(struct token_source *source, const struct msg_profile *message)
{
	if (message->version != source->version)
		token_forget_failures(source);
	source->version = message->version;
	if (!take_settings(source, message))
		return;
	token_stop_call(source);
	token_drop(source);
	token_forget_failures(source);
	timer_set(source->soon, 0);
}

struct token_source *
tokens_source(struct tokens *tokens, const struct msg_profile *message)
{
	struct token_source *source = find(tokens, message->profile_id);

	if (source == NULL)
		source = make(tokens, message);
	else
		update(source, message);
	return token_source_hold(source);
}

struct token_source *
token_source_hold(struct token_source *source)
{
	source->references++;
	return source;
}

void
token_source_release(struct token_source *source)
{
	if (source == NULL || --source->references > 0)
		return;
	loop_free_later(source->loop, free_source, source);
}

void
tokens_forget(struct tokens *tokens, uint64_t profile_id)
{
	struct token_source *source = find(tokens, profile_id);

	if (source != NULL)
		detach(source);
}

/* ---- who waits ---- */

struct token_wait *
token_get(struct token_source *source, token_fn on_token, void *ctx)
{
	struct token_wait *wait = xcalloc(1, sizeof(*wait));

	wait->on_token = on_token;
	wait->ctx = ctx;
	list_append(&source->waits, &wait->link);
	timer_set(source->soon, 0);
	return wait;
}

void
token_cancel(struct token_wait *wait)
{
	list_remove(&wait->link);
	free(wait);
}

void
token_answer_all(struct token_source *source, const struct token_answer *answer)
{
	struct list batch, *first;

	/* An answer may ask again, or take back what others asked. */
	list_init(&batch);
	while ((first = list_take_first(&source->waits)) != NULL)
		list_append(&batch, first);
	while ((first = list_take_first(&batch)) != NULL) {
		struct token_wait *wait = LIST_ENTRY(first, struct token_wait, link);
		token_fn on_token = wait->on_token;
		void *ctx = wait->ctx;

		free(wait);
		on_token(answer, ctx);
	}
}

void
token_worked(struct token_source *source, uint64_t serial)
{
	source->has_worked |= source->token != NULL && source->serial == serial;
}

void
token_refused(struct token_source *source, uint64_t serial)
{
	if (source->token != NULL && source->serial == serial)
		token_drop(source);
}

/* ---- for operators ---- */

static json_t *
source_json(const struct token_source *source)
{
	int64_t now_ms = loop_now_ms(source->tokens->loop);
	int64_t wall_ms = loop_wall_ms(source->tokens->loop);
	bool is_valid = token_is_valid(source);

	return json_pack("{s:o, s:o, s:o, s:o}", "profile", result_text(source->settings.profile),
	    "until", result_time(is_valid ? wall_ms + source->expires_at_ms - now_ms : 0),
	    "login_until", result_time(source->login_until_ms), "reason",
	    source->again_at_ms != 0 ? result_text(source->failure.reason) : json_null());
}

json_t *
tokens_to_json(const struct tokens *tokens)
{
	json_t *all = json_array();

	LIST_EACH ((struct list *)(uintptr_t)&tokens->sources, at)
		(void)json_array_append_new(
		    all, source_json(LIST_ENTRY(at, struct token_source, link)));
	return all;
}
