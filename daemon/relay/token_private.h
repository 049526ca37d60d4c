/*
 * token_private - a token source's inside, for the files that make it up
 *
 * tokens.c has the set, and who asks; token_source.c the life of a token; token_store.c the refresh
 * token's way to the disk; device_login.c somebody's login. Nobody else includes this.
 */
#ifndef POSTERN_RELAY_TOKEN_PRIVATE_H
#define POSTERN_RELAY_TOKEN_PRIVATE_H

#include "common/list.h"
#include "daemon/core/loop.h"
#include "daemon/relay/oauth_answer.h"
#include "daemon/relay/oauth_settings.h"
#include "daemon/relay/tokens.h"

#define TOKEN_DIGEST_SIZE 32

struct tokens {
	struct loop *loop;
	const struct tokens_ops *ops;
	void *ctx;
	struct list sources;
	uint64_t serial; /* of the newest access token */
};

/* On its way to the disk. */
struct token_storing {
	bool is_due; /* accounts hasn't said yet that it has it */
	bool is_login;
	uint8_t replaces[TOKEN_DIGEST_SIZE]; /* unless is_login */
	uint32_t request;
	int64_t since_ms; /* loop_now_ms() */
	struct timer *again;
	void (*on_stored)(enum token_stored outcome, void *ctx); /* may be NULL */
	void *ctx;
};

struct token_source {
	struct list link;
	struct tokens *tokens;
	struct loop *loop; /* profiles may be released after the tokens were freed */
	unsigned references;
	uint64_t profile_id;
	uint32_t version;
	struct oauth_settings settings;
	char *refresh_token; /* "": none */
	struct token_storing storing;

	char *token; /* NULL: none */
	uint64_t serial;
	int64_t obtained_at_ms, ahead_at_ms, expires_at_ms; /* loop_now_ms() */
	bool is_used, has_worked;
	int64_t login_until_ms, warned_at_ms; /* wall clock; 0: not known, not yet */

	struct http_call *call;
	struct list waits;
	struct timer *soon;  /* for answers */
	struct timer *ahead; /* to renew */
	unsigned failures;   /* temporary ones in a row */
	int64_t again_at_ms; /* no request before; 0: none has failed */
	struct oauth_failure failure;
};

/* ---- tokens.c ---- */

void token_answer_all(struct token_source *source, const struct token_answer *answer);

/* ---- token_source.c ---- */

bool token_is_valid(const struct token_source *source);
void token_drop(struct token_source *source);
/* What failed says nothing any more. */
void token_forget_failures(struct token_source *source);
/* Answers who waits, or asks the server. */
void token_settle(struct token_source *source);
void token_on_ahead(void *ctx);
/* The server gave these; takes nothing. */
void token_take_result(struct token_source *source, const struct oauth_result *result);
void token_stop_call(struct token_source *source);

/* ---- token_store.c ---- */

/* Takes the place of the one there is; `is_login`: whatever accounts has. */
void token_replace_refresh(struct token_source *source, const char *refresh_token, bool is_login);
/* Accounts said which one it has. True: it is another login than we know. */
bool token_take_stored(struct token_source *source, struct msg_bytes refresh_token);
void token_stop_storing(struct token_source *source);
/* Accounts has had time enough: who waits is told. */
bool token_store_is_overdue(const struct token_source *source);
void token_on_store_again(void *ctx);

#endif
