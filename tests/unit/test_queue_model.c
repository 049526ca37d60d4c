/*
 * The scheduler against a model of it, in virtual time: random users, priorities, sizes, recipients,
 * rates, connections, holds, moves, troubles, lost relays, restarts, clocks that are set, and
 * windows so small that most of it is on disk. The model knows of each message where it must be, and
 * judges each attempt: nothing goes twice or is forgotten, by priority but for the share of lower
 * ones, by age within a flow, fairly among users, within the rates in any time of their length.
 *
 * A failure prints its seed; POSTERN_MODEL_SEED=N runs that one alone, POSTERN_MODEL_RUNS=N so many.
 */
#include "tests/lib/fake_storage.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RUNS 1500
#define STEPS 400
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

static struct world {
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
} world;

static uint32_t
chance(uint32_t below)
{
	world.random = world.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.random >> 33) % below;
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("seed %llu, at %lld ms: %s", (unsigned long long)world.seed,      \
			    (long long)world.now_ms, #condition);                                  \
	} while (0)

static struct known *
message(uint64_t id)
{
	return &world.messages[id - FAKE_FIRST_ID];
}

static void
put(uint64_t id, enum where where)
{
	struct known *at = message(id);

	at->is_fresh = at->where == STORING;
	at->where = where;
	at->since_ms = loop_now_ms(fake_loop());
}

/* ---- what an attempt must be ---- */

/* It has been ready for so long that whoever chose another one has seen it. */
static bool
was_seen(uint64_t id)
{
	const struct entry *entry = scheduler_find(world.scheduler, id);

	/* Chosen before, and still being read. */
	if (entry != NULL && entry->state == ENTRY_LOADING)
		return false;
	/* Or held on disk already, which nobody was told yet. */
	return message(id)->where == READY && !fake_message(id)->is_held &&
	       message(id)->since_ms + 2 * world.latency_ms < world.now_ms;
}

static bool
is_urgent(uint8_t priority)
{
	return priority <= 2;
}

static unsigned
flow_of(const struct fake_message *on_disk)
{
	return (unsigned)on_disk->user_id * (PRIORITIES + 1) + on_disk->priority;
}

static void
judge_order(const struct fake_message *chosen, unsigned profile)
{
	const struct model_profile *at = &world.profiles[profile];

	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++) {
		const struct fake_message *other = fake_message(id);

		if (id == chosen->id || !was_seen(id))
			continue;
		if (flow_of(other) == flow_of(chosen) && !world.has_set_clock)
			CHECK(id > chosen->id || !message(id)->is_fresh ||
			      !message(chosen->id)->is_fresh);
		/* A lower one went first: its share was due. Some of those that it is for were chosen
		 * before, and are still being read. Where reading takes its time they are too many. */
		if (world.is_strict && world.user_profile[other->user_id] == profile &&
		    world.user_moved_ms[other->user_id] + 2 * world.latency_ms < world.now_ms &&
		    other->priority < chosen->priority && *at->rate == '\0' &&
		    message(id)->is_fresh)
			CHECK(at->ahead[other->priority - 1] + 2 * at->connections >= SHARE_AHEAD);
	}
}

static void
note_chosen(uint8_t priority, struct model_profile *at)
{
	for (uint8_t higher = priority; higher <= PRIORITIES; higher++)
		at->ahead[higher - 1]++;
}

static void
note_order(uint8_t priority, struct model_profile *at)
{
	for (uint8_t higher = 1; higher < priority; higher++)
		at->ahead[higher - 1] = 0;
	note_chosen(priority, at);
}

static bool
has_ready(unsigned flow)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		if (message(id)->where == READY && flow_of(fake_message(id)) == flow)
			return true;
	return false;
}

static void
forget_lead(unsigned flow)
{
	for (unsigned other = 0; other < FLOWS; other++)
		world.lead[flow][other] = world.lead[other][flow] = 0;
}

/* Rounds apart by one, each with its credit and one message beyond it. */
static void
judge_fairness(const struct fake_message *chosen, unsigned profile)
{
	int64_t most = 3 * FLOW_QUANTUM + 2 * (int64_t)flow_cost(200000, 20);
	unsigned flow = flow_of(chosen);

	for (unsigned user = 1; user <= USERS; user++) {
		unsigned other = user * (PRIORITIES + 1) + chosen->priority;

		if (user == chosen->user_id || world.user_profile[user] != profile)
			continue;
		if (!has_ready(other)) {
			world.lead[flow][other] = world.lead[other][flow] = 0;
			continue;
		}
		world.lead[flow][other] +=
		    (int64_t)flow_cost(chosen->size, chosen->recipient_count);
		world.lead[other][flow] = -world.lead[flow][other];
		CHECK(world.lead[flow][other] <= most);
	}
	if (!has_ready(flow))
		forget_lead(flow);
}

static void
judge_place(const struct entry *entry, const struct model_profile *at)
{
	unsigned width = at->connections;

	CHECK(message(entry->id)->where == READY);
	CHECK(!at->is_paused || at->changed_ms + 2 * world.latency_ms >= world.now_ms);
	CHECK(at->out < width);
	if (width >= 2 && !is_urgent(entry->priority))
		CHECK(at->ordinary_out < width - 1);
	for (unsigned i = 0; i < world.attempt_count; i++)
		CHECK(world.attempts[i].id != entry->id);
}

static unsigned
log_attempt(struct model_profile *at, const struct entry *entry)
{
	unsigned place = at->log_count++;

	assert_in_range(place, 0, LOG_MAX - 1);
	at->log[place] = (struct going){.at_ms = entry->charged_at_ms,
	    .recipients = entry->recipient_count,
	    .is_urgent = is_urgent(entry->priority)};
	return place;
}

static void
on_attempt(struct entry *entry, struct link *relay, void *ctx)
{
	const struct fake_message *on_disk = fake_message(entry->id);
	unsigned profile = (unsigned)entry->profile->id;
	struct model_profile *at = &world.profiles[profile];

	world.now_ms = loop_now_ms(fake_loop());
	judge_place(entry, at);
	if (world.user_moved_ms[on_disk->user_id] + 2 * world.latency_ms < world.now_ms)
		CHECK(world.user_profile[on_disk->user_id] == profile);
	judge_order(on_disk, profile);
	note_order(on_disk->priority, at);
	put(entry->id, SENDING);
	if (world.is_strict)
		judge_fairness(on_disk, profile);
	entry->was_handed_over = chance(3) > 0;
	at->out++;
	at->ordinary_out += !is_urgent(entry->priority);
	world.began++;
	assert_in_range(world.attempt_count, 0, ATTEMPTS_MAX - 1);
	world.attempts[world.attempt_count++] = (struct attempt){.id = entry->id,
	    .attempt = entry->attempt,
	    .profile = profile,
	    .ends_at_ms = world.now_ms + 1 + chance(200),
	    .log_at = log_attempt(at, entry),
	    .is_handed_over = entry->was_handed_over};
}

/* ---- fates ---- */

struct fate_write {
	struct fake_write write;
	uint64_t id;
	bool is_over;
	int64_t next_at_ms;
};

static void
run_fate(struct fake_write *write)
{
	struct fate_write *fate = (struct fate_write *)(void *)write;
	struct fake_message *on_disk = fake_message(fate->id);
	const struct entry *entry = scheduler_find(world.scheduler, fate->id);

	on_disk->is_there = !fate->is_over;
	on_disk->is_held = entry->is_to_hold;
	on_disk->next_at_ms = on_disk->is_held ? 0 : fate->next_at_ms;
}

static void
on_fate(struct job *job)
{
	struct fate_write *fate = (struct fate_write *)(void *)job;
	const struct fake_message *on_disk = fake_message(fate->id);

	put(fate->id, fate->is_over ? GONE : on_disk->is_held ? HELD : DEFERRED);
	scheduler_settled(world.scheduler, scheduler_find(world.scheduler, fate->id),
	    fate->is_over ? 0 : on_disk->next_at_ms);
	free(fate);
}

static void
settle(struct entry *entry, bool is_over, int64_t wait_ms)
{
	struct fate_write *fate = calloc(1, sizeof(*fate));

	fate->write = (struct fake_write){.job.on_done = on_fate, .run = run_fate};
	fate->id = entry->id;
	fate->is_over = is_over;
	fate->next_at_ms = loop_wall_ms(fake_loop()) + wait_ms;
	fake_post(&fate->write);
	scheduler_settling(world.scheduler, entry);
}

static void
on_uncertain(struct entry *entry, void *ctx)
{
	settle(entry, false, 30000);
}

static void
on_unreadable(uint64_t message_id, void *ctx)
{
	fail_msg("message %llu is unreadable", (unsigned long long)message_id);
}

static struct attempt
take_attempt(unsigned at)
{
	struct attempt attempt = world.attempts[at];
	struct model_profile *profile = &world.profiles[attempt.profile];

	world.attempts[at] = world.attempts[--world.attempt_count];
	/* Of an earlier start it is not counted. */
	if (scheduler_find(world.scheduler, attempt.id) != NULL &&
	    ((struct entry *)scheduler_find(world.scheduler, attempt.id))->profile != NULL) {
		profile->out--;
		profile->ordinary_out -= !is_urgent(fake_message(attempt.id)->priority);
	}
	return attempt;
}

/* It was not an attempt after all. */
static void
note_returned(const struct attempt *attempt)
{
	world.profiles[attempt->profile].log[attempt->log_at].is_taken_back = true;
	put(attempt->id, fake_message(attempt->id)->is_held ? HELD : READY);
}

static void
report_trouble(struct attempt attempt, struct entry *entry)
{
	struct routes *routes = scheduler_routes(world.scheduler);
	struct profile *profile = routes_profile(routes, attempt.profile);
	struct msg_report report = {.attempt = attempt.attempt,
	    .outcome = chance(2) == 0 ? ATTEMPT_CANCELLED : ATTEMPT_UNREACHABLE,
	    .upstream = "",
	    .enhanced = "",
	    .reason = "away"};

	note_returned(&attempt);
	scheduler_return(world.scheduler, entry);
	if (report.outcome == ATTEMPT_CANCELLED) {
		scheduler_rest(world.scheduler, profile);
		return;
	}
	profile_note_trouble(routes, profile, &report, scheduler_next_attempt(world.scheduler));
	scheduler_look(world.scheduler, profile);
}

static void
end_attempt(unsigned at)
{
	struct attempt attempt = take_attempt(at);
	struct entry *entry = scheduler_find(world.scheduler, attempt.id);

	CHECK(entry != NULL && entry->state == ENTRY_SENDING && entry->attempt == attempt.attempt);
	if (!world.is_ending && !world.is_strict && chance(12) == 0) {
		report_trouble(attempt, entry);
		return;
	}
	if (entry->profile != NULL)
		profile_note_success(scheduler_routes(world.scheduler), entry->profile);
	settle(entry, world.is_ending || chance(6) > 0, 1 + chance(60000));
}

static void
end_attempts(void)
{
	for (unsigned i = 0; i < world.attempt_count;) {
		if (world.has_relay && world.attempts[i].ends_at_ms <= loop_now_ms(fake_loop()))
			end_attempt(i);
		else
			i++;
	}
}

/* ---- the other roles ---- */

static void
send_profile(unsigned id)
{
	const struct model_profile *profile = &world.profiles[id];

	routes_take(
	    scheduler_routes(world.scheduler), &(struct msg_route){.row = ROUTE_PROFILE,
						   .id = id,
						   .version = 1,
						   .name = "p",
						   .list = "",
						   .connections = profile->connections,
						   .is_paused = profile->is_paused,
						   .rate = profile->rate,
						   .recipient_rate = profile->recipient_rate,
						   .reserve = (uint8_t)profile->reserve,
						   .retry = "",
						   .bounce_sender = ""});
}

static void
send_user(unsigned id)
{
	routes_take(scheduler_routes(world.scheduler), &(struct msg_route){.row = ROUTE_USER,
							   .id = id,
							   .name = "u",
							   .list = "l",
							   .profile_id = world.user_profile[id]});
}

static void
send_map(void)
{
	struct msg_route row = {.name = "", .list = "", .bounce_sender = ""};

	row.row = ROUTE_BEGIN;
	routes_take(scheduler_routes(world.scheduler), &row);
	for (unsigned id = 1; id <= PROFILES; id++)
		send_profile(id);
	for (unsigned id = 1; id <= USERS; id++)
		send_user(id);
	row.row = ROUTE_END;
	routes_take(scheduler_routes(world.scheduler), &row);
}

static void
connect_relay(void)
{
	struct msg_list_builder builder = {0};
	struct msg_in_flight in_flight = {.is_last = true};

	scheduler_add_relay(world.scheduler, (struct link *)(void *)&world);
	for (unsigned i = 0; i < world.attempt_count; i++) {
		struct rec_attempt record = {world.attempts[i].id, world.attempts[i].attempt};

		message_list_add(&builder, REC_ATTEMPT, &record);
	}
	in_flight.attempts = message_list_value(&builder);
	world.has_relay = true;
	CHECK(scheduler_in_flight(world.scheduler, &in_flight));
	message_list_fini(&builder);
}

/* Relay ends with some of what it had; `knows`: the scheduler gave it that itself. */
static void
lose_attempts(bool knows)
{
	for (unsigned i = 0; i < world.attempt_count;) {
		struct attempt attempt;

		if (chance(2) == 0) {
			i++;
			continue;
		}
		attempt = take_attempt(i);
		if (!knows)
			put(attempt.id, fake_message(attempt.id)->is_held ? HELD : READY);
		else if (!attempt.is_handed_over)
			note_returned(&attempt);
	}
}

/* What was chosen and is still being read when relay goes is chosen again. */
static void
note_unsent(void)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++) {
		const struct entry *entry = scheduler_find(world.scheduler, id);

		if (entry != NULL && entry->state == ENTRY_LOADING)
			message(id)->is_fresh = false;
	}
}

static void
lose_relay(void)
{
	note_unsent();
	for (unsigned i = 0; i < world.attempt_count; i++) {
		const struct entry *entry = scheduler_find(world.scheduler, world.attempts[i].id);

		/* From before this start they are all taken for handed over. */
		world.attempts[i].is_handed_over = entry->was_handed_over;
	}
	scheduler_drop_relay(world.scheduler, (struct link *)(void *)&world);
	world.has_relay = false;
	fake_pass(chance(2000));
	lose_attempts(true);
	connect_relay();
}

static void
start(void)
{
	static const struct scheduler_callbacks callbacks = {
	    on_attempt, on_uncertain, on_unreadable};
	static const struct scheduler_limits small = {
	    .ready = 40, .flow = 10, .read = 8, .low_water = 4};

	world.scheduler = scheduler_new(&world.role, fake_storage(), &callbacks, NULL);
	if (!world.is_strict)
		scheduler_set_limits(world.scheduler, &small);
	fake_pass(chance(50));
	send_map();
	fake_pass(chance(50));
	connect_relay();
}

static void
stop(void)
{
	scheduler_drop_relay(world.scheduler, (struct link *)(void *)&world);
	world.has_relay = false;
	fake_close();
	scheduler_free(world.scheduler);
	for (unsigned id = 1; id <= PROFILES; id++)
		world.profiles[id].out = world.profiles[id].ordinary_out = 0;
}

static void
restart(void)
{
	unsigned is_relay_lost = chance(2);

	stop();
	fake_reopen();
	world.scheduler = NULL;
	/* Without a trace: nobody will say what became of them. */
	for (unsigned i = 0; i < world.attempt_count && is_relay_lost;) {
		struct attempt attempt = world.attempts[i];

		if (chance(2) == 0) {
			i++;
			continue;
		}
		world.attempts[i] = world.attempts[--world.attempt_count];
		put(attempt.id, fake_message(attempt.id)->is_held ? HELD : READY);
	}
	start();
}

/* ---- traffic ---- */

struct insert {
	struct fake_write write;
	struct fake_message message;
};

static void
run_insert(struct fake_write *write)
{
	const struct insert *insert = (struct insert *)(void *)write;

	*fake_message(insert->message.id) = insert->message;
}

static void
on_inserted(struct job *job)
{
	struct insert *insert = (struct insert *)(void *)job;
	struct mail *mail = mail_new(insert->message.recipient_count, 4);

	mail->id = insert->message.id;
	mail->user_id = insert->message.user_id;
	mail->priority = insert->message.priority;
	mail->size = insert->message.size;
	mail->received_at_ms = insert->message.received_at_ms;
	mail->login = mail->list = mail_text(mail, "");
	put(mail->id, READY);
	message(mail->id)->is_fresh = true;
	scheduler_add(world.scheduler, mail, NULL, 0);
	free(insert);
}

static void
add(unsigned user, uint8_t priority)
{
	struct insert *insert;

	if (world.next_id == FAKE_FIRST_ID + FAKE_MESSAGES_MAX)
		return;
	insert = calloc(1, sizeof(*insert));
	insert->write = (struct fake_write){.job.on_done = on_inserted, .run = run_insert};
	insert->message = (struct fake_message){.id = world.next_id++,
	    .user_id = user,
	    .received_at_ms = loop_wall_ms(fake_loop()),
	    .size = chance(10) == 0 ? chance(200000) : chance(20000),
	    .recipient_count = chance(8) == 0 ? 1 + chance(20) : 1,
	    .priority = priority,
	    .is_there = true};
	put(insert->message.id, STORING);
	fake_post(&insert->write);
}

struct hold {
	struct fake_write write;
	uint64_t id;
	bool is_done;
};

static void
run_hold(struct fake_write *write)
{
	struct hold *hold = (struct hold *)(void *)write;
	enum where where = message(hold->id)->where;

	hold->is_done = where == READY || where == DEFERRED;
	if (!hold->is_done)
		return;
	fake_message(hold->id)->is_held = true;
	fake_message(hold->id)->next_at_ms = 0;
}

static void
on_hold(struct job *job)
{
	struct hold *hold = (struct hold *)(void *)job;
	struct entry *entry = scheduler_find(world.scheduler, hold->id);

	if (hold->is_done && entry != NULL && entry->state != ENTRY_READY)
		entry->is_to_hold = true;
	if (hold->is_done && message(hold->id)->where != SENDING)
		put(hold->id, HELD);
	/* It may have been chosen, and counts as such. */
	note_chosen(fake_message(hold->id)->priority,
	    &world.profiles[world.user_profile[fake_message(hold->id)->user_id]]);
	if (hold->is_done) {
		scheduler_forget(world.scheduler, hold->id);
		scheduler_pump_all(world.scheduler);
	}
	free(hold);
}

static void
hold(uint64_t id)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	hold->write = (struct fake_write){.job.on_done = on_hold, .run = run_hold};
	hold->id = id;
	fake_post(&hold->write);
}

static void
run_release(struct fake_write *write)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		if (message(id)->where == HELD)
			fake_message(id)->is_held = false;
}

static void
on_release(struct job *job)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		if (message(id)->where == HELD && !fake_message(id)->is_held)
			put(id, READY);
	scheduler_released(world.scheduler);
	free(job);
}

static void
release_all(void)
{
	struct fake_write *write = calloc(1, sizeof(*write));

	*write = (struct fake_write){.job.on_done = on_release, .run = run_release};
	fake_post(write);
}

static void
on_woken(uint64_t id)
{
	put(id, READY);
}

static void
move_user(unsigned user)
{
	world.user_profile[user] = 1 + chance(PROFILES);
	world.user_moved_ms[user] = loop_now_ms(fake_loop());
	for (uint8_t priority = 1; priority <= PRIORITIES; priority++)
		forget_lead(user * (PRIORITIES + 1) + priority);
	send_user(user);
}

static void
turn_profile(unsigned id)
{
	world.profiles[id].is_paused = !world.profiles[id].is_paused;
	world.profiles[id].changed_ms = loop_now_ms(fake_loop());
	send_profile(id);
}

static void
set_wall(void)
{
	world.has_set_clock = true;
	fake_set_wall((chance(2) == 0 ? 1 : -1) * (int64_t)(1 + chance(7 * 86400)) * 1000);
	scheduler_watch_clock(world.scheduler);
}

static bool
has_rates(void)
{
	for (unsigned id = 1; id <= PROFILES; id++)
		if (*world.profiles[id].rate != '\0')
			return true;
	return false;
}

static void
disturb(void)
{
	switch (chance(40)) {
	case 0:
		move_user(1 + chance(USERS));
		break;
	case 1:
		turn_profile(1 + chance(PROFILES));
		break;
	case 2:
		release_all();
		break;
	case 3:
	case 4:
		if (world.next_id > FAKE_FIRST_ID)
			hold(FAKE_FIRST_ID + chance((uint32_t)(world.next_id - FAKE_FIRST_ID)));
		break;
	case 5:
		if (!world.is_strict && chance(4) == 0)
			restart();
		break;
	case 6:
		if (!world.is_strict)
			lose_relay();
		break;
	case 7:
		if (!world.is_strict && !has_rates())
			set_wall();
		break;
	default:
		break;
	}
}

static void
traffic(void)
{
	unsigned user = 1 + chance(USERS);
	unsigned count = chance(15) == 0 ? chance(40) : chance(3);
	uint8_t priority = (uint8_t)(1 + chance(PRIORITIES));

	for (unsigned i = 0; i < count; i++)
		add(user, priority);
}

static int64_t
next_pause(void)
{
	switch (chance(20)) {
	case 0:
		return chance(60000);
	case 1:
		return chance(5000);
	default:
		return chance(60);
	}
}

/* ---- what must hold all the time, and at the end ---- */

/* A message that may go, and doesn't; 0: none. */
static uint64_t
find_idle(void)
{
	struct routes *routes = scheduler_routes(world.scheduler);

	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id && fake_is_quiet(); id++) {
		const struct fake_message *on_disk = fake_message(id);
		const struct profile *profile = routes_of_user(routes, on_disk->user_id);

		if (message(id)->where == READY && *world.profiles[profile->id].rate == '\0' &&
		    (profile_open_to(routes, profile) & PRIORITY_BIT(on_disk->priority)) != 0)
			return id;
	}
	return 0;
}

/* Whoever may go, goes; a timer may be due a moment later. */
static void
judge_idleness(void)
{
	if (find_idle() == 0)
		return;
	fake_pass(2);
	CHECK(find_idle() == 0);
}

static uint32_t
limit_of(uint32_t limit, int64_t period_ms, unsigned reserve, bool has_reserve)
{
	uint32_t kept = (uint32_t)(((uint64_t)limit * reserve + 99) / 100);

	if (!has_reserve || period_ms < BUDGET_RESERVED_MS)
		return limit;
	return kept < limit ? limit - kept : 1;
}

/* What went in the period up to this one, and before it. */
static void
judge_going(const struct model_profile *profile, unsigned at, const struct rate_rule *rule,
    bool counts_recipients)
{
	const struct going *last = &profile->log[at];
	uint64_t sum = counts_recipients ? last->recipients : 1;
	bool is_alone = true;

	for (unsigned i = 0; i < profile->log_count; i++) {
		const struct going *other = &profile->log[i];

		if (i == at || other->is_taken_back ||
		    other->at_ms <= last->at_ms - rule->period_ms || other->at_ms > last->at_ms ||
		    (other->at_ms == last->at_ms && i > at))
			continue;
		/* Of the same moment: who was first is not known of those that were read. */
		if (other->at_ms == last->at_ms && other->is_urgent && !last->is_urgent)
			continue;
		is_alone = false;
		sum += counts_recipients ? other->recipients : 1;
	}
	if (!is_alone)
		CHECK(sum <=
		      limit_of(rule->count, rule->period_ms, profile->reserve, !last->is_urgent));
}

static void
judge_rates(const struct model_profile *profile)
{
	struct rate messages = {0}, recipients = {0};
	struct err err;

	if (*profile->rate == '\0')
		return;
	assert_int_equal(rate_parse(profile->rate, &messages, &err), 0);
	assert_int_equal(rate_parse(profile->recipient_rate, &recipients, &err), 0);
	for (unsigned at = 0; at < profile->log_count; at++) {
		if (profile->log[at].is_taken_back)
			continue;
		for (size_t i = 0; i < messages.rule_count; i++)
			judge_going(profile, at, &messages.rules[i], false);
		for (size_t i = 0; i < recipients.rule_count; i++)
			judge_going(profile, at, &recipients.rules[i], true);
	}
}

static unsigned
count_left(void)
{
	unsigned left = 0;

	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		left += message(id)->where != GONE;
	return left;
}

/* Nothing stands in the way any more: all of it goes. */
static void
drain(void)
{
	world.is_ending = true;
	for (unsigned id = 1; id <= PROFILES; id++) {
		judge_rates(&world.profiles[id]);
		world.profiles[id].rate = world.profiles[id].recipient_rate = "";
		world.profiles[id].is_paused = false;
		send_profile(id);
	}
	for (unsigned i = 0; i < 20000 && count_left() > 0; i++) {
		if (i % 100 == 0)
			release_all();
		fake_pass(i % 50 == 0 ? 60000 : 20);
		end_attempts();
	}
	world.now_ms = loop_now_ms(fake_loop());
	CHECK(count_left() == 0);
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		CHECK(!fake_message(id)->is_there);
}

/* ---- runs ---- */

static void
make_profiles(void)
{
	static const char *const rates[][2] = {{"", ""}, {"", ""}, {"", ""}, {"5/2s 60/m", "none"},
	    {"20/m 200/h", "300/h"}, {"40/h", "none"}, {"none", "30/10s 200/d"}};

	for (unsigned id = 1; id <= PROFILES; id++) {
		const char *const *rate = rates[chance(sizeof(rates) / sizeof(rates[0]))];

		world.profiles[id] = (struct model_profile){.connections = 1 + chance(4),
		    .rate = rate[0],
		    .recipient_rate = rate[1],
		    .reserve = chance(3) * 15,
		    .changed_ms = -1000000};
	}
	for (unsigned id = 1; id <= USERS; id++) {
		world.user_profile[id] = 1 + chance(chance(3) == 0 ? PROFILES : 1);
		world.user_moved_ms[id] = -1000000;
	}
}

static void
run(uint64_t seed)
{
	memset(&world, 0, sizeof(world));
	world.seed = seed;
	world.random = seed * 0x9e3779b97f4a7c15u + 1;
	world.is_strict = seed % 3 == 0;
	world.latency_ms = world.is_strict ? 0 : chance(40);
	world.next_id = FAKE_FIRST_ID;
	world.config.queue.lower_share = 10;
	world.config.queue.memory_bytes = 1u << 30;
	world.role = (struct role_context){.loop = fake_loop(), .config = &world.config};
	fake_init(chance, WALL, world.latency_ms);
	fake_on_woken(on_woken);
	make_profiles();
	start();
	for (unsigned i = 0; i < STEPS; i++) {
		traffic();
		disturb();
		fake_pass(next_pause());
		end_attempts();
		world.now_ms = loop_now_ms(fake_loop());
		judge_idleness();
	}
	drain();
	stop();
	fake_fini();
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void
test_model(void **state)
{
	uint64_t only = number_from("POSTERN_MODEL_SEED", 0);
	uint64_t runs = number_from("POSTERN_MODEL_RUNS", RUNS);
	uint64_t began = 0;

	if (only != 0) {
		run(only);
		return;
	}
	for (uint64_t seed = 1; seed <= runs; seed++) {
		run(seed);
		began += world.began;
	}
	/* The model was not idle. */
	assert_true(began > runs * 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
