/*
 * world - everything around an SMTP session, made of nothing: no sockets, no roles, no clock
 *
 * Owns     the session, its config, what it wrote and what it sent to queue
 * Units    milliseconds, bytes
 *
 * What other roles would answer is decided by the caller, one answer at a time.
 */
#ifndef POSTERN_TESTS_DIALOGUE_WORLD_H
#define POSTERN_TESTS_DIALOGUE_WORLD_H

#include "common/buf.h"
#include "daemon/config/config.h"
#include "daemon/smtpd/session.h"

struct world {
	struct config config;
	struct session_setup setup;
	struct session *session;
	struct buf input;  /* from the client, not used yet */
	struct buf output; /* to the client, not looked at yet */
	size_t piece;      /* the session sees the input in pieces of at most so many; 0: whole */
	struct buf kept;   /* input that it hasn't seen yet, from kept_at on */
	size_t kept_at;
	int64_t now_ms;
	int64_t deadline_at_ms; /* 0: none */
	bool is_finished, has_started_tls;

	char mechanism[64];
	struct buf token; /* of the last SASL step */
	bool has_token, is_sasl_waiting;
	unsigned sasl_aborts;
	bool has_binding;      /* the TLS session does */
	uint32_t binding_size; /* of the last exchange */
	uint64_t guess;        /* of a failure */

	struct grant_table *grants;
	struct buf grant_asked; /* the login, or #id */
	bool is_grant_waiting;

	enum handoff_readiness readiness;
	uint64_t next_id;       /* 0: there are none */
	int64_t limit_until_ms; /* of what the user may send; 0: not known */
	uint32_t limit_recipients;
	bool is_message_open, is_commit_waiting;
	struct buf body;   /* what queue has of the message */
	struct buf commit; /* the last COMMIT, in words */
	uint32_t credit;   /* bytes out that were not given back */
	bool keeps_credit; /* don't give it back at once */
	unsigned aborts, commits;

	unsigned alerts, abuses, blocked, rejected;
	uint32_t delay_ms; /* of the next SASL answer */
	struct buf alert;  /* the last one's address */
};

/* A config with small limits, a user #1 `billing` who may send as anybody. */
void world_init(struct world *world);
void world_fini(struct world *world);
/* Connects the client. Settings are changed before. */
void world_open(struct world *world);

/* The client sends. */
void world_send(struct world *world, const void *bytes, size_t size);
/* Offers the session the input that it has not used. */
void world_pump(struct world *world);
/* Whether what queue has of the message is whole lines, without a bare CR or LF, without NUL. A commit
 * of anything else is a failure everywhere. */
bool world_body_is_clean(const struct world *world);
void world_pass_time(struct world *world, int64_t ms);

/* Answers; those to nobody are ignored. */
void world_answer_sasl(struct world *world, enum sasl_outcome outcome, const char *challenge);
void world_lose_accounts(struct world *world);
void world_answer_grant(struct world *world);
/* The user has as many connections as he may. */
void world_answer_full(struct world *world);
void world_commit(struct world *world, enum commit_outcome outcome);
void world_give_credit(struct world *world);
void world_lose_queue(struct world *world);
void world_secure(struct world *world);

/* The user's grant: domains and senders as lists with blanks between. */
struct world_user {
	uint64_t user_id;
	const char *login, *domains, *senders;
	bool is_active, has_profile;
	uint32_t credential;
	uint8_t priority_max; /* 0: 1, the highest */
	enum check_sides check;
	enum unauthorized_action unauthorized;
};
void world_put_user(struct world *world, const struct world_user *user);

#endif
