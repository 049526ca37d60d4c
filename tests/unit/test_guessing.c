/* Clients that try passwords: what counts, what it costs them, whom it keeps out and whom not. */
#include "daemon/accounts/guessing.h"

#include "common/log.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/origins.h"
#include "daemon/core/loop.h"
#include "tests/lib/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINUTE INT64_C(60000)
#define DAY (24 * 60 * MINUTE)

static char directory[SCRATCH_SIZE];
static struct loop *loop;
static struct db *db;
static struct alerts *alerts;
static struct guessing *guessing;
static struct config config;
static int64_t now_ms;
static uint64_t next_mark, next_connection;

static void
open_all(void)
{
	struct err err;

	assert_int_equal(db_open("accounts.db", &db, &err), 0);
	alerts = alerts_new(loop, db, 60 * MINUTE);
	assert_int_equal(
	    guessing_new(&(struct guessing_parts){loop, db, alerts, &config}, &guessing, &err), 0);
}

static void
close_all(void)
{
	guessing_free(guessing);
	alerts_free(alerts);
	db_close(db);
}

static void
restart(void)
{
	close_all();
	open_all();
}

static void
pass(int64_t ms)
{
	now_ms += ms;
	loop_set_clock(loop, now_ms, INT64_C(1772368264000) + now_ms);
}

static int
set_up(void **state)
{
	assert_true(scratch_make(directory, "guessing"));
	assert_int_equal(chdir(directory), 0);
	config = (struct config){0};
	config.limits.guesses = 5;
	config.limits.guess_window_ms = 60 * MINUTE;
	config.limits.shut_out_ms = 15 * MINUTE;
	loop = loop_new();
	now_ms = 0;
	next_mark = 1000;
	next_connection = 1;
	pass(1000);
	open_all();
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	close_all();
	loop_free(loop);
	assert_int_equal(chdir("/"), 0);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static struct netaddr
origin_of(const char *text)
{
	struct netaddr address;

	assert_true(netaddr_parse(text, &address));
	return netaddr_origin(&address);
}

/* A failed login; mark 0: a proof. Returns the delay. */
static uint32_t
fail_with(const char *address, const char *login, uint64_t connection, const char *mechanism,
    uint64_t mark)
{
	const struct guess guess = {
	    .origin = origin_of(address),
	    .connection = connection,
	    .login = login,
	    .mechanism = mechanism,
	    .mark = mark,
	};

	return guessing_note_bad(guessing, &guess);
}

/* So many passwords, each once and on a connection of its own. */
static void
try(const char *address, const char *login, unsigned count)
{
	while (count-- > 0)
		(void)fail_with(address, login, next_connection++, "PLAIN", next_mark++);
}

static void
log_in(const char *address, const char *login)
{
	struct netaddr origin = origin_of(address);

	guessing_note_good(guessing, &origin, login);
}

static bool
may_try(const char *address, const char *login)
{
	struct netaddr origin = origin_of(address);

	return guessing_shut_until(guessing, &origin, login) == 0;
}

static bool
is_greeted(const char *address)
{
	struct netaddr origin = origin_of(address);

	return guessing_refuses(guessing, &origin) == 0;
}

static void
add_suspect(const struct suspect *suspect, void *ctx)
{
	*(struct suspect *)ctx = *suspect;
}

static unsigned
guesses_of_only_one(void)
{
	struct suspect suspect = {.guesses = 0};

	guessing_each(guessing, add_suspect, &suspect);
	return suspect.guesses;
}

static void
test_shut_out_for_a_time(void **state)
{
	struct netaddr origin = origin_of("192.0.2.1");

	try("192.0.2.1", "shop", 4);
	assert_true(is_greeted("192.0.2.1"));
	assert_true(may_try("192.0.2.1", "shop"));
	try("192.0.2.1", "other", 1);
	assert_false(is_greeted("192.0.2.1"));
	assert_false(may_try("192.0.2.1", "shop"));
	assert_int_equal(
	    guessing_refuses(guessing, &origin), INT64_C(1772368264000) + now_ms + 15 * MINUTE);
	assert_true(is_greeted("192.0.2.2"));
	pass(15 * MINUTE - 1);
	assert_false(is_greeted("192.0.2.1"));
	pass(1);
	assert_true(is_greeted("192.0.2.1"));
	assert_true(may_try("192.0.2.1", "shop"));
	/* The bucket isn't empty yet. */
	try("192.0.2.1", "shop", 2);
	assert_false(is_greeted("192.0.2.1"));
}

static void
test_the_bucket_empties(void **state)
{
	for (int i = 0; i < 50; i++) {
		try("192.0.2.1", "shop", 1);
		assert_true(is_greeted("192.0.2.1"));
		pass(12 * MINUTE); /* a fifth of the window */
	}
	pass(60 * MINUTE);
	assert_int_equal(guesses_of_only_one(), 0);
}

static void
test_ipv6_by_64(void **state)
{
	char address[40];

	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(address, sizeof(address), "2001:db8::%x", i + 1);
		try(address, "shop", 1);
	}
	assert_false(is_greeted("2001:db8::ffff"));
	assert_true(is_greeted("2001:db8:0:1::1"));
}

/* So many /64s of one /48, a password each. */
static void
try_from_many(const char *network, unsigned begin, unsigned count)
{
	char address[60];

	for (unsigned i = begin; i < begin + count; i++) {
		(void)snprintf(address, sizeof(address), "%s:%x::1", network, i);
		try(address, "shop", 1);
	}
}

static void
test_ipv6_by_48_too(void **state)
{
	struct netaddr narrow = origin_of("2001:db8:0:9999::1");
	struct err err;

	log_in("2001:db8:0:7777::1", "home");
	try_from_many("2001:db8:0", 0, 19);
	assert_true(is_greeted("2001:db8:0:9999::1"));
	assert_true(may_try("2001:db8:0:9999::1", "shop"));
	try_from_many("2001:db8:0", 0x100, 1);
	assert_false(is_greeted("2001:db8:0:9999::1"));
	assert_false(may_try("2001:db8:0:9999::1", "shop"));
	assert_true(is_greeted("2001:db8:0:7777::1"));
	assert_true(may_try("2001:db8:0:7777::1", "home"));
	assert_true(is_greeted("2001:db8:1::1"));
	restart();
	assert_false(is_greeted("2001:db8:0:9999::1"));
	assert_int_equal(guessing_forgive(guessing, &narrow, &err), 1);
	assert_true(is_greeted("2001:db8:0:9999::1"));
}

static void
test_one_old_password_from_many_64s_shuts_nobody_out(void **state)
{
	char address[60];

	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(address, sizeof(address), "2001:db8:0:%x::1", i);
		(void)fail_with(address, "shop", next_connection++, "PLAIN", 77);
	}
	assert_true(is_greeted("2001:db8:0:9999::1"));
}

static void
test_a_phone_with_an_old_password_shuts_nobody_out(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		(void)fail_with("192.0.2.1", "shop", next_connection++, "PLAIN", 77);
		pass(MINUTE / 4);
	}
	assert_true(is_greeted("192.0.2.1"));
	assert_true(may_try("192.0.2.1", "other"));
}

static void
test_but_it_is_slowed(void **state)
{
	static const uint32_t expected[] = {0, 0, 500, 1000, 2000, 4000, 4000, 4000};

	config.limits.guesses = 20;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(fail_with("192.0.2.1", "shop", 1, "PLAIN", 77), expected[i]);
	assert_int_equal(fail_with("192.0.2.2", "shop", 2, "PLAIN", 78), 0);
	pass(60 * MINUTE);
	assert_int_equal(fail_with("192.0.2.1", "shop", 1, "PLAIN", 77), 0);
}

static void
test_one_password_with_several_mechanisms_is_one_guess(void **state)
{
	(void)fail_with("192.0.2.1", "shop", 1, "SCRAM-SHA-256-PLUS", 0);
	(void)fail_with("192.0.2.1", "shop", 1, "SCRAM-SHA-256", 0);
	(void)fail_with("192.0.2.1", "shop", 1, "CRAM-MD5", 0);
	(void)fail_with("192.0.2.1", "shop", 1, "PLAIN", 77);
	(void)fail_with("192.0.2.1", "Shop", 1, "LOGIN", 77);
	assert_int_equal(guesses_of_only_one(), 1);
	/* another connection, the same password */
	(void)fail_with("192.0.2.1", "shop", 2, "PLAIN", 77);
	assert_int_equal(guesses_of_only_one(), 1);
}

static void
test_proofs_are_counted_one_by_one(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		(void)fail_with("192.0.2.1", "shop", 1, "SCRAM-SHA-256", 0);
	assert_int_equal(guesses_of_only_one(), 3);
	(void)fail_with("192.0.2.1", "shop", 2, "SCRAM-SHA-256", 0);
	(void)fail_with("192.0.2.1", "other", 2, "SCRAM-SHA-256", 0);
	assert_false(is_greeted("192.0.2.1"));
}

static void
test_who_is_known_there_is_let_through(void **state)
{
	log_in("192.0.2.1", "shop");
	try("192.0.2.1", "admin", 5);
	assert_true(is_greeted("192.0.2.1")); /* at AUTH it turns out who it is */
	assert_true(may_try("192.0.2.1", "SHOP"));
	assert_false(may_try("192.0.2.1", "admin"));
	assert_false(may_try("192.0.2.1", "nobody"));
	assert_false(may_try("192.0.2.1", ""));
	pass(5 * MINUTE);
	assert_true(may_try("192.0.2.1", "shop"));
}

static void
take_alert_of_known(void *row, void *ctx)
{
	const struct alert *alert = row;

	if (alert->user == NULL || alert->address == NULL)
		return;
	assert_string_equal(alert->kind, "guessing");
	assert_string_equal(alert->user, "shop");
	assert_string_equal(alert->address, "192.0.2.1");
	++*(unsigned *)ctx;
}

static void
test_a_neighbour_does_not_lock_a_known_login_out(void **state)
{
	unsigned count = 0;
	struct err err;

	log_in("192.0.2.1", "shop");
	for (int i = 0; i < 100; i++) {
		try("192.0.2.1", "Shop", 22);
		assert_true(is_greeted("192.0.2.1"));
		assert_true(may_try("192.0.2.1", "shop"));
		assert_false(may_try("192.0.2.1", "other"));
		pass(5 * MINUTE);
	}
	assert_int_equal(alerts_flush(alerts, &err), 0);
	(void)db_each(db, &alert_table, &(struct db_page){0}, take_alert_of_known, &count, &err);
	assert_int_equal(count, 1);
}

static void
test_guesses_at_a_known_login_are_slowed(void **state)
{
	static const uint32_t expected[] = {0, 0, 500, 1000, 8000, 16000, 30000, 30000};

	log_in("192.0.2.1", "shop");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(
		    fail_with("192.0.2.1", "shop", i + 1, "PLAIN", i + 1), expected[i]);
	/* the same again isn't quicker, another login isn't slower */
	assert_int_equal(fail_with("192.0.2.1", "shop", 9, "PLAIN", 1), 30000);
	assert_int_equal(fail_with("192.0.2.1", "other", 10, "PLAIN", 99), 4000);
	/* With the right password there was nothing wrong. */
	log_in("192.0.2.1", "shop");
	assert_int_equal(fail_with("192.0.2.1", "shop", 11, "PLAIN", 100), 4000);
}

static void
test_many_addresses_lock_no_user_out(void **state)
{
	char address[40];

	for (unsigned i = 0; i < 250; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i);
		try(address, "shop", 4);
	}
	assert_true(may_try("198.51.100.1", "shop"));
	assert_true(is_greeted("198.51.100.1"));
	assert_true(may_try("192.0.2.7", "shop"));
}

static void
take_alert_of_login(void *row, void *ctx)
{
	const struct alert *alert = row;

	assert_string_equal(alert->kind, "guessing");
	assert_string_equal(alert->user, "shop");
	assert_null(alert->address);
	assert_non_null(strstr(alert->detail, "more than 20 guesses at this login"));
}

static int
alert_count(void)
{
	struct db_page all = {0};
	struct err err;

	assert_int_equal(alerts_flush(alerts, &err), 0);
	return db_each(db, &alert_table, &all, take_alert_of_login, NULL, &err);
}

static void
test_many_addresses_raise_an_alert(void **state)
{
	char address[40], login[40];

	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i);
		try(address, i % 2 == 0 ? "shop" : "SHOP", 1);
	}
	/* Others don't push it out of what is remembered. */
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(address, sizeof(address), "10.1.%u.%u", i / 256, i % 256);
		(void)snprintf(login, sizeof(login), "user%u", i);
		try(address, login, 1);
	}
	assert_int_equal(alert_count(), 0);
	try("192.0.2.99", "shop", 1);
	assert_int_equal(alert_count(), 1);
	assert_true(may_try("192.0.2.1", "shop"));
}

static void
test_known_is_who_was_there_lately(void **state)
{
	log_in("192.0.2.1", "shop");
	pass(31 * DAY);
	try("192.0.2.1", "admin", 5);
	assert_false(may_try("192.0.2.1", "shop"));
	assert_false(is_greeted("192.0.2.1"));
}

static void
test_http_counts_as_much(void **state)
{
	struct netaddr origin = origin_of("192.0.2.1");

	for (int i = 0; i < 5; i++)
		guessing_note_abuse(guessing, &origin, "a client that speaks HTTP");
	assert_false(is_greeted("192.0.2.1"));
}

static void
test_a_restart_forgets_nothing(void **state)
{
	log_in("2001:db8::1", "shop");
	try("2001:db8::1", "admin", 5);
	try("192.0.2.1", "admin", 5);
	try("192.0.2.2", "admin", 4);
	restart();
	assert_false(is_greeted("192.0.2.1"));
	assert_true(is_greeted("2001:db8::2"));
	assert_true(may_try("2001:db8::2", "shop"));
	assert_false(may_try("2001:db8::2", "admin"));
	assert_true(is_greeted("192.0.2.2"));
	try("192.0.2.2", "admin", 1);
	assert_false(is_greeted("192.0.2.2"));
	pass(15 * MINUTE);
	restart();
	assert_true(is_greeted("192.0.2.1"));
}

static void
test_a_shut_out_is_on_disk_at_once(void **state)
{
	try("192.0.2.1", "admin", 5);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	/* As after kill -9: nothing is flushed at the end. */
	assert_int_equal(system("mkdir copy && cp accounts.db* copy/"), 0);
	close_all();
	assert_int_equal(chdir("copy"), 0);
	open_all();
	assert_false(is_greeted("192.0.2.1"));
	assert_int_equal(chdir(".."), 0);
}

static void
test_forgiven(void **state)
{
	struct netaddr origin = origin_of("192.0.2.1"), other = origin_of("192.0.2.9");
	struct err err;

	try("192.0.2.1", "admin", 5);
	assert_int_equal(guessing_forgive(guessing, &other, &err), 0);
	assert_int_equal(guessing_forgive(guessing, &origin, &err), 1);
	assert_true(is_greeted("192.0.2.1"));
	try("192.0.2.1", "admin", 4);
	assert_true(is_greeted("192.0.2.1"));
	assert_int_equal(guessing_forgive(guessing, &origin, &err), 1);
	restart();
	assert_true(is_greeted("192.0.2.1"));
	assert_int_equal(guesses_of_only_one(), 0);
}

static void
test_switched_off(void **state)
{
	config.limits.guesses = 0;
	try("192.0.2.1", "admin", 1000);
	assert_true(is_greeted("192.0.2.1"));
	assert_int_equal(fail_with("192.0.2.1", "admin", 1, "PLAIN", 1), 0);
}

static void
test_a_clock_that_was_set_back_shuts_nobody_out_for_ever(void **state)
{
	try("192.0.2.1", "admin", 5);
	pass(-365 * DAY);
	assert_true(is_greeted("192.0.2.1"));
}

static void
take_alert(void *row, void *ctx)
{
	const struct alert *alert = row;

	assert_string_equal(alert->kind, "guessing");
	assert_string_equal(alert->address, "2001:db8::/64");
	assert_non_null(
	    strstr(alert->detail, "5 guesses, the last one at user admin; shut out until"));
}

static void
test_alert(void **state)
{
	struct err err;

	try("2001:db8::5", "admin", 9);
	assert_int_equal(alerts_flush(alerts, &err), 0);
	assert_int_equal(
	    db_each(db, &alert_table, &(struct db_page){0}, take_alert, NULL, &err), 1);
}

static void
count_suspect(const struct suspect *suspect, void *ctx)
{
	++*(unsigned *)ctx;
}

static void
take_count(const struct db_row *row, void *ctx)
{
	*(int64_t *)ctx = db_row_number(row, 0);
}

/* Who has a /32 of IPv6 has four billion /64s. */
static void
test_any_number_of_addresses_is_bounded(void **state)
{
	struct netaddr origin = {.bytes = {0x20, 0x01, 0x0d, 0xb8}};
	struct guess guess = {.login = "shop", .mechanism = "PLAIN"};
	unsigned count = 0;
	int64_t rows = 0;
	struct err err;

	log_in("192.0.2.1", "shop");
	try("192.0.2.1", "admin", 5);
	try("192.0.2.2", "admin", 5);
	for (unsigned i = 0; i < ORIGINS_MAX + 20000; i++) {
		memcpy(origin.bytes + 4, &i, sizeof(i));
		guess.origin = origin;
		guess.mark = guess.connection = i + 1;
		(void)guessing_note_bad(guessing, &guess);
		if (i % 10000 == 0)
			assert_int_equal(guessing_flush(guessing, &err), 0);
	}
	guessing_each(guessing, count_suspect, &count);
	assert_int_equal(count, ORIGINS_MAX + 1); /* and one home */
	assert_false(is_greeted("192.0.2.2"));
	assert_true(may_try("192.0.2.1", "shop"));
	assert_false(may_try("192.0.2.1", "admin"));
	restart();
	assert_int_equal(
	    db_run(db, "SELECT count(*) FROM origin", NULL, 0, take_count, &rows, &err), 1);
	assert_in_range(rows, 1, ORIGINS_MAX + 12000);
	assert_false(is_greeted("192.0.2.2"));
	assert_true(may_try("192.0.2.1", "shop"));
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ROW(test_shut_out_for_a_time),
	    ROW(test_the_bucket_empties),
	    ROW(test_ipv6_by_64),
	    ROW(test_ipv6_by_48_too),
	    ROW(test_one_old_password_from_many_64s_shuts_nobody_out),
	    ROW(test_a_phone_with_an_old_password_shuts_nobody_out),
	    ROW(test_but_it_is_slowed),
	    ROW(test_one_password_with_several_mechanisms_is_one_guess),
	    ROW(test_proofs_are_counted_one_by_one),
	    ROW(test_who_is_known_there_is_let_through),
	    ROW(test_a_neighbour_does_not_lock_a_known_login_out),
	    ROW(test_guesses_at_a_known_login_are_slowed),
	    ROW(test_many_addresses_lock_no_user_out),
	    ROW(test_many_addresses_raise_an_alert),
	    ROW(test_known_is_who_was_there_lately),
	    ROW(test_http_counts_as_much),
	    ROW(test_a_restart_forgets_nothing),
	    ROW(test_a_shut_out_is_on_disk_at_once),
	    ROW(test_forgiven),
	    ROW(test_switched_off),
	    ROW(test_a_clock_that_was_set_back_shuts_nobody_out_for_ever),
	    ROW(test_alert),
	    ROW(test_any_number_of_addresses_is_bounded),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
