/*
 * tokens - the access tokens of profiles with OAuth2
 *
 * Role     relay
 * Owns     settings, tokens and requests of each such profile; all in memory, wiped at the end
 * Context  loop; no callback runs inside token_get() or tokens_source()
 * Units    milliseconds
 * Fails    into the answer, with an outcome and a reason
 *
 * A profile has one token, which all its connections share, and at most one request to its server;
 * who asks meanwhile waits for that. A token in use is renewed at four fifths of its life, give or
 * take a little; one that nobody uses is left to expire. A temporary failure is tried again after a
 * wait that doubles, or that the server names, and the token serves as long as it lasts; a refusal
 * is told to whoever asks next. Neither forgets a refresh token.
 *
 *	token_get → on_token → (the upstream refuses it) token_refused → token_get …
 *
 * A refresh token that comes with an access token takes the old one's place: accounts has it on
 * disk before either of them is used (token_store.c). Who asks waits for that, for ten seconds or so.
 */
#ifndef POSTERN_RELAY_TOKENS_H
#define POSTERN_RELAY_TOKENS_H

#include "daemon/core/link.h"
#include "daemon/core/values.h"
#include "daemon/relay/http.h"

#include <jansson.h>
#include <stdbool.h>

struct tokens;
struct token_source; /* of one profile */
struct token_wait;

/* What the tokens need of others; tests have their own. */
struct tokens_ops {
	/* As http_post() and http_cancel(). */
	struct http_call *(*post)(void *ctx, const char *url, struct msg_bytes form,
	    struct msg_bytes ca, http_done_fn on_done, void *done_ctx);
	void (*cancel)(void *ctx, struct http_call *call);
	/* Asks accounts; the request's id, 0: accounts is away. */
	uint32_t (*store)(void *ctx, const struct msg_token_store *message,
	    link_answer_fn on_answer, void *answer_ctx);
	void (*cancel_store)(void *ctx, uint32_t request_id);
	void (*alert)(void *ctx, const char *kind, const char *profile, const char *detail);
};

struct tokens *tokens_new(struct loop *loop, const struct tokens_ops *ops, void *ctx);
/* Every source has been released. */
void tokens_free(struct tokens *tokens);

/* The profile's source, which the caller holds, with the settings of a PROFILE that has a grant. A
 * new version forgets failures; other settings or another refresh token also the access token. */
struct token_source *tokens_source(struct tokens *tokens, const struct msg_profile *message);
struct token_source *token_source_hold(struct token_source *source);
void token_source_release(struct token_source *source); /* NULL is allowed */
/* Accounts is there (again): what it has not been told yet it is told now. */
void tokens_on_accounts(struct tokens *tokens);
/* The profile is gone, or has no grant any more. */
void tokens_forget(struct tokens *tokens, uint64_t profile_id);

struct token_answer {
	const char *token; /* NULL: see outcome, reason; borrowed until return */
	uint64_t serial;
	bool
	    is_fresh; /* it was just made, and has not worked yet: if it is refused, so is another */
	int64_t holds_ms; /* from now */
	enum attempt_outcome outcome;
	const char *reason;
};

typedef void (*token_fn)(const struct token_answer *answer, void *ctx);

/* Calls on_token once, in a later turn, unless it is cancelled. */
struct token_wait *token_get(struct token_source *source, token_fn on_token, void *ctx);
void token_cancel(struct token_wait *wait);
/* The upstream took it. */
void token_worked(struct token_source *source, uint64_t serial);
/* The upstream refused it: whoever asks next gets another. */
void token_refused(struct token_source *source, uint64_t serial);

/* [{profile, until, login_until, reason}]: until when tokens hold, and what is wrong with one. */
json_t *tokens_to_json(const struct tokens *tokens);

#endif
