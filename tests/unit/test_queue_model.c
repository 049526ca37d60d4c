/*
 * The scheduler against a model of it, in virtual time: random users, priorities, sizes, recipients,
 * rates, connections, holds, moves, troubles, lost relays, restarts, clocks that are set, and
 * windows so small that most of it is on disk. The model knows of each message where it must be, and
 * judges each attempt: nothing goes twice or is forgotten, by priority but for the share of lower
 * ones, by age within a flow, fairly among users, within the rates in any time of their length.
 *
 * A failure prints its seed; POSTERN_MODEL_SEED=N runs that one alone, POSTERN_MODEL_RUNS=N so many.
 */
#include "tests/lib/queue_model.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RUNS 1500
#define STEPS 400

static void
on_attempt(struct entry *entry, struct link *relay, void *ctx)
{
	model_judge_attempt(entry);
}

/* ---- fates ---- */

struct fate_write {
	struct fake_write write;
	uint64_t id;
	bool is_over;
	int64_t next_at_ms;
	uint32_t part; /* so many recipients, and more of them at once; 0: all */
};

static void
run_fate(struct fake_write *write)
{
	struct fate_write *fate = (struct fate_write *)(void *)write;
	struct fake_message *on_disk = fake_message(fate->id);
	const struct entry *entry = scheduler_find(world.scheduler, fate->id);

	on_disk->is_there = !fate->is_over;
	on_disk->recipient_count -= fate->part;
	on_disk->is_held = entry->is_to_hold;
	on_disk->next_at_ms = on_disk->is_held ? 0 : fate->next_at_ms;
}

/* To the first of those who are left. */
static void
deliver_part(struct mail *mail, uint32_t part)
{
	for (uint32_t i = 0; i < mail->recipient_count && part > 0; i++)
		if (mail->recipients[i].state == RECIPIENT_PENDING) {
			mail->recipients[i].state = RECIPIENT_DELIVERED;
			part--;
		}
}

static void
on_part(struct job *job)
{
	struct fate_write *fate = (struct fate_write *)(void *)job;
	struct entry *entry = scheduler_find(world.scheduler, fate->id);

	if (fake_message(fate->id)->is_held) {
		model_put(fate->id, HELD);
		scheduler_settled(world.scheduler, entry, 0);
	} else {
		model_put(fate->id, READY);
		deliver_part(entry->mail, fate->part);
		scheduler_settled_in_part(world.scheduler, entry, fate->part);
	}
	free(fate);
}

static void
on_fate(struct job *job)
{
	struct fate_write *fate = (struct fate_write *)(void *)job;
	const struct fake_message *on_disk = fake_message(fate->id);

	model_put(fate->id, fate->is_over ? GONE : on_disk->is_held ? HELD : DEFERRED);
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
settle_part(struct entry *entry, uint32_t part)
{
	struct fate_write *fate = calloc(1, sizeof(*fate));

	fate->write = (struct fake_write){.job.on_done = on_part, .run = run_fate};
	fate->id = entry->id;
	fate->part = part;
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
		profile->ordinary_out -= !model_is_urgent(fake_message(attempt.id)->priority);
	}
	return attempt;
}

/* It was not an attempt after all. */
static void
note_returned(const struct attempt *attempt)
{
	world.profiles[attempt->profile].log[attempt->log_at].is_taken_back = true;
	model_put(attempt->id, fake_message(attempt->id)->is_held ? HELD : READY);
}

static void
report_trouble(struct attempt attempt, struct entry *entry)
{
	struct routes *routes = scheduler_routes(world.scheduler);
	struct profile *profile = routes_profile(routes, attempt.profile);
	struct msg_report report = {.attempt = attempt.attempt,
	    .outcome = model_chance(2) == 0 ? ATTEMPT_CANCELLED : ATTEMPT_UNREACHABLE,
	    .class = REPLY_UNREACHABLE,
	    .rule = "",
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

/* Those it was given to, or, of an upstream that takes fewer at a time, some of them. */
static uint32_t
tried_of(const struct entry *entry)
{
	return model_chance(4) == 0 ? 1 + model_chance(entry->given_count) : entry->given_count;
}

/* Whether there are more to go to, whose turn has not come. */
static bool
settle_tried(const struct attempt *attempt, struct entry *entry)
{
	uint32_t tried;

	/* Of an earlier start nobody knows. */
	if (entry->given_count == 0)
		return false;
	tried = tried_of(entry);
	if (tried == fake_message(entry->id)->recipient_count)
		return false;
	world.profiles[attempt->profile].log[attempt->log_at].recipients = tried;
	settle_part(entry, tried);
	return true;
}

static void
end_attempt(unsigned at)
{
	struct attempt attempt = take_attempt(at);
	struct entry *entry = scheduler_find(world.scheduler, attempt.id);

	CHECK(entry != NULL && entry->state == ENTRY_SENDING && entry->attempt == attempt.attempt);
	if (!world.is_ending && !world.is_strict && model_chance(12) == 0) {
		report_trouble(attempt, entry);
		return;
	}
	if (entry->profile != NULL)
		profile_note_success(
		    scheduler_routes(world.scheduler), entry->profile, attempt.attempt);
	if (!settle_tried(&attempt, entry))
		settle(entry, world.is_ending || model_chance(6) > 0, 1 + model_chance(60000));
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

		if (model_chance(2) == 0) {
			i++;
			continue;
		}
		attempt = take_attempt(i);
		if (!knows)
			model_put(attempt.id, fake_message(attempt.id)->is_held ? HELD : READY);
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
			model_message(id)->is_fresh = false;
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
	fake_pass(model_chance(2000));
	lose_attempts(true);
	connect_relay();
}

static void
start(void)
{
	static const struct scheduler_callbacks callbacks = {
	    on_attempt, on_uncertain, on_unreadable};
	static const struct scheduler_limits small = {.ready = 40, .flow = 10, .read = 8};

	world.scheduler = scheduler_new(&world.role, fake_storage(), &callbacks, NULL);
	if (!world.is_strict)
		scheduler_set_limits(world.scheduler, &small);
	fake_pass(model_chance(50));
	send_map();
	fake_pass(model_chance(50));
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
	unsigned is_relay_lost = model_chance(2);

	stop();
	fake_reopen();
	world.scheduler = NULL;
	/* Without a trace: nobody will say what became of them. */
	for (unsigned i = 0; i < world.attempt_count && is_relay_lost;) {
		struct attempt attempt = world.attempts[i];

		if (model_chance(2) == 0) {
			i++;
			continue;
		}
		world.attempts[i] = world.attempts[--world.attempt_count];
		model_put(attempt.id, fake_message(attempt.id)->is_held ? HELD : READY);
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
	model_put(mail->id, READY);
	model_message(mail->id)->is_fresh = true;
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
	    .size = model_chance(10) == 0 ? model_chance(200000) : model_chance(20000),
	    .recipient_count = model_chance(8) == 0 ? 1 + model_chance(20) : 1,
	    .priority = priority,
	    .is_there = true};
	model_put(insert->message.id, STORING);
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
	enum where where = model_message(hold->id)->where;

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
	if (hold->is_done && model_message(hold->id)->where != SENDING)
		model_put(hold->id, HELD);
	/* It may have been chosen, and counts as such. */
	model_note_chosen(fake_message(hold->id)->priority,
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
		if (model_message(id)->where == HELD)
			fake_message(id)->is_held = false;
}

static void
on_release(struct job *job)
{
	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		if (model_message(id)->where == HELD && !fake_message(id)->is_held)
			model_put(id, READY);
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
	model_put(id, READY);
}

static void
move_user(unsigned user)
{
	world.user_profile[user] = 1 + model_chance(PROFILES);
	world.user_moved_ms[user] = loop_now_ms(fake_loop());
	for (uint8_t priority = 1; priority <= PRIORITIES; priority++)
		model_forget_lead(user * (PRIORITIES + 1) + priority);
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
	fake_set_wall(
	    (model_chance(2) == 0 ? 1 : -1) * (int64_t)(1 + model_chance(7 * 86400)) * 1000);
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
	switch (model_chance(40)) {
	case 0:
		move_user(1 + model_chance(USERS));
		break;
	case 1:
		turn_profile(1 + model_chance(PROFILES));
		break;
	case 2:
		release_all();
		break;
	case 3:
	case 4:
		if (world.next_id > FAKE_FIRST_ID)
			hold(FAKE_FIRST_ID +
			     model_chance((uint32_t)(world.next_id - FAKE_FIRST_ID)));
		break;
	case 5:
		if (!world.is_strict && model_chance(4) == 0)
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
	unsigned user = 1 + model_chance(USERS);
	unsigned count = model_chance(15) == 0 ? model_chance(40) : model_chance(3);
	uint8_t priority = (uint8_t)(1 + model_chance(PRIORITIES));

	for (unsigned i = 0; i < count; i++)
		add(user, priority);
}

static int64_t
next_pause(void)
{
	switch (model_chance(20)) {
	case 0:
		return model_chance(60000);
	case 1:
		return model_chance(5000);
	default:
		return model_chance(60);
	}
}

/* ---- the end ---- */

static unsigned
count_left(void)
{
	unsigned left = 0;

	for (uint64_t id = FAKE_FIRST_ID; id < world.next_id; id++)
		left += model_message(id)->where != GONE;
	return left;
}

/* Nothing stands in the way any more: all of it goes. */
static void
drain(void)
{
	world.is_ending = true;
	for (unsigned id = 1; id <= PROFILES; id++) {
		model_judge_rates(&world.profiles[id]);
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
	    {"20/m 200/h", "300/h"}, {"40/h", "none"}, {"none", "30/10s 200/d"},
	    {"none", "7/5s 30/m"}};

	for (unsigned id = 1; id <= PROFILES; id++) {
		const char *const *rate = rates[model_chance(sizeof(rates) / sizeof(rates[0]))];

		world.profiles[id] = (struct model_profile){.connections = 1 + model_chance(4),
		    .rate = rate[0],
		    .recipient_rate = rate[1],
		    .reserve = model_chance(3) * 15,
		    .changed_ms = -1000000};
	}
	for (unsigned id = 1; id <= USERS; id++) {
		world.user_profile[id] = 1 + model_chance(model_chance(3) == 0 ? PROFILES : 1);
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
	world.latency_ms = world.is_strict ? 0 : model_chance(40);
	world.next_id = FAKE_FIRST_ID;
	world.config.queue.lower_share = 10;
	world.config.queue.memory_bytes = 1u << 30;
	world.role = (struct role_context){.loop = fake_loop(), .config = &world.config};
	fake_init(model_chance, WALL, world.latency_ms);
	fake_on_woken(on_woken);
	make_profiles();
	start();
	for (unsigned i = 0; i < STEPS; i++) {
		traffic();
		disturb();
		fake_pass(next_pause());
		end_attempts();
		world.now_ms = loop_now_ms(fake_loop());
		model_judge_idleness();
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
