/* token_source - the life of an access token: asked for, used, renewed ahead of its end. */
#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/relay/token_private.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_MS (30 * 1000) /* a token isn't used for a login so shortly before its end */
#define FRESH_MS (60 * 1000)  /* so old a token is no reason for a refusal */
#define FIRST_MS 2000         /* after a failure */
#define MOST_MS (5 * 60 * 1000)
#define REFUSED_MS (60 * 1000) /* a refusal isn't asked for more often */
#define WARN_AHEAD_MS (INT64_C(5) * 86400 * 1000)
#define WARN_EVERY_MS (INT64_C(86400) * 1000)

static int64_t
now_ms(const struct token_source *source)
{
	return loop_now_ms(source->tokens->loop);
}

/* `ms`, up to `percent` more or less: many relays shall not ask at once. */
static int64_t
spread(int64_t ms, int percent)
{
	int64_t width = ms * percent / 100;
	uint32_t chance = 0;

	ensure(RAND_bytes((unsigned char *)&chance, sizeof(chance)) == 1);
	return ms - width + (width == 0 ? 0 : (int64_t)chance % (2 * width + 1));
}

/* ---- what there is ---- */

bool
token_is_valid(const struct token_source *source)
{
	int64_t life_ms = source->expires_at_ms - source->obtained_at_ms;
	int64_t margin_ms = life_ms / 10 < MARGIN_MS ? life_ms / 10 : MARGIN_MS;

	return source->token != NULL && now_ms(source) < source->expires_at_ms - margin_ms;
}

void
token_drop(struct token_source *source)
{
	if (source->token != NULL)
		explicit_bzero(source->token, strlen(source->token));
	free(source->token);
	source->token = NULL;
	timer_stop(source->ahead);
}

void
token_forget_failures(struct token_source *source)
{
	source->failures = 0;
	source->again_at_ms = 0;
	source->failure = (struct oauth_failure){0};
}

static bool
has_refresh_token(const struct token_source *source)
{
	return source->settings.grant == GRANT_REFRESH || source->settings.grant == GRANT_DEVICE;
}

/* ---- answers ---- */

static void
answer_token(struct token_source *source)
{
	const struct token_answer answer = {
	    .token = source->token,
	    .serial = source->serial,
	    .is_fresh = !source->has_worked && now_ms(source) - source->obtained_at_ms < FRESH_MS,
	    .holds_ms = source->expires_at_ms - now_ms(source),
	};

	source->is_used = true;
	token_answer_all(source, &answer);
}

static void
answer_failure(struct token_source *source)
{
	char reason[OAUTH_REASON_SIZE + 80], when[CLOCK_RFC3339_SIZE];
	bool is_refusal = source->failure.verdict == OAUTH_REFUSED;
	const struct token_answer answer = {
	    .outcome = is_refusal ? ATTEMPT_AUTH_REFUSED : ATTEMPT_AUTH_LATER,
	    .reason = reason,
	};
	int64_t again_ms =
	    loop_wall_ms(source->tokens->loop) + source->again_at_ms - now_ms(source);

	(void)snprintf(reason, sizeof(reason), is_refusal ? "%s" : "%s; it is asked again at %s",
	    source->failure.reason, clock_rfc3339(again_ms, when, sizeof(when)));
	token_answer_all(source, &answer);
}

static void
answer_not_stored(struct token_source *source)
{
	static const struct token_answer answer = {
	    .outcome = ATTEMPT_AUTH_LATER,
	    .reason = "the new refresh token is not on disk yet: accounts does not answer",
	};

	token_answer_all(source, &answer);
}

/* ---- results ---- */

static void
log_token(const struct token_source *source, int64_t life_s)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "a token that holds %lld s", (long long)life_s);
	log_trace("profile %s: %s", source->settings.profile, text);
}

/* Where the server tells when the refresh token ends. */
static void
warn_of_end(struct token_source *source)
{
	int64_t wall_ms = loop_wall_ms(source->tokens->loop);
	char detail[400], when[CLOCK_RFC3339_SIZE];
	bool is_device = source->settings.grant == GRANT_DEVICE;

	if (source->login_until_ms == 0 || source->login_until_ms - wall_ms > WARN_AHEAD_MS ||
	    (source->warned_at_ms != 0 && wall_ms - source->warned_at_ms < WARN_EVERY_MS))
		return;
	source->warned_at_ms = wall_ms;
	(void)snprintf(detail, sizeof(detail),
	    "the login of profile %.100s ends at %s: log in again: posternctl profile %s %.100s%s",
	    source->settings.profile, clock_rfc3339(source->login_until_ms, when, sizeof(when)),
	    is_device ? "login" : "set", source->settings.profile,
	    is_device ? "" : " --oauth-refresh-token-stdin");
	source->tokens->ops->alert(
	    source->tokens->ctx, "login-expires", source->settings.profile, detail);
}

static void
note_login_life(struct token_source *source, const struct oauth_result *result)
{
	if (!has_refresh_token(source))
		return;
	if (result->refresh_life_s > 0)
		source->login_until_ms =
		    loop_wall_ms(source->tokens->loop) + result->refresh_life_s * 1000;
	else if (result->refresh_token != NULL)
		source->login_until_ms = 0;
	warn_of_end(source);
}

void
token_take_result(struct token_source *source, const struct oauth_result *result)
{
	int64_t life_ms = result->life_s * 1000;

	token_drop(source);
	token_forget_failures(source);
	source->token = xstrdup(result->access_token);
	source->serial = ++source->tokens->serial;
	source->is_used = source->has_worked = false;
	source->obtained_at_ms = now_ms(source);
	source->expires_at_ms = source->obtained_at_ms + life_ms;
	source->ahead_at_ms = source->obtained_at_ms + spread(life_ms * 8 / 10, 5);
	timer_set(source->ahead, source->ahead_at_ms - source->obtained_at_ms);
	note_login_life(source, result);
	log_token(source, result->life_s);
}

static void
take_failure(struct token_source *source)
{
	struct oauth_failure *failure = &source->failure;
	int64_t wait_ms = FIRST_MS;

	if (failure->verdict != OAUTH_REFUSED) {
		failure->verdict = OAUTH_LATER;
		for (unsigned i = 0; i < source->failures && wait_ms < MOST_MS; i++)
			wait_ms *= 2;
		source->failures++;
	} else {
		wait_ms = REFUSED_MS;
	}
	wait_ms = spread(wait_ms < MOST_MS ? wait_ms : MOST_MS, 20);
	if (wait_ms < failure->retry_after_ms)
		wait_ms = failure->retry_after_ms;
	source->again_at_ms = now_ms(source) + wait_ms;
	if (!token_is_valid(source))
		return; /* who waits is told */
	if (failure->verdict == OAUTH_REFUSED)
		source->tokens->ops->alert(source->tokens->ctx, "token-refused",
		    source->settings.profile, failure->reason);
	else
		timer_set(source->ahead, wait_ms);
}

/* ---- asking ---- */

static void
request_of(const struct token_source *source, struct oauth_request *request_out)
{
	*request_out = (struct oauth_request){
	    .grant = source->settings.grant,
	    .url = source->settings.token_url,
	    .profile = source->settings.profile,
	    .secrets = {source->settings.client_secret, source->refresh_token, source->token},
	};
}

static void
on_answer(const struct http_answer *answer, void *ctx)
{
	struct token_source *source = ctx;
	struct oauth_request request;
	struct oauth_result result;

	source->call = NULL;
	request_of(source, &request);
	if (oauth_read_token(&request, answer, &result, &source->failure) == 0) {
		token_take_result(source, &result);
		if (result.refresh_token != NULL && has_refresh_token(source) &&
		    strcmp(result.refresh_token, source->refresh_token) != 0)
			token_replace_refresh(source, result.refresh_token, false);
	} else {
		take_failure(source);
	}
	oauth_result_fini(&result);
	token_settle(source);
}

static void
fail_at_home(struct token_source *source, const char *reason)
{
	source->failure = (struct oauth_failure){.verdict = OAUTH_REFUSED};
	(void)snprintf(source->failure.reason, sizeof(source->failure.reason), "%s", reason);
	take_failure(source);
}

static void
start(struct token_source *source)
{
	const struct tokens *tokens = source->tokens;
	const struct oauth_settings *settings = &source->settings;
	char problem[400];
	struct buf form;
	struct err err;

	if (has_refresh_token(source) && source->refresh_token[0] == '\0') {
		(void)snprintf(problem, sizeof(problem),
		    "nobody has logged in yet: posternctl profile login %.200s", settings->profile);
		fail_at_home(source, problem);
		return;
	}
	buf_init(&form);
	if (oauth_form_token(settings, source->refresh_token, loop_wall_ms(tokens->loop) / 1000,
		&form, &err) == 0)
		source->call = tokens->ops->post(tokens->ctx, settings->token_url,
		    (struct msg_bytes){(const uint8_t *)form.bytes, (uint32_t)form.size},
		    oauth_settings_ca(settings), on_answer, source);
	else
		fail_at_home(source, err.text);
	if (form.bytes != NULL)
		explicit_bzero(form.bytes, form.capacity);
	buf_fini(&form);
}

void
token_stop_call(struct token_source *source)
{
	if (source->call != NULL)
		source->tokens->ops->cancel(source->tokens->ctx, source->call);
	source->call = NULL;
}

static bool
may_start(const struct token_source *source)
{
	return source->call == NULL && !source->storing.is_due &&
	       now_ms(source) >= source->again_at_ms;
}

void
token_settle(struct token_source *source)
{
	if (list_is_empty(&source->waits))
		return;
	if (source->storing.is_due) {
		/* The access token came with what is not on disk yet. */
		if (token_store_is_overdue(source))
			answer_not_stored(source);
		return;
	}
	if (token_is_valid(source)) {
		answer_token(source);
		/* Nobody used it when its time came. */
		if (now_ms(source) >= source->ahead_at_ms && may_start(source))
			start(source);
		return;
	}
	if (may_start(source))
		start(source);
	if (source->call == NULL)
		answer_failure(source);
}

void
token_on_ahead(void *ctx)
{
	struct token_source *source = ctx;

	if (!source->is_used || !token_is_valid(source))
		return; /* the next who asks gets a new one */
	if (may_start(source))
		start(source);
	else if (source->call == NULL)
		timer_set(source->ahead, FIRST_MS);
}
