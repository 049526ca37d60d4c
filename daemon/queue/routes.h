/*
 * routes - which profile takes a user's mail, and how that profile is
 *
 * Role     queue; filled by ROUTE from accounts
 * Owns     profiles (kept until the end, also when they are gone) and users
 * Context  loop
 * Units    milliseconds; until_ms is wall clock
 */
#ifndef POSTERN_QUEUE_ROUTES_H
#define POSTERN_QUEUE_ROUTES_H

#include "daemon/core/role.h"
#include "daemon/queue/budget.h"
#include "daemon/queue/flow.h"
#include "daemon/queue/idmap.h"
#include "daemon/queue/shares.h"
#include "daemon/queue/storage.h"
#include "daemon/queue/usage.h"

/* The flow of the notices to a user's senders: they may have a way of their own, and the user's own
 * mail does not wait behind them. In a row it stands where the user's id does. */
#define NOTICE_FLOW (UINT64_C(1) << 62)

/* The flow of a user's mail of one sender that some profile is for: its number stands above the
 * user's id, in a row as well. See routes_senders.c. */
#define FLOW_USER_MAX UINT64_C(0xffffffff)
#define FLOW_SENDER_MAX UINT64_C(0x1fffffff)
#define FLOW_SENDER_SHIFT 32
#define FLOW_USER(flow_id) ((flow_id)&FLOW_USER_MAX)
#define FLOW_SENDER(flow_id) ((flow_id) >> FLOW_SENDER_SHIFT & FLOW_SENDER_MAX)

/* What an upstream took before it said no, less some; see routes_learned.c. */
struct learned {
	struct rate messages, recipients; /* a rule for each period; none: nothing was learned */
	int64_t changed_at_ms, step_ms;   /* steady; when they were last, and how long that holds */
	/* The last refusal that said nothing of time. */
	enum reply_class class;
	int64_t ended_at_ms; /* steady; when its trouble was over; 0: it isn't */
	uint32_t failures;
	bool has_heard_day; /* one refusal of a day's quota, which alone teaches nothing */
};

struct profile {
	uint64_t id;
	char *name;
	uint32_t version;
	uint32_t connections;
	bool is_paused;
	bool is_gone;
	bool is_stale; /* not yet named by the map that is coming in */
	char *bounce_sender;
	char *from, *available; /* whose mail it is for; see common/choosing.h */
	uint64_t fallback_id;   /* takes its mail meanwhile; 0: none */
	int64_t fallback_after_ms;
	bool has_overflow;       /* its own rates count too */
	bool is_diverted;        /* its mail goes through the fallback */
	bool was_troubled;       /* when that was looked at last */
	int64_t stands_since_ms; /* monotonic: since then nothing can go; 0: it can */
	uint64_t probe_flow; /* while diverted: this one looks whether it works again; 0: none */
	int64_t retry_ms[CONFIG_RETRY_MAX]; /* in place of queue.retry, if retry_count > 0 */
	size_t retry_count;
	bool is_uncertain_held; /* what may have been sent waits for an operator */

	enum profile_trouble trouble;
	uint32_t failures;
	int64_t until_ms;       /* while there is trouble: the next try */
	uint64_t first_attempt; /* older ones say nothing new about the trouble */
	char last_error[PROFILE_ERROR_SIZE];
	enum reply_class class; /* of the trouble */
	char rule[REPLY_RULE_ID_SIZE];
	int64_t since_ms;  /* when it began */
	int64_t set_at_ms; /* when until_ms was */

	/* learned of its upstream */
	unsigned width; /* so many connections it took; 0: as many as we like */
	unsigned width_successes;
	int64_t width_at_ms, width_step_ms; /* monotonic: when it changed, and how long it stays */
	uint32_t recipients_max;            /* of one transaction; 0: any */
	int64_t recipients_at_ms;
	int64_t longest_wait_ms; /* that a recipient was told to wait */
	struct learned learned;  /* of its rates */

	/* the scheduler's */
	unsigned out;          /* messages at relay, or being loaded for it */
	unsigned ordinary_out; /* of them, those of priority 3 to 5 */
	unsigned slow_width;   /* after a trouble, as many as went well; 0: that is long ago */
	int64_t pause_until_ms;
	struct ring rings[PRIORITIES];
	struct shares shares;
	uint32_t recipients_per_message;  /* at once; 0: any number */
	struct rate rate, recipient_rate; /* its own */
	unsigned reserve;
	struct budget budget;  /* what its rates leave it */
	int64_t rate_until_ms; /* steady; 0: nothing waits for its rates */
	bool is_rate_for_all;  /* the urgent wait as well */
	bool is_booking;
	struct timer *timer;
	void *look; /* the timer's context */
};

struct user {
	uint64_t id;
	uint64_t profile_id;
	char *login, *list;
	bool is_stale;
	bool
	    is_orphan; /* removed, but it had mail here: its list's way is taken; or a derived one */
	bool is_bound; /* it or its list names a profile, whoever the sender is */
	char *problem; /* why its mail goes nowhere; "": there is no profile for it */
	/* Its notices and its mail of certain senders are users of their own, which follow it. */
	struct list derived; /* of those; in a derived one, where it stands */
	bool has_mail;       /* of an orphan */
	bool is_told;        /* that its mail has no way out */

	struct usage_caps limits; /* of its own, if it has_…; otherwise the config's hold */
	bool has_messages, has_recipients;
	uint8_t over_limit; /* enum over_limit */
};

/* Where the mail of a list's removed users goes. */
struct list_route {
	uint64_t id;
	uint64_t profile_id;
	char *name;
	bool is_bound; /* it names the profile */
	bool is_stale;
};

struct routes {
	struct role_context *role;
	struct storage *storage;
	struct idmap profiles, users, lists, senders;
	uint64_t other_profile_id;  /* for those of no list that is known; 0: nowhere */
	uint64_t notice_profile_id; /* queue.notice_profile; 0: each user's own */
	size_t derived_count;       /* users that follow others */
	bool is_complete;           /* a whole map has come */
	bool had_map;               /* one had, some time */
	bool has_to_remember;       /* what is on disk of profiles is yet to come: nothing may go */
	int64_t steady_base_ms;     /* wall clock less monotonic, at the start */
	uint64_t first_attempt;     /* of this start */
	/* The user's mail goes elsewhere, or nowhere, from now on. */
	void (*on_user_moved)(uint64_t user_id, struct profile *to, void *ctx);
	/* It is about to be filled in. */
	void (*on_new_profile)(struct profile *profile, void *ctx);
	/* It may send again, or more. */
	void (*on_profile_changed)(struct profile *profile, void *ctx);
	void (*on_complete)(void *ctx);
	/* There may be mail whose user went, or that has no way out. */
	void (*on_unrouted)(void *ctx);
	void *ctx;
	/* The user's limits may be others; 0: the whole map has come. May be NULL. */
	void (*on_limits)(uint64_t user_id, void *limits_ctx);
	void *limits_ctx;
};

void routes_init(struct routes *routes);
void routes_fini(struct routes *routes);
void routes_take(struct routes *routes, const struct msg_route *route);
/* The clock of the budgets: the wall clock of the start, and never set. */
int64_t routes_steady_ms(const struct routes *routes);
/* What was booked before the start. */
void routes_load_budget(struct routes *routes, const struct booked_row *row);
/* What was on disk about a profile's trouble. */
void routes_remember(struct routes *routes, const struct profile_row *row);

struct profile *routes_profile(const struct routes *routes, uint64_t profile_id);
/* Through which the flow's mail goes just now, its own or a fallback. NULL: it waits. */
struct profile *routes_of_user(const struct routes *routes, uint64_t user_id);
/* The one that is its own. */
struct profile *routes_own_of(const struct routes *routes, uint64_t user_id);
/* Looks whether the profile's mail is to take another way; true: flows may have to move. */
bool routes_look_at_fallback(struct routes *routes, struct profile *profile);
/* The flow of a new message of the user: what stands in its row as user_id. `from` is the address of
 * its From:, or "". */
uint64_t routes_flow_of(
    const struct routes *routes, uint64_t user_id, const char *from, const char *sender);
/* Why nothing takes this flow, in words. */
const char *routes_problem(const struct routes *routes, uint64_t flow_id);
/* NULL: mail of this flow would wait. Nobody needs to have adopted it. */
struct profile *routes_of_flow(const struct routes *routes, uint64_t flow_id);
/* The user, an orphan if accounts doesn't name it: it has mail here. */
struct user *routes_adopt(
    struct routes *routes, uint64_t user_id, const char *login, const char *list);
/* The one that takes the notices to this user's senders. NULL: they wait. */
struct profile *routes_of_notices(const struct routes *routes, uint64_t user_id);
/* Looks for queue.notice_profile, and warns if there is none: the config or the map is new. */
void routes_find_notice_profile(struct routes *routes);
/* Forgets the orphans without mail, and that the others have some. */
void routes_drop_orphans(struct routes *routes);
/* A message of this user was taken: it has a way out, or that is noticed. */
void routes_note_mail(struct routes *routes, uint64_t user_id, const char *login, const char *list);

/* Gives the ids of its users, sorted. */
uint64_t *routes_users_of(
    const struct routes *routes, const struct profile *profile, size_t *count_out);

/* The profile could not even begin an attempt. `attempt` is the one that said so, `next_attempt`
 * the first that will be made later. */
void profile_note_trouble(struct routes *routes, struct profile *profile,
    const struct msg_report *report, uint64_t next_attempt);
/* An attempt came through to the recipients. One that began before a trouble ends it not. */
void profile_note_success(struct routes *routes, struct profile *profile, uint64_t attempt);
/* It heard that it should do with less, and nothing of how long. */
void profile_note_slower(struct profile *profile);
/* Its upstream took so many recipients in one transaction, and no more. */
void profile_note_recipients(struct routes *routes, struct profile *profile, uint32_t most);
/* A recipient is to wait so long, by a rule. */
void profile_note_wait(struct routes *routes, struct profile *profile, int64_t wait_ms);
/* Whether nothing at all may be sent: its upstream wants to be left alone. */
bool profile_is_silent(const struct routes *routes, const struct profile *profile);
/* Recipients that its upstream took in one transaction, and no more; 0: not known. */
uint32_t profile_recipients_learned(const struct routes *routes, const struct profile *profile);
/* Recipients that one transaction may have. */
uint32_t profile_recipients_max(const struct routes *routes, const struct profile *profile);
/* The wall clock was set, by so much: who waits does so no longer and no shorter. */
void routes_move_troubles(struct routes *routes, int64_t moved_ms);
/* Deliveries that it may have at relay just now. */
unsigned profile_width(const struct routes *routes, const struct profile *profile);
/* The priorities that may have one more of these; 0: none. */
unsigned profile_open_to(const struct routes *routes, const struct profile *profile);

#endif
