/*
 * A week with a provider that bans who sends too much, in virtual time: scheduler, rates, the relay's
 * pace of connections and the classification of replies are the real ones; disk, relay and provider
 * are played. The provider counts messages and recipients in any minute, hour and day, new
 * connections in any minute, and connections at once. Who goes over one of them is banned, and for
 * longer each time; who tries while banned is banned for longer as well. Who can't have known is told to
 * wait, and banned if that isn't heard.
 *
 * 50,000 messages of all priorities come in six days. Where postern is told the limits it is never
 * banned and sends 95 % of what may go at the least, also if it is killed once a day; and if the clock
 * is set, 90 %. Where it isn't told, it goes by the replies, learns from them, and never tries too early.
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/queue/scheduler.h"
#include "daemon/relay/classify.h"
#include "daemon/relay/connects.h"
#include "tests/lib/fake_storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WALL INT64_C(1800000000000)
#define MESSAGES 50000
#define USERS 5
#define PROFILE 1
#define CONNECTIONS 3
#define MESSAGES_PER_CONNECTION 50
#define WAITING_MAX 16
#define TAKEN_MAX (2 * MESSAGES)
/* What was on its way when it said no isn't held against anyone. */
#define GRACE_MS (2 * SECOND)
#define BAN_MS (10 * MINUTE)
/* Who isn't told until when is not expected to wait for longer. */
#define UNTOLD_MS (30 * MINUTE)

struct quota {
	int64_t period_ms;
	uint32_t messages_max, recipients_max;
	size_t first; /* of what was taken, that counts */
	uint32_t messages, recipients;
};

enum carries { CLOSED, OPENING, GREETED, SENDING, IDLE };

/* A connection, and what goes on it. */
struct carrier {
	enum carries state;
	struct timer *timer;
	unsigned sent;
	uint64_t id;
};

static struct {
	uint64_t random;
	struct config config;
	struct role_context role;
	struct scheduler *scheduler;
	struct reply_rules *rules;
	uint64_t next_id;
	bool is_told;   /* of the limits */
	bool says_when; /* it may come again */
	bool is_harsh;  /* it never does, and bans for longer each time */
	int64_t began_ms;

	/* the relay */
	struct carrier carriers[CONNECTIONS];
	uint64_t waiting[WAITING_MAX];
	unsigned waiting_count;
	struct connects connects;
	struct timer *next_connect;

	/* the provider */
	struct quota quotas[3];
	struct {
		int64_t at_ms;
		uint32_t recipients;
	} taken[TAKEN_MAX];
	size_t taken_count;
	int64_t connected_ms[20]; /* the last ones */
	unsigned connected;
	int64_t banned_at_ms, banned_until_ms, ban_ms;
	unsigned bans, tries_while_banned;
	const char *words;
	int64_t waited_ms[PRIORITIES];
	unsigned waits[PRIORITIES];
} week;

static uint32_t
chance(uint32_t below)
{
	week.random = week.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(week.random >> 33) % below;
}

static int64_t
now_ms(void)
{
	return loop_now_ms(fake_loop());
}

/* ---- the provider ---- */

/* Who knew it is banned. Who didn't is told to wait for `wait_ms`, and banned if that isn't heard. */
static void
ban(const char *words, int64_t wait_ms)
{
	week.bans++;
	week.words = words;
	if (week.is_harsh)
		week.ban_ms = week.ban_ms == 0 ? BAN_MS : week.ban_ms * 2;
	else if (!week.is_told)
		week.ban_ms = wait_ms;
	else
		week.ban_ms = week.ban_ms == 0 ? BAN_MS : week.ban_ms * 2;
	week.banned_at_ms = now_ms();
	week.banned_until_ms = now_ms() + week.ban_ms;
}

static bool
is_banned(void)
{
	if (now_ms() >= week.banned_until_ms)
		return false;
	if (now_ms() - week.banned_at_ms > GRACE_MS) {
		week.tries_while_banned++;
		if (!week.is_harsh)
			week.ban_ms *= 2;
		week.banned_until_ms = now_ms() + week.ban_ms;
	}
	return true;
}

static void
forget_old(struct quota *quota)
{
	for (; quota->first < week.taken_count &&
	       week.taken[quota->first].at_ms <= now_ms() - quota->period_ms;
	     quota->first++) {
		quota->messages--;
		quota->recipients -= week.taken[quota->first].recipients;
	}
}

/* NULL: it may come in. */
static const char *
greet(void)
{
	int64_t *oldest_ms = &week.connected_ms[week.connected % 20];
	unsigned open = 0;

	if (is_banned())
		return "554 5.7.1 Blocked for sending too much";
	for (unsigned i = 0; i < CONNECTIONS; i++)
		open += week.carriers[i].state != CLOSED;
	if (open > CONNECTIONS || (week.connected >= 20 && now_ms() - *oldest_ms < MINUTE)) {
		ban("421 4.7.0 Too many connections from your address", MINUTE);
		return week.words;
	}
	*oldest_ms = now_ms();
	week.connected++;
	return NULL;
}

/* NULL: it is taken. */
static const char *
take(uint32_t recipients)
{
	static const struct {
		const char *with_time, *without;
		int64_t wait_ms;
	} refusals[] = {
	    {"450 4.2.1 You are sending too fast, try again in 60 seconds",
		"450 4.2.1 You are sending too fast, try again later", MINUTE},
	    {"451 4.7.0 Hourly sending limit exceeded, try again in 20 minutes",
		"451 4.7.0 Hourly sending limit exceeded", 20 * MINUTE},
	    {"550 5.4.5 Daily user sending limit exceeded, try again in 2 hours",
		"550 5.4.5 Daily user sending limit exceeded", 2 * HOUR},
	};

	if (is_banned())
		return week.words;
	for (unsigned i = 0; i < 3; i++) {
		struct quota *quota = &week.quotas[i];

		forget_old(quota);
		if (quota->messages < quota->messages_max &&
		    quota->recipients + recipients <= quota->recipients_max)
			continue;
		ban(week.says_when ? refusals[i].with_time : refusals[i].without,
		    week.says_when || refusals[i].wait_ms < UNTOLD_MS ? refusals[i].wait_ms
								      : UNTOLD_MS);
		return week.words;
	}
	assert_true(week.taken_count < TAKEN_MAX);
	week.taken[week.taken_count].at_ms = now_ms();
	week.taken[week.taken_count++].recipients = recipients;
	for (unsigned i = 0; i < 3; i++) {
		week.quotas[i].messages++;
		week.quotas[i].recipients += recipients;
	}
	return NULL;
}

/* ---- the relay ---- */

static void dispatch(void);

static void
report_put_off(uint64_t id, const struct verdict *verdict, const char *words)
{
	struct entry *entry = scheduler_find(week.scheduler, id);
	struct profile *profile = entry->profile;
	struct msg_report report = {.message_id = id,
	    .attempt = entry->attempt,
	    .profile_id = PROFILE,
	    .outcome = (uint8_t)verdict->outcome,
	    .class = (uint8_t)verdict->class,
	    .rule = verdict->rule == NULL ? "" : verdict->rule,
	    .wait_s = verdict->wait.first_s,
	    .wait_max_s = verdict->wait.most_s,
	    .is_wait_exact = verdict->wait.is_exact,
	    .upstream = "",
	    .enhanced = "",
	    .reason = words};

	scheduler_return(week.scheduler, entry);
	profile_note_trouble(scheduler_routes(week.scheduler), profile, &report,
	    scheduler_next_attempt(week.scheduler));
	scheduler_look(week.scheduler, profile);
}

/* What waits for a connection hears the same. */
static void
refuse(enum phase phase, const char *words, uint64_t id)
{
	const struct classifier classifier = {.rules = week.rules, .provider = ""};
	struct reply reply;
	struct verdict verdict;

	reply_set(&reply, (uint16_t)atoi(words), "", "%s", words + 10);
	memcpy(reply.enhanced, words + 4, 5);
	verdict = classify_reply(&classifier, phase, &reply);
	/* It is never one recipient's or one message's fault. */
	assert_int_not_equal(verdict.outcome, ATTEMPT_ATTEMPTED);
	while (week.waiting_count > 0)
		report_put_off(week.waiting[--week.waiting_count], &verdict, words);
	if (id != 0)
		report_put_off(id, &verdict, words);
}

struct settling {
	struct fake_write write;
	uint64_t id;
	uint32_t taken;
};

static void
run_settling(struct fake_write *write)
{
	const struct settling *settling = (struct settling *)(void *)write;
	struct fake_message *on_disk = fake_message(settling->id);

	on_disk->recipient_count -= settling->taken;
	on_disk->is_there = on_disk->recipient_count > 0;
}

static void
on_settled(struct job *job)
{
	struct settling *settling = (struct settling *)(void *)job;
	struct entry *entry = scheduler_find(week.scheduler, settling->id);
	struct mail *mail = entry->mail;

	if (!fake_message(settling->id)->is_there) {
		scheduler_settled(week.scheduler, entry, 0);
	} else {
		for (uint32_t i = 0, left = settling->taken; left > 0; i++)
			if (mail->recipients[i].state == RECIPIENT_PENDING) {
				mail->recipients[i].state = RECIPIENT_DELIVERED;
				left--;
			}
		scheduler_settled_in_part(week.scheduler, entry, settling->taken);
	}
	free(settling);
}

static void
report_taken(uint64_t id)
{
	struct entry *entry = scheduler_find(week.scheduler, id);
	struct settling *settling = xcalloc(1, sizeof(*settling));

	week.waited_ms[entry->priority - 1] += loop_wall_ms(fake_loop()) - entry->received_at_ms;
	week.waits[entry->priority - 1]++;
	profile_note_success(scheduler_routes(week.scheduler), entry->profile, entry->attempt);
	settling->write = (struct fake_write){.job.on_done = on_settled, .run = run_settling};
	settling->id = id;
	settling->taken = entry->given_count;
	fake_post(&settling->write);
	scheduler_settling(week.scheduler, entry);
}

static void
close_carrier(struct carrier *carrier)
{
	timer_stop(carrier->timer);
	carrier->state = CLOSED;
	carrier->id = 0;
}

/* The highest priority, and of these the oldest attempt. */
static uint64_t
take_waiting(void)
{
	unsigned best = 0;
	uint64_t id;

	for (unsigned i = 1; i < week.waiting_count; i++) {
		const struct entry *one = scheduler_find(week.scheduler, week.waiting[i]);
		const struct entry *other = scheduler_find(week.scheduler, week.waiting[best]);

		if (one->priority < other->priority ||
		    (one->priority == other->priority && one->attempt < other->attempt))
			best = i;
	}
	id = week.waiting[best];
	week.waiting[best] = week.waiting[--week.waiting_count];
	return id;
}

static void
become_idle(struct carrier *carrier)
{
	carrier->id = 0;
	carrier->state = IDLE;
	timer_set(carrier->timer, 20 * SECOND);
	if (carrier->sent == MESSAGES_PER_CONNECTION)
		close_carrier(carrier);
	dispatch();
}

static void
on_carrier(void *ctx)
{
	struct carrier *carrier = ctx;
	const char *words;
	uint64_t id = carrier->id;

	switch (carrier->state) {
	case CLOSED:
		break;
	case OPENING:
		words = greet();
		if (words != NULL) {
			close_carrier(carrier);
			refuse(PHASE_GREETING, words, 0);
			return;
		}
		become_idle(carrier);
		break;
	case GREETED:
		words = take(((struct entry *)scheduler_find(week.scheduler, id))->given_count);
		if (words != NULL) {
			close_carrier(carrier);
			refuse(PHASE_MAIL, words, id);
			return;
		}
		carrier->state = SENDING;
		timer_set(carrier->timer, 50 + chance(300));
		break;
	case SENDING:
		carrier->sent++;
		report_taken(id);
		become_idle(carrier);
		break;
	case IDLE:
		close_carrier(carrier);
		break;
	}
}

static struct carrier *
find_carrier(enum carries state)
{
	for (unsigned i = 0; i < CONNECTIONS; i++)
		if (week.carriers[i].state == state)
			return &week.carriers[i];
	return NULL;
}

static void
use_carrier(struct carrier *carrier)
{
	carrier->id = take_waiting();
	carrier->state = GREETED;
	timer_set(carrier->timer, 30 + chance(100));
}

static void
open_carriers(void)
{
	unsigned opening = 0;
	struct carrier *closed;

	for (unsigned i = 0; i < CONNECTIONS; i++)
		opening += week.carriers[i].state == OPENING;
	while (opening++ < week.waiting_count && (closed = find_carrier(CLOSED)) != NULL) {
		int64_t wait_ms = connects_wait_ms(&week.connects, now_ms());

		if (wait_ms > 0) {
			timer_set(week.next_connect, wait_ms);
			return;
		}
		connects_note(&week.connects, now_ms());
		closed->state = OPENING;
		closed->sent = 0;
		timer_set(closed->timer, 100 + chance(300));
	}
}

static void
dispatch(void)
{
	struct carrier *idle;

	while (week.waiting_count > 0 && (idle = find_carrier(IDLE)) != NULL)
		use_carrier(idle);
	open_carriers();
}

static void
on_next_connect(void *ctx)
{
	dispatch();
}

static void
on_attempt(struct entry *entry, struct link *relay, void *ctx)
{
	assert_true(week.waiting_count < WAITING_MAX);
	week.waiting[week.waiting_count++] = entry->id;
	timer_set(week.next_connect, 0);
}

static void
on_uncertain(struct entry *entry, void *ctx)
{
	fail();
}

static void
on_unreadable(uint64_t message_id, void *ctx)
{
	fail();
}

static void
start_relay(void)
{
	struct rate rate = {0};
	struct err err;

	if (week.is_told)
		assert_int_equal(rate_parse("20/m", &rate, &err), 0);
	week.connects = (struct connects){0};
	connects_set(&week.connects, &rate, now_ms());
}

/* ---- the queue ---- */

static void
send_map(uint32_t version)
{
	struct routes *routes = scheduler_routes(week.scheduler);

	routes_take(routes, &(struct msg_route){.row = ROUTE_BEGIN, .name = "", .list = ""});
	routes_take(routes, &(struct msg_route){.row = ROUTE_PROFILE,
				.id = PROFILE,
				.version = version,
				.name = "p",
				.list = "",
				.connections = CONNECTIONS,
				.rate = week.is_told ? "30/m 700/h 7000/d" : "",
				.recipient_rate = week.is_told ? "60/m 1200/h 12000/d" : "",
				.reserve = week.is_told ? 5 : 0,
				.from = "",
				.available = "all",
				.retry = "",
				.bounce_sender = ""});
	for (unsigned user = 1; user <= USERS; user++)
		routes_take(routes, &(struct msg_route){.row = ROUTE_USER,
					.id = user,
					.name = "u",
					.list = "l",
					.profile_id = PROFILE});
	routes_take(routes, &(struct msg_route){.row = ROUTE_END, .name = "", .list = ""});
}

static void
start(void)
{
	static const struct scheduler_callbacks callbacks = {
	    on_attempt, on_uncertain, on_unreadable};
	const struct msg_in_flight nothing = {.is_last = true};

	week.scheduler = scheduler_new(&week.role, fake_storage(), &callbacks, NULL);
	fake_pass(SECOND);
	send_map(1);
	if (fake_profile()->profile_id != 0)
		routes_remember(scheduler_routes(week.scheduler), fake_profile());
	fake_pass(SECOND);
	start_relay();
	scheduler_add_relay(week.scheduler, (struct link *)(void *)&week);
	assert_true(scheduler_in_flight(week.scheduler, &nothing));
}

/* Nobody knows any more what was on its way. */
static void
stop(void)
{
	scheduler_drop_relay(week.scheduler, (struct link *)(void *)&week);
	fake_close();
	scheduler_free(week.scheduler);
	week.waiting_count = 0;
	timer_stop(week.next_connect);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		close_carrier(&week.carriers[i]);
}

static void
restart(void)
{
	stop();
	fake_reopen();
	start();
}

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
	scheduler_add(week.scheduler, mail, NULL, 0);
	free(insert);
}

static void
add(void)
{
	static const uint8_t priorities[20] = {
	    1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 5, 5};
	struct insert *insert = xcalloc(1, sizeof(*insert));

	insert->write = (struct fake_write){.job.on_done = on_inserted, .run = run_insert};
	insert->message = (struct fake_message){.id = week.next_id++,
	    .user_id = 1 + chance(USERS),
	    .received_at_ms = loop_wall_ms(fake_loop()),
	    .size = 1000 + chance(20000),
	    .recipient_count = chance(20) == 0 ? 2 + chance(20) : 1,
	    .priority = priorities[chance(20)],
	    .is_there = true};
	fake_post(&insert->write);
}

/* ---- the week ---- */

static void
begin(bool is_told)
{
	static const struct quota quotas[3] = {
	    {.period_ms = MINUTE, .messages_max = 30, .recipients_max = 60},
	    {.period_ms = HOUR, .messages_max = 700, .recipients_max = 1200},
	    {.period_ms = DAY, .messages_max = 7000, .recipients_max = 12000}};
	struct err err;

	memset(&week, 0, sizeof(week));
	assert_int_equal(reply_rules_parse("", "", 0, &week.rules, &err), 0);
	week.random = 42;
	week.is_told = is_told;
	week.next_id = FAKE_FIRST_ID;
	week.config.queue.lower_share = 10;
	week.config.queue.memory_bytes = 1u << 30;
	week.role = (struct role_context){.loop = fake_loop(), .config = &week.config};
	memcpy(week.quotas, quotas, sizeof(quotas));
	fake_init(chance, WALL, 30);
	week.began_ms = now_ms();
	for (unsigned i = 0; i < CONNECTIONS; i++)
		week.carriers[i].timer = timer_new(fake_loop(), on_carrier, &week.carriers[i]);
	week.next_connect = timer_new(fake_loop(), on_next_connect, NULL);
	start();
}

static void
end(void)
{
	stop();
	for (unsigned i = 0; i < CONNECTIONS; i++)
		timer_free(week.carriers[i].timer);
	timer_free(week.next_connect);
	reply_rules_release(week.rules);
	fake_fini();
}

/* A third is there at once, the others come in six days. */
static void
pass(void (*disturb)(unsigned hour))
{
	for (unsigned hour = 0; hour < 7 * 24; hour++) {
		for (unsigned part = 0; part < 10; part++) {
			unsigned due =
			    MESSAGES / 3 + MESSAGES * 2 / 3 * (hour * 10 + part + 1) / 1440;

			if (due > MESSAGES)
				due = MESSAGES;
			while (week.next_id < FAKE_FIRST_ID + due)
				add();
			fake_pass(HOUR / 10);
		}
		if (disturb != NULL)
			disturb(hour);
	}
	assert_true(week.next_id == FAKE_FIRST_ID + MESSAGES);
	print_message("%zu taken, said no %u times, tried too early %u times, %u connections\n",
	    week.taken_count, week.bans, week.tries_while_banned, week.connected);
}

static int64_t
wait_of(uint8_t priority)
{
	assert_true(week.waits[priority - 1] > 0);
	return week.waited_ms[priority - 1] / week.waits[priority - 1];
}

/* So many percent of what may go went. */
static void
assert_used(unsigned percent)
{
	assert_true(week.taken_count >= 7 * 7000 * percent / 100);
}

static void
test_limits_are_known(void **state)
{
	begin(true);
	pass(NULL);
	assert_int_equal(week.bans, 0);
	assert_used(95);
	assert_true(wait_of(1) < wait_of(3) / 20);
	assert_true(wait_of(3) < wait_of(5) / 2);
	end();
}

static void
kill_now_and_then(unsigned hour)
{
	if (hour % 24 == 5)
		restart();
}

static void
test_killed_in_between(void **state)
{
	begin(true);
	pass(kill_now_and_then);
	assert_int_equal(week.bans, 0);
	assert_used(95);
	end();
}

/* Back and forth, but never on into a start: what was booked then seems to be long ago. */
static void
set_clock_and_restart(unsigned hour)
{
	int64_t ahead_ms = loop_wall_ms(fake_loop()) - now_ms() - (WALL - week.began_ms);

	switch (hour % 24) {
	case 3:
		fake_set_wall(-2 * HOUR);
		break;
	case 9:
		restart();
		break;
	case 14:
		fake_set_wall(30 * HOUR);
		break;
	case 20:
		fake_set_wall(-ahead_ms);
		break;
	default:
		return;
	}
	scheduler_watch_clock(week.scheduler);
}

static void
test_clock_is_set(void **state)
{
	begin(true);
	pass(set_clock_and_restart);
	assert_int_equal(week.bans, 0);
	assert_used(90);
	end();
}

/* It goes by what the provider says, and leaves it alone until then. Where that doesn't say when to
 * come back, it learns how much it may send in a minute, an hour and a day. */
static void
test_limits_are_unknown(void **state)
{
	begin(false);
	week.says_when = true;
	pass(NULL);
	assert_int_equal(week.tries_while_banned, 0);
	assert_used(95);
	end();
	begin(false);
	pass(NULL);
	assert_int_equal(week.tries_while_banned, 0);
	assert_in_range(week.bans, 6, 20);
	assert_used(90);
	end();
}

/* It never says when to come back and bans for twice as long each time; who comes too early has the ban
 * begin anew. There is no limit for a day: of that nobody knows before the first day is over. */
static void
test_bans_grow_and_nothing_is_said(void **state)
{
	begin(false);
	week.is_harsh = true;
	week.quotas[2].messages_max = week.quotas[2].recipients_max = UINT32_MAX;
	pass(NULL);
	assert_in_range(week.bans, 2, 6);
	assert_in_range(week.tries_while_banned, 0, 1);
	assert_true(week.taken_count >= MESSAGES * 95 / 100);
	end();
}

static uint32_t
learned(int64_t period_ms)
{
	const struct rate *rate =
	    &routes_profile(scheduler_routes(week.scheduler), PROFILE)->learned.messages;

	for (size_t i = 0; i < rate->rule_count; i++)
		if (rate->rules[i].period_ms == period_ms)
			return rate->rules[i].count;
	return 0;
}

/* So many messages a day, some each hour. */
static void
add_in_days(unsigned days, unsigned messages)
{
	for (unsigned hour = 0; hour < days * 24; hour++) {
		for (unsigned i = 0; i < messages / 24; i++)
			add();
		fake_pass(HOUR);
	}
}

/* It has a limit for a day. Once postern has run for a day it knows what went when that is refused, and
 * the second refusal teaches it. The first two days keep within the limit; then more comes than may go. */
static void
test_limit_for_a_day_of_whose_bans_grow(void **state)
{
	size_t before;

	begin(false);
	week.is_harsh = true;
	week.quotas[0].messages_max = week.quotas[0].recipients_max = UINT32_MAX;
	week.quotas[1].messages_max = week.quotas[1].recipients_max = UINT32_MAX;
	add_in_days(2, 2400);
	assert_int_equal(week.bans, 0);
	before = week.taken_count;
	add_in_days(4, 9600);
	print_message("%zu of %d taken, said no %u times, tried too early %u times\n",
	    week.taken_count - before, 4 * 7000, week.bans, week.tries_while_banned);
	assert_in_range(week.bans, 1, 4);
	assert_true(week.tries_while_banned <= 1);
	assert_true(week.taken_count - before >= 4 * 7000 * 80 / 100);
	end();
}

/* Somebody else uses the account, and has used up what it may in a day: the few of ours teach nothing. */
static void
test_quota_that_others_use_up_is_not_learned(void **state)
{
	begin(false);
	week.quotas[0].messages_max = week.quotas[0].recipients_max = UINT32_MAX;
	week.quotas[1].messages_max = week.quotas[1].recipients_max = UINT32_MAX;
	add_in_days(2, 72);
	week.quotas[2].messages_max = 0;
	add_in_days(1, 72);
	assert_in_range(week.bans, 3, 100);
	assert_int_equal(learned(DAY), 0);
	week.quotas[2].messages_max = 7000;
	add_in_days(1, 72);
	assert_int_equal(week.taken_count, 4 * 72);
	end();
}

/* What was learned outlives a restart, and is raised in days without a refusal; an operator who
 * changes or resumes the profile ends it. */
static void
test_learned_is_kept_and_forgotten(void **state)
{
	uint32_t at_first;

	begin(false);
	while (week.next_id < FAKE_FIRST_ID + MESSAGES / 10)
		add();
	fake_pass(6 * HOUR);
	at_first = learned(HOUR);
	assert_in_range(learned(MINUTE), 20, 29);
	assert_in_range(at_first, 500, 690);
	restart();
	assert_int_equal(learned(HOUR), at_first);
	fake_pass(12 * HOUR);
	assert_int_equal(learned(HOUR), at_first);
	fake_pass(2 * DAY);
	add();
	fake_pass(HOUR);
	assert_int_equal(learned(HOUR), at_first + at_first / 20 + 1);
	send_map(2);
	assert_int_equal(learned(HOUR), 0);
	restart();
	assert_int_equal(learned(HOUR), 0);
	end();
}

/* An operator's own rates are the last word, also where the upstream takes less. */
static void
test_own_rates_are_never_replaced(void **state)
{
	begin(true);
	week.quotas[0].messages_max = 10;
	while (week.next_id < FAKE_FIRST_ID + MESSAGES / 10)
		add();
	fake_pass(3 * HOUR);
	assert_true(week.bans > 1);
	assert_int_equal(learned(MINUTE), 0);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limits_are_known),
	    cmocka_unit_test(test_killed_in_between),
	    cmocka_unit_test(test_clock_is_set),
	    cmocka_unit_test(test_limits_are_unknown),
	    cmocka_unit_test(test_learned_is_kept_and_forgotten),
	    cmocka_unit_test(test_own_rates_are_never_replaced),
	    cmocka_unit_test(test_bans_grow_and_nothing_is_said),
	    cmocka_unit_test(test_limit_for_a_day_of_whose_bans_grow),
	    cmocka_unit_test(test_quota_that_others_use_up_is_not_learned),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
