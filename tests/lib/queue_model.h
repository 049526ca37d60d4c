/*
 * queue_model - what the scheduler must do, told in the plainest way, for its test
 *
 * Owns     the world: where each message is, who has which connections, what went when
 *
 * The test says what happens; the model judges each attempt, what stands idle, and at the end the
 * rates. What doesn't hold fails the test with the seed.
 */
#ifndef POSTERN_TESTS_QUEUE_MODEL_H
#define POSTERN_TESTS_QUEUE_MODEL_H

#include "tests/lib/fake_storage.h"

#include "daemon/queue/scheduler.h"

#define USERS 6
#define PROFILES 3
#define FLOWS ((USERS + 1) * (PRIORITIES + 1))
#define ATTEMPTS_MAX 64
#define LOG_MAX 4096
#define WALL INT64_C(1800000000000)
#define SHARE_AHEAD 9 /* before a lower one's turn, at 10 % */

enum where { NOWHERE, STORING, READY, SENDING, DEFERRED, HELD, GONE };

struct known {
	enum where where;
	bool is_fresh; /* it has never been anything but ready: it goes strictly by age */
	int64_t since_ms;
};

struct attempt {
	uint64_t id, attempt;
	unsigned profile;
	int64_t ends_at_ms;
	unsigned log_at;
	bool is_handed_over;
};

struct going {
	int64_t at_ms;
	uint32_t recipients;
	bool is_urgent, is_taken_back;
};

struct model_profile {
	unsigned connections, out, ordinary_out;
	const char *rate, *recipient_rate;
	unsigned reserve;
	bool is_paused;
	int64_t changed_ms;
	uint32_t ahead[PRIORITIES]; /* picks of this priority or higher since one that was lower */
	struct going log[LOG_MAX];
	unsigned log_count;
};

struct world {
	uint64_t seed, random;
	bool is_strict; /* all in memory, no delays, no troubles: exact checks */
	bool is_ending;
	bool has_set_clock; /* ids and times don't say the same of age any more */
	int64_t latency_ms;
	struct config config;
	struct role_context role;
	struct scheduler *scheduler;
	int64_t now_ms;
	struct known messages[FAKE_MESSAGES_MAX];
	uint64_t next_id;
	unsigned user_profile[USERS + 1];
	int64_t user_moved_ms[USERS + 1];
	struct model_profile profiles[PROFILES + 1];
	struct attempt attempts[ATTEMPTS_MAX];
	unsigned attempt_count;
	unsigned began; /* in all */
	bool has_relay;
	/* What the one was served more than the other, while both had something ready. */
	int64_t lead[FLOWS][FLOWS];
};

extern struct world world;

uint32_t model_chance(uint32_t below);
struct known *model_message(uint64_t id);
/* It is there from now on. */
void model_put(uint64_t id, enum where where);
bool model_is_urgent(uint8_t priority);

/* Relay was given it: counts it, and says whether that was right. */
void model_judge_attempt(struct entry *entry);
/* One was chosen that may not get as far as relay. */
void model_note_chosen(uint8_t priority, struct model_profile *at);
/* Its user's mail goes elsewhere. */
void model_forget_lead(unsigned flow);
/* Whoever may go, goes. */
void model_judge_idleness(void);
/* What went under the profile's rates, all of it. */
void model_judge_rates(const struct model_profile *profile);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("seed %llu, at %lld ms: %s", (unsigned long long)world.seed,      \
			    (long long)world.now_ms, #condition);                                  \
	} while (0)

#endif
