/* Which profile mail goes through, by its user and its sender: a queue role between fake ones. */
#include "common/ident.h"
#include "tests/lib/queue_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { OFFICE = 5, NEWS = 6, SHOP = 8 };

static unsigned seen; /* deliveries that were expected */
static const enum fate delivered[] = {FATE_DELIVERED};

static int
set_up(void **state)
{
	struct queue_world *world = malloc(sizeof(*world));

	world_init(world);
	seen = 0;
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

static const struct msg_route office = {
    .row = ROUTE_PROFILE, .id = OFFICE, .name = "office", .version = 1, .connections = 9};
static const struct msg_route news = {.row = ROUTE_PROFILE,
    .id = NEWS,
    .name = "news",
    .version = 1,
    .connections = 9,
    .from = "news@a.example"};
static const struct msg_route shop = {
    .row = ROUTE_USER, .id = 7, .name = "shop", .list = "web", .profile_id = OFFICE};

/* office is the default profile, news is for its sender. */
static void
send_map(struct queue_world *world)
{
	world_send_row(world, &(struct msg_route){.row = ROUTE_BEGIN});
	world_send_row(world, &office);
	world_send_row(world, &news);
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_SENDER, .id = 1, .name = "news@a.example"});
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_SENDER, .id = 2, .name = "a.example"});
	world_send_row(world, &shop);
	world_send_row(world, &(struct msg_route){.row = ROUTE_LIST, .profile_id = OFFICE});
	world_send_row(world,
	    &(struct msg_route){.row = ROUTE_LIST, .id = 3, .name = "web", .profile_id = OFFICE});
	world_send_row(world, &(struct msg_route){.row = ROUTE_END});
}

static char mark[32];

static bool
has_mark(struct queue_world *world)
{
	return world_call(world, "GET", "/v1/queue", "") == 200 &&
	       strstr(world->result, mark) != NULL;
}

/* The rows that were sent have been taken. */
static void
settle_rows(struct queue_world *world)
{
	static unsigned count;

	(void)snprintf(mark, sizeof(mark), "mark%u.", ++count);
	world_send_row(world, &(struct msg_route){.row = ROUTE_PROFILE, .id = 99, .name = mark});
	assert_true(world_wait(world, has_mark));
}

static void
start(struct queue_world *world)
{
	assert_true(world_start(world, NULL));
	send_map(world);
	settle_rows(world);
}

static uint64_t
submit(struct queue_world *world, const char *from, const char *sender)
{
	world->from_address = from;
	world->sender = sender;
	return world_submit(world, 1, 500, 3);
}

static uint64_t
profile_of(const struct queue_world *world, uint64_t id)
{
	for (unsigned i = 0; i < world->delivery_count; i++)
		if (world->deliveries[i].message_id == id)
			return world->deliveries[i].profile_id;
	return 0;
}

/* The next delivery, which this is; it is delivered. */
static void
expect_next(struct queue_world *world, uint64_t id, uint64_t profile_id)
{
	unsigned at = world->delivery_count;

	assert_true(world_wait_deliveries(world, at + 1));
	assert_int_equal(profile_of(world, id), profile_id);
	world_report(world, &world->deliveries[at], delivered, 1);
}

static void
expect_through(struct queue_world *world, const char *from, uint64_t profile_id)
{
	unsigned at = world->delivery_count;
	uint64_t id;

	settle_rows(world);
	id = submit(world, from, "");
	assert_true(world_wait_deliveries(world, at + 1));
	assert_int_equal(profile_of(world, id), profile_id);
	world_report(world, &world->deliveries[at], delivered, 1);
}

static const struct {
	const char *from, *sender;
	uint64_t profile_id;
} senders[] = {
    {"news@a.example", "bounces@c.example", NEWS},
    {"NEWS@A.example", "", NEWS},
    {"other@a.example", "", NEWS},
    {"", "news@a.example", NEWS},
    {"x@c.example", "news@a.example", NEWS},
    {"x@c.example", "x@c.example", OFFICE},
    {"news@b.a.example", "", OFFICE},
    {"", "", OFFICE},
    {"a.example", "", OFFICE},
};

static void
test_sender_leads_to_the_profile_that_has_it(void **state)
{
	struct queue_world *world = *state;

	start(world);
	world_connect_relay(world, NULL, 0);
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		unsigned at = world->delivery_count;
		uint64_t id = submit(world, senders[i].from, senders[i].sender);

		assert_true(world_wait_deliveries(world, at + 1));
		if (profile_of(world, id) != senders[i].profile_id)
			fail_msg("<%s> <%s> went through %d", senders[i].from, senders[i].sender,
			    (int)profile_of(world, id));
		world_report(world, &world->deliveries[at], delivered, 1);
	}
}

static void
change_user(struct queue_world *world, bool is_bound)
{
	struct msg_route row = shop;

	row.is_bound = is_bound;
	world_send_row(world, &row);
}

/* What is queued follows the map, and no row is touched. */
static void
test_changes_lead_what_is_queued(void **state)
{
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	/* The user comes to have a profile of its own: the sender doesn't count. */
	id = submit(world, "news@a.example", "");
	change_user(world, true);
	world_connect_relay(world, NULL, 0);
	expect_next(world, id, OFFICE);
	/* And has none any more. */
	world_drop_relay(world);
	change_user(world, false);
	settle_rows(world);
	id = submit(world, "news@a.example", "");
	change_user(world, true);
	change_user(world, false);
	world_connect_relay(world, NULL, 0);
	expect_next(world, id, NEWS);
}

static void
test_sender_is_known_after_a_restart(void **state)
{
	struct queue_world *world = *state;
	uint64_t by_sender, by_user;

	start(world);
	by_sender = submit(world, "x@a.example", "");
	by_user = submit(world, "x@c.example", "");
	world_kill(world);
	assert_true(world_start(world, NULL));
	send_map(world);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait_deliveries(world, 2));
	assert_int_equal(profile_of(world, by_sender), NEWS);
	assert_int_equal(profile_of(world, by_user), OFFICE);
}

static void
test_without_the_profile_its_senders_go_like_others(void **state)
{
	struct queue_world *world = *state;
	struct msg_route other = news;
	uint64_t id;

	start(world);
	id = submit(world, "x@a.example", "");
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_PROFILE, .id = NEWS, .is_gone = true});
	world_connect_relay(world, NULL, 0);
	expect_next(world, id, OFFICE);
	/* Another comes to be for this domain. */
	world_drop_relay(world);
	other.id = SHOP;
	other.name = "shop";
	other.from = "b@a.example";
	world_send_row(world, &other);
	settle_rows(world);
	id = submit(world, "x@a.example", "");
	world_connect_relay(world, NULL, 0);
	expect_next(world, id, SHOP);
}

static void
test_of_several_for_a_domain_the_address_decides(void **state)
{
	struct queue_world *world = *state;
	struct msg_route other = news;

	start(world);
	other.id = SHOP;
	other.name = "shop";
	other.from = "shop@a.example";
	world_send_row(world, &other);
	world_send_row(
	    world, &(struct msg_route){.row = ROUTE_SENDER, .id = 9, .name = "shop@a.example"});
	world_connect_relay(world, NULL, 0);
	expect_through(world, "shop@a.example", SHOP);
	expect_through(world, "news@a.example", NEWS);
	/* The oldest. */
	expect_through(world, "else@a.example", NEWS);
}

static void
test_profile_that_is_not_available_is_not_chosen(void **state)
{
	struct queue_world *world = *state;
	struct msg_route other = news;

	start(world);
	world_connect_relay(world, NULL, 0);
	other.available = "crm;user:billing";
	world_send_row(world, &other);
	expect_through(world, "news@a.example", OFFICE);
	other.available = "crm;user:SHOP";
	world_send_row(world, &other);
	expect_through(world, "news@a.example", NEWS);
	other.available = "web";
	world_send_row(world, &other);
	expect_through(world, "news@a.example", NEWS);
}

/* Its list is all that is known of it. */
static void
test_mail_of_a_removed_user_still_goes_by_its_sender(void **state)
{
	struct queue_world *world = *state;
	struct msg_route other = news;
	uint64_t id;

	start(world);
	other.available = "web";
	world_send_row(world, &other);
	settle_rows(world);
	id = submit(world, "news@a.example", "");
	world_send_row(world, &(struct msg_route){.row = ROUTE_USER, .id = 7, .is_gone = true});
	world_connect_relay(world, NULL, 0);
	expect_next(world, id, NEWS);
}

static bool
shows_problem(struct queue_world *world)
{
	return world->alerts > 0 && world_call(world, "GET", "/v1/messages", "") == 200 &&
	       strstr(world->result, "\"reason\":\"office is not for you\"") != NULL;
}

static void
test_why_nothing_takes_it_is_shown(void **state)
{
	struct queue_world *world = *state;
	struct msg_route row = shop;

	start(world);
	(void)submit(world, "news@a.example", "");
	(void)submit(world, "x@c.example", "");
	row.profile_id = 0;
	row.is_bound = true;
	row.problem = "office is not for you";
	world_send_row(world, &row);
	world_connect_relay(world, NULL, 0);
	assert_true(world_wait(world, shows_problem));
	assert_non_null(strstr(world->alert, "office is not for you"));
	assert_int_equal(world->delivery_count, 0);
	world_send_row(world, &shop);
	assert_true(world_wait_deliveries(world, 2));
}

/* A failure notice takes the way of the mail that it is about. */
static void
test_notice_goes_where_its_mail_went(void **state)
{
	struct queue_world *world = *state;
	static const enum fate failed[] = {FATE_FAILED};

	start(world);
	world_connect_relay(world, NULL, 0);
	(void)submit(world, "news@a.example", "news@a.example");
	assert_true(world_wait_deliveries(world, 1));
	world_report(world, &world->deliveries[0], failed, 1);
	assert_true(world_wait_deliveries(world, 2));
	assert_string_equal(world->deliveries[1].sender, "");
	assert_int_equal(world->deliveries[1].profile_id, NEWS);
}

/* ---- fallbacks ---- */

/* office, whose mail news takes meanwhile. */
static void
send_office(struct queue_world *world, const struct msg_route *more)
{
	struct msg_route row = *more;

	row.row = ROUTE_PROFILE;
	row.id = OFFICE;
	row.name = "office";
	row.version = 1;
	row.connections = 9;
	row.fallback_id = NEWS;
	if (row.fallback_after_ms == 0)
		row.fallback_after_ms = 1000;
	world_send_row(world, &row);
	settle_rows(world);
}

/* The next delivery of this message, behind those that were expected before, goes through this profile;
 * gives where it stands. */
static unsigned
expect_attempt(struct queue_world *world, uint64_t id, uint64_t profile_id)
{
	for (unsigned at = seen; world_wait_deliveries(world, at + 1); at++) {
		if (world->deliveries[at].message_id != id)
			continue;
		assert_int_equal(world->deliveries[at].profile_id, profile_id);
		seen = at + 1;
		return at;
	}
	fail_msg("there is no attempt");
	return 0;
}

static void
test_fallback_takes_over_and_gives_back(void **state)
{
	struct queue_world *world = *state;
	uint64_t first, second, third;

	start(world);
	send_office(world, &(struct msg_route){0});
	world_connect_relay(world, NULL, 0);
	first = submit(world, "x@c.example", "");
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, first, OFFICE)], ATTEMPT_UNREACHABLE);
	assert_true(world_wait_deliveries(world, 2));
	world_report(world, &world->deliveries[expect_attempt(world, first, NEWS)], delivered, 1);
	second = submit(world, "x@c.example", "");
	world_report(world, &world->deliveries[expect_attempt(world, second, NEWS)], delivered, 1);
	/* What comes when it is time looks whether it works. */
	world_settle(world, 13000);
	third = submit(world, "x@c.example", "");
	world_report(world, &world->deliveries[expect_attempt(world, third, OFFICE)], delivered, 1);
	second = submit(world, "x@c.example", "");
	(void)expect_attempt(world, second, OFFICE);
}

/* Behind a start it takes a moment until all is counted. */
static bool
is_known(struct queue_world *world)
{
	if (!world->waiting.is_known)
		world_ask_waiting(world, world->waiting.profile_id);
	return world->waiting.is_known;
}

static void
expect_waiting(struct queue_world *world, uint64_t profile_id, uint64_t messages)
{
	world_ask_waiting(world, profile_id);
	assert_true(is_known(world) || world_wait(world, is_known));
	assert_int_equal(world->waiting.profile_id, profile_id);
	assert_int_equal(world->waiting.messages, messages);
}

/* Of a profile that is to be removed: what is held as well, and what its fallback takes just now. */
static void
test_what_waits_for_a_profile(void **state)
{
	struct queue_world *world = *state;
	char body[64], text[IDENT_SIZE];
	uint64_t id;

	start(world);
	expect_waiting(world, OFFICE, 0);
	expect_waiting(world, 4711, 0);
	send_office(world, &(struct msg_route){0});
	world_connect_relay(world, NULL, 0);
	id = submit(world, "x@c.example", "");
	expect_waiting(world, OFFICE, 1);
	expect_waiting(world, NEWS, 0);
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, id, OFFICE)], ATTEMPT_UNREACHABLE);
	(void)expect_attempt(world, id, NEWS);
	expect_waiting(world, OFFICE, 1);
	expect_waiting(world, NEWS, 1);
	id = submit(world, "x@c.example", "");
	(void)snprintf(body, sizeof(body), "{\"ids\":[\"%s\"]}", ident_format(id, text));
	assert_int_equal(world_call(world, "POST", "/v1/messages/hold", body), 200);
	expect_waiting(world, OFFICE, 2);
	world_kill(world);
	start(world);
	expect_waiting(world, OFFICE, 2);
	expect_waiting(world, NEWS, 0);
}

/* Neither has it lasted for so long, nor will it. */
static void
test_fallback_waits_for_its_time(void **state)
{
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	send_office(world, &(struct msg_route){.fallback_after_ms = 3600 * 1000});
	world_connect_relay(world, NULL, 0);
	id = submit(world, "x@c.example", "");
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, id, OFFICE)], ATTEMPT_UNREACHABLE);
	world_settle(world, 3000);
	assert_int_equal(world->delivery_count, 1);
}

static void
test_fallback_that_cannot_take_it(void **state)
{
	struct queue_world *world = *state;
	struct msg_route other = news;
	uint64_t id;

	start(world);
	other.available = "crm";
	world_send_row(world, &other);
	send_office(world, &(struct msg_route){0});
	world_connect_relay(world, NULL, 0);
	id = submit(world, "x@c.example", "");
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, id, OFFICE)], ATTEMPT_AUTH_REFUSED);
	world_settle(world, 2500);
	assert_int_equal(world->delivery_count, 1);
	/* It comes to be for everybody, but is paused. */
	other.available = NULL;
	other.is_paused = true;
	world_send_row(world, &other);
	world_settle(world, 2500);
	assert_int_equal(world->delivery_count, 1);
	other.is_paused = false;
	world_send_row(world, &other);
	assert_true(world_wait_deliveries(world, 2));
	(void)expect_attempt(world, id, NEWS);
}

static void
test_what_may_have_been_sent_waits_for_its_own_profile(void **state)
{
	struct queue_world *world = *state;
	static const enum fate uncertain[] = {FATE_UNCERTAIN};
	uint64_t unsure, other;
	unsigned at;

	start(world);
	send_office(world, &(struct msg_route){.retry = "1s"});
	world_connect_relay(world, NULL, 0);
	unsure = submit(world, "x@c.example", "");
	world_report(
	    world, &world->deliveries[expect_attempt(world, unsure, OFFICE)], uncertain, 1);
	other = submit(world, "x@c.example", "");
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, other, OFFICE)], ATTEMPT_UNREACHABLE);
	at = expect_attempt(world, other, NEWS);
	world_report(world, &world->deliveries[at], delivered, 1);
	/* The other's turn comes, and passes. */
	world_settle(world, 4000);
	assert_int_equal(world->delivery_count, at + 1);
	/* When it is time it looks whether its own works again. */
	(void)expect_attempt(world, unsure, OFFICE);
}

static void
test_own_rates_overflow_if_so_set(void **state)
{
	struct queue_world *world = *state;
	uint64_t first, second;

	start(world);
	send_office(world, &(struct msg_route){.rate = "1/h"});
	world_connect_relay(world, NULL, 0);
	first = submit(world, "x@c.example", "");
	world_report(world, &world->deliveries[expect_attempt(world, first, OFFICE)], delivered, 1);
	second = submit(world, "x@c.example", "");
	world_settle(world, 2500);
	assert_int_equal(world->delivery_count, 1);
	send_office(world, &(struct msg_route){.rate = "1/h", .has_overflow = true});
	assert_true(world_wait_deliveries(world, 2));
	(void)expect_attempt(world, second, NEWS);
}

static void
test_fallback_is_taken_after_a_restart(void **state)
{
	struct queue_world *world = *state;
	uint64_t id;

	start(world);
	send_office(world, &(struct msg_route){0});
	world_connect_relay(world, NULL, 0);
	id = submit(world, "x@c.example", "");
	world_report_trouble(
	    world, &world->deliveries[expect_attempt(world, id, OFFICE)], ATTEMPT_AUTH_REFUSED);
	assert_true(world_wait_deliveries(world, 2));
	(void)expect_attempt(world, id, NEWS);
	/* What the profile's trouble is comes to disk a moment later. */
	world_settle(world, 500);
	world_kill(world);
	assert_true(world_start(world, NULL));
	send_map(world);
	send_office(world, &(struct msg_route){0});
	world_connect_relay(world, NULL, 0);
	id = submit(world, "x@c.example", "");
	(void)expect_attempt(world, id, NEWS);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_sender_leads_to_the_profile_that_has_it),
	    TEST(test_changes_lead_what_is_queued),
	    TEST(test_sender_is_known_after_a_restart),
	    TEST(test_without_the_profile_its_senders_go_like_others),
	    TEST(test_of_several_for_a_domain_the_address_decides),
	    TEST(test_profile_that_is_not_available_is_not_chosen),
	    TEST(test_mail_of_a_removed_user_still_goes_by_its_sender),
	    TEST(test_why_nothing_takes_it_is_shown),
	    TEST(test_notice_goes_where_its_mail_went),
	    TEST(test_fallback_takes_over_and_gives_back),
	    TEST(test_what_waits_for_a_profile),
	    TEST(test_fallback_waits_for_its_time),
	    TEST(test_fallback_that_cannot_take_it),
	    TEST(test_what_may_have_been_sent_waits_for_its_own_profile),
	    TEST(test_own_rates_overflow_if_so_set),
	    TEST(test_fallback_is_taken_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
