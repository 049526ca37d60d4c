/* How many clients there are: in all, from an origin, as a user; over several smtpds. */
#include "daemon/accounts/presence.h"

#include "common/log.h"
#include "daemon/core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct loop *loop;
static struct presence *presence;
static struct config config;

static int
set_up(void **state)
{
	config = (struct config){0};
	config.limits.connections = 100;
	config.limits.connections_per_client = 3;
	config.limits.connections_per_user = 2;
	loop = loop_new();
	loop_set_clock(loop, 1000, 1000);
	presence = presence_new(loop, &config);
	return 0;
}

static int
tear_down(void **state)
{
	presence_free(presence);
	loop_free(loop);
	return 0;
}

static struct netaddr
address(const char *text)
{
	struct netaddr parsed;

	assert_true(netaddr_parse(text, &parsed));
	return parsed;
}

static enum admission
admit(unsigned smtpd, uint64_t connection, const char *text)
{
	struct netaddr parsed = address(text);

	return presence_admit(presence, smtpd, connection, &parsed);
}

static unsigned
count_from(const char *text)
{
	struct netaddr parsed = address(text), origin = netaddr_origin(&parsed);

	return presence_count_origin(presence, &origin);
}

static void
test_an_address_counts_over_all_processes(void **state)
{
	assert_int_equal(admit(0, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(1, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(2, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(0, 2, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_int_equal(admit(1, 2, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_int_equal(admit(1, 3, "192.0.2.2"), ADMISSION_GRANTED);
	presence_leave(presence, 1, 1);
	assert_int_equal(admit(0, 3, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(presence_count(presence), 4);
}

static void
test_ipv6_counts_by_64(void **state)
{
	assert_int_equal(admit(0, 1, "2001:db8::1"), ADMISSION_GRANTED);
	assert_int_equal(admit(0, 2, "2001:db8::2"), ADMISSION_GRANTED);
	assert_int_equal(admit(0, 3, "2001:db8::ffff:ffff:ffff:ffff"), ADMISSION_GRANTED);
	assert_int_equal(admit(0, 4, "2001:db8::4"), ADMISSION_CLIENT_FULL);
	assert_int_equal(admit(0, 5, "2001:db8:0:1::1"), ADMISSION_GRANTED);
	assert_int_equal(count_from("2001:db8::9"), 3);
}

static void
test_all_clients(void **state)
{
	config.limits.connections = 2;
	assert_int_equal(admit(0, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(1, 1, "192.0.2.2"), ADMISSION_GRANTED);
	assert_int_equal(admit(0, 2, "192.0.2.3"), ADMISSION_FULL);
	assert_int_equal(count_from("192.0.2.3"), 0);
	presence_leave(presence, 0, 1);
	assert_int_equal(admit(0, 3, "192.0.2.3"), ADMISSION_GRANTED);
}

static void
test_no_limit(void **state)
{
	config.limits.connections_per_client = config.limits.connections_per_user = 0;
	for (unsigned i = 1; i <= 50; i++) {
		assert_int_equal(admit(0, i, "192.0.2.1"), ADMISSION_GRANTED);
		assert_true(presence_take_user(presence, 0, i, 7));
	}
	assert_int_equal(presence_count_user(presence, 7), 50);
}

static void
test_roomy_is_below_half_of_every_limit(void **state)
{
	config.limits.connections_per_client = 0;
	config.limits.connections_per_user = 0;
	config.limits.connections = 4;
	assert_true(presence_is_roomy(presence));
	assert_int_equal(admit(0, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_true(presence_is_roomy(presence));
	assert_int_equal(admit(1, 1, "192.0.2.2"), ADMISSION_GRANTED);
	assert_false(presence_is_roomy(presence));
	config.limits.connections = 100;
	assert_true(presence_is_roomy(presence));
	config.limits.connections_per_client = 4;
	assert_false(presence_is_roomy(presence));
	config.limits.connections_per_client = 0;
	config.limits.connections_per_user = 4;
	assert_false(presence_is_roomy(presence));
}

static void
test_users(void **state)
{
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(admit(i, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_true(presence_take_user(presence, 1, 1, 7));
	assert_true(presence_take_user(presence, 1, 1, 7)); /* asked again: no other connection */
	assert_true(presence_take_user(presence, 2, 1, 7));
	assert_false(presence_take_user(presence, 3, 1, 7));
	assert_true(presence_take_user(presence, 3, 1, 8));
	/* another user from now on */
	assert_true(presence_take_user(presence, 2, 1, 8));
	assert_int_equal(presence_count_user(presence, 7), 1);
	assert_int_equal(presence_count_user(presence, 8), 2);
	presence_leave(presence, 3, 1);
	assert_int_equal(presence_count_user(presence, 8), 1);
	/* nobody's connection */
	assert_true(presence_take_user(presence, 9, 9, 7));
	assert_int_equal(presence_count_user(presence, 7), 1);
}

static void
test_a_process_that_dies_takes_its_clients_along(void **state)
{
	assert_int_equal(admit(0, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(1, 1, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(admit(1, 2, "192.0.2.1"), ADMISSION_GRANTED);
	assert_true(presence_take_user(presence, 1, 1, 7));
	presence_forget_smtpd(presence, 1);
	assert_int_equal(presence_count(presence), 1);
	assert_int_equal(count_from("192.0.2.1"), 1);
	assert_int_equal(presence_count_user(presence, 7), 0);
	presence_leave(presence, 1, 2);
	assert_int_equal(presence_count(presence), 1);
}

static void
test_told_again(void **state)
{
	struct netaddr one = address("192.0.2.1"), origin;

	for (unsigned i = 1; i <= 5; i++)
		presence_restore(presence, 0, i, &one, i == 1 ? 0 : 7);
	presence_restore(presence, 0, 5, &one, 7); /* twice is once */
	assert_int_equal(count_from("192.0.2.1"), 5);
	assert_int_equal(presence_count_user(presence, 7), 4);
	assert_int_equal(admit(0, 6, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_true(presence_find(presence, 0, 5, &origin));
	assert_memory_equal(&origin, &one, sizeof(one));
	assert_false(presence_find(presence, 1, 5, &origin));
}

static void
test_new_limits(void **state)
{
	struct config wider = config;

	wider.limits.connections_per_client = 4;
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(admit(0, i, "192.0.2.1"), ADMISSION_GRANTED);
	presence_set_config(presence, &wider);
	assert_int_equal(admit(0, 4, "192.0.2.1"), ADMISSION_GRANTED);
	presence_set_config(presence, &config);
	assert_int_equal(admit(0, 5, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_int_equal(presence_count(presence), 4);
}

/* Room that is lent is room for nobody else, whatever limit it is. */
static void
test_what_is_lent_counts_against_every_limit(void **state)
{
	struct netaddr one = address("192.0.2.1");

	config.limits.connections_per_client = 40;
	config.limits.connections_per_user = 50;
	for (unsigned i = 1; i <= 4; i++)
		assert_int_equal(admit(0, i, "192.0.2.1"), ADMISSION_GRANTED);
	assert_int_equal(presence_lend(presence, 1), 2); /* of 16 below the half of 40 */
	assert_int_equal(presence_lend(presence, 1), 2); /* not 2 more */
	config.limits.connections_per_client = 6;
	assert_int_equal(admit(0, 5, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_int_equal(admit(0, 5, "192.0.2.2"), ADMISSION_GRANTED);
	config.limits.connections = 7;
	assert_int_equal(admit(0, 6, "192.0.2.2"), ADMISSION_FULL);
	config.limits.connections_per_user = 3;
	assert_true(presence_take_user(presence, 0, 1, 7));
	assert_false(presence_take_user(presence, 0, 2, 7));
	presence_use_lease(presence, 1);
	presence_restore(presence, 1, 1, &one, 7);
	assert_int_equal(count_from("192.0.2.1"), 5);
	assert_int_equal(presence_count(presence), 6);
	assert_int_equal(presence_leased(presence, 1), 1);
	assert_int_equal(admit(0, 6, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	presence_end_lease(presence, 1);
	assert_int_equal(admit(0, 6, "192.0.2.1"), ADMISSION_GRANTED);
	assert_true(presence_take_user(presence, 0, 2, 7));
	assert_int_equal(presence_count(presence), 7);
}

static void
test_a_lease_goes_with_its_process(void **state)
{
	config.limits.connections_per_client = config.limits.connections_per_user = 0;
	assert_int_equal(presence_lend(presence, 0), 6); /* of 50 */
	assert_int_equal(presence_lend(presence, 1), 5);
	presence_forget_smtpd(presence, 0);
	assert_int_equal(presence_leased(presence, 0), 0);
	assert_int_equal(presence_leased(presence, 1), 5);
	assert_int_equal(presence_lend(presence, 0), 5); /* of 45 */
	for (unsigned i = 0; i < 9; i++) /* more than it was lent, whatever it says */
		presence_use_lease(presence, 0);
	assert_int_equal(presence_leased(presence, 0), 0);
	assert_int_equal(presence_leased(presence, 1), 5);
}

/* Of a config that has just come: nobody has come from there, and all of it is lent. */
static void
test_more_is_lent_than_a_new_limit_allows(void **state)
{
	config.limits.connections_per_client = config.limits.connections_per_user = 0;
	assert_int_equal(presence_lend(presence, 0), 6);
	config.limits.connections_per_client = 5;
	assert_int_equal(admit(1, 1, "192.0.2.1"), ADMISSION_CLIENT_FULL);
	assert_false(presence_is_roomy(presence));
	assert_int_equal(presence_lend(presence, 1), 0);
}

static void
test_small_limits_lend_nothing(void **state)
{
	config.limits.connections_per_client = 15;
	config.limits.connections_per_user = 0;
	assert_true(presence_is_roomy(presence));
	assert_int_equal(presence_lend(presence, 0), 0);
	config.limits.connections_per_client = 16;
	assert_int_equal(presence_lend(presence, 0), 1);
	assert_int_equal(presence_lend(presence, 1), 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ROW(test_an_address_counts_over_all_processes),
	    ROW(test_ipv6_counts_by_64),
	    ROW(test_all_clients),
	    ROW(test_no_limit),
	    ROW(test_roomy_is_below_half_of_every_limit),
	    ROW(test_users),
	    ROW(test_a_process_that_dies_takes_its_clients_along),
	    ROW(test_told_again),
	    ROW(test_new_limits),
	    ROW(test_what_is_lent_counts_against_every_limit),
	    ROW(test_a_lease_goes_with_its_process),
	    ROW(test_more_is_lent_than_a_new_limit_allows),
	    ROW(test_small_limits_lend_nothing),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
