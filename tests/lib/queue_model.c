/* queue_model - the reference that the scheduler is held against. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/lib/queue_model.h"

struct world world;

uint32_t
model_chance(uint32_t below)
{
	world.random = world.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.random >> 33) % below;
}

struct known *
model_message(uint64_t id)
{
	return &world.messages[id - FAKE_FIRST_ID];
}

void
model_put(uint64_t id, enum where where)
{
	struct known *at = model_message(id);

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
	return model_message(id)->where == READY && !fake_message(id)->is_held &&
	       model_message(id)->since_ms + 2 * world.latency_ms < world.now_ms;
}

bool
model_is_urgent(uint8_t priority)
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
			CHECK(id > chosen->id || !model_message(id)->is_fresh ||
			      !model_message(chosen->id)->is_fresh);
		/* A lower one went first: its share was due. Some of those that it is for were chosen
		 * before, and are still being read. Where reading takes its time they are too many. */
		if (world.is_strict && world.user_profile[other->user_id] == profile &&
		    world.user_moved_ms[other->user_id] + 2 * world.latency_ms < world.now_ms &&
		    other->priority < chosen->priority && *at->rate == '\0' &&
		    model_message(id)->is_fresh)
			CHECK(at->ahead[other->priority - 1] + 2 * at->connections >= SHARE_AHEAD);
	}
}

void
model_note_chosen(uint8_t priority, struct model_profile *at)
{
	for (uint8_t higher = priority; higher <= PRIORITIES; higher++)
		at->ahead[higher - 1]++;
}

static void
note_order(uint8_t priority, struct model_profile *at)
{
	for (uint8_t higher = 1; higher < priority; higher++)
		at->ahead[higher - 1] = 0;
	model_note_chosen(priority, at);
}

static bool
has_ready(unsigned flow)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		if (model_message(id)->where == READY && flow_of(fake_message(id)) == flow)
			return true;
	return false;
}

void
model_forget_lead(unsigned flow)
{
	for (unsigned other = 0; other < FLOWS; other++)
		world.lead[flow][other] = world.lead[other][flow] = 0;
}

/* Rounds apart by one, each with its credit and one message beyond it. */
static void
judge_fairness(const struct fake_message *chosen, uint32_t recipients, unsigned profile)
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
		world.lead[flow][other] += (int64_t)flow_cost(chosen->size, recipients);
		world.lead[other][flow] = -world.lead[flow][other];
		CHECK(world.lead[flow][other] <= most);
	}
	if (!has_ready(flow))
		model_forget_lead(flow);
}

static void
judge_place(const struct entry *entry, const struct model_profile *at)
{
	unsigned width = at->connections;

	CHECK(model_message(entry->id)->where == READY);
	CHECK(!at->is_paused || at->changed_ms + 2 * world.latency_ms >= world.now_ms);
	CHECK(at->out < width);
	CHECK(entry->given_count >= 1);
	CHECK(entry->given_count <= fake_message(entry->id)->recipient_count);
	if (width >= 2 && !model_is_urgent(entry->priority))
		CHECK(at->ordinary_out < width - 1);
	for (unsigned i = 0; i < world.attempt_count; i++)
		CHECK(world.attempts[i].id != entry->id);
}

static unsigned
log_attempt(struct model_profile *at, const struct entry *entry)
{
	unsigned place = at->log_count++;

	assert_in_range(place, 0, LOG_MAX - 1);
	at->log[place] = (struct going){.at_ms = entry->charged.charged_ms,
	    .recipients = entry->given_count,
	    .is_urgent = model_is_urgent(entry->priority)};
	return place;
}

void
model_judge_attempt(struct entry *entry)
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
	model_put(entry->id, SENDING);
	if (world.is_strict)
		judge_fairness(on_disk, entry->given_count, profile);
	entry->was_handed_over = model_chance(3) > 0;
	at->out++;
	at->ordinary_out += !model_is_urgent(entry->priority);
	world.began++;
	assert_in_range(world.attempt_count, 0, ATTEMPTS_MAX - 1);
	world.attempts[world.attempt_count++] = (struct attempt){.id = entry->id,
	    .attempt = entry->attempt,
	    .profile = profile,
	    .ends_at_ms = world.now_ms + 1 + model_chance(200),
	    .log_at = log_attempt(at, entry),
	    .is_handed_over = entry->was_handed_over};
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

		if (model_message(id)->where == READY &&
		    *world.profiles[profile->id].rate == '\0' &&
		    (profile_open_to(routes, profile) & PRIORITY_BIT(on_disk->priority)) != 0)
			return id;
	}
	return 0;
}

/* Whoever may go, goes; a timer may be due a moment later. */
void
model_judge_idleness(void)
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

	for (unsigned i = 0; i < profile->log_count; i++) {
		const struct going *other = &profile->log[i];

		if (i == at || other->is_taken_back ||
		    other->at_ms <= last->at_ms - rule->period_ms || other->at_ms > last->at_ms ||
		    (other->at_ms == last->at_ms && i > at))
			continue;
		/* Of the same moment: who was first is not known of those that were read. */
		if (other->at_ms == last->at_ms && other->is_urgent && !last->is_urgent)
			continue;
		sum += counts_recipients ? other->recipients : 1;
	}
	CHECK(sum <= limit_of(rule->count, rule->period_ms, profile->reserve, !last->is_urgent));
}

void
model_judge_rates(const struct model_profile *profile)
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
