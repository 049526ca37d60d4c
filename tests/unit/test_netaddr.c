/* IP addresses and networks. */
#include "common/netaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_round_trip(void **state)
{
	static const struct {
		const char *input, *expected; /* NULL: refused */
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"2001:DB8:0:0::1", "2001:db8::1"},
	    {"::1", "::1"},
	    {"", NULL},
	    {"192.0.2", NULL},
	    {"192.0.2.256", NULL},
	    {"[::1]", NULL},
	    {"fe80::1%eth0", NULL},
	    {"127.0.0.1:25", NULL},
	};
	char text[NETADDR_TEXT_SIZE];
	struct netaddr address;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(netaddr_parse(rows[i].input, &address), rows[i].expected != NULL);
		if (rows[i].expected != NULL)
			assert_string_equal(netaddr_format(&address, text), rows[i].expected);
	}
}

static void
test_networks(void **state)
{
	static const struct {
		const char *network, *address;
		bool is_network, is_within;
	} rows[] = {
	    {"127.0.0.0/8", "127.1.2.3", true, true},
	    {"127.0.0.0/8", "128.0.0.1", true, false},
	    {"127.0.0.0/8", "::1", true, false},
	    {"127.0.0.0/8", "::ffff:127.0.0.1", true, true},
	    {"192.0.2.1", "192.0.2.1", true, true},
	    {"192.0.2.1", "192.0.2.2", true, false},
	    {"192.0.2.128/25", "192.0.2.127", true, false},
	    {"0.0.0.0/0", "203.0.113.9", true, true},
	    {"0.0.0.0/0", "2001:db8::1", true, false},
	    {"::/0", "203.0.113.9", true, true},
	    {"2001:db8::/33", "2001:db8:7fff::1", true, true},
	    {"2001:db8::/33", "2001:db8:8000::1", true, false},
	    {"127.0.0.1/8", "127.0.0.1", false, false},
	    {"127.0.0.0/33", "127.0.0.1", false, false},
	    {"127.0.0.0/", "127.0.0.1", false, false},
	    {"127.0.0.0/-1", "127.0.0.1", false, false},
	    {"localhost/8", "127.0.0.1", false, false},
	    {"::/129", "::1", false, false},
	};
	struct netaddr network, address;
	unsigned bits;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_network = netaddr_parse_network(rows[i].network, &network, &bits);

		if (is_network != rows[i].is_network)
			fail_msg("%s: %d", rows[i].network, is_network);
		if (!is_network)
			continue;
		assert_true(netaddr_parse(rows[i].address, &address));
		if (netaddr_is_within(&address, &network, bits) != rows[i].is_within)
			fail_msg("%s in %s", rows[i].address, rows[i].network);
	}
}

static void
test_loopback(void **state)
{
	static const struct {
		const char *address;
		bool expected;
	} rows[] = {
	    {"127.0.0.1", true},
	    {"127.255.0.9", true},
	    {"::1", true},
	    {"::ffff:127.0.0.1", true},
	    {"128.0.0.1", false},
	    {"::2", false},
	};
	struct netaddr address;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(netaddr_parse(rows[i].address, &address));
		assert_int_equal(netaddr_is_loopback(&address), rows[i].expected);
	}
}

static void
test_origins(void **state)
{
	static const struct {
		const char *address, *expected;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
	    {"2001:db8:1:2::", "2001:db8:1:2::/64"},
	    {"::1", "::1"},
	    {"127.0.0.1", "127.0.0.1"},
	};
	struct netaddr address, origin, again;
	char text[NETADDR_ORIGIN_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(netaddr_parse(rows[i].address, &address));
		origin = netaddr_origin(&address);
		assert_string_equal(netaddr_format_origin(&origin, text), rows[i].expected);
		assert_true(netaddr_parse_origin(text, &again));
		assert_memory_equal(&again, &origin, sizeof(origin));
		assert_true(netaddr_parse_origin(rows[i].address, &again));
		assert_memory_equal(&again, &origin, sizeof(origin));
		assert_int_equal(netaddr_hash(&again, 7), netaddr_hash(&origin, 7));
	}
	assert_true(netaddr_parse_origin("2001:db8::/64", &origin));
	assert_true(netaddr_wide_origin(&origin, &again));
	assert_string_equal(netaddr_format_origin(&again, text), "2001:db8::/48");
	assert_true(netaddr_parse_origin(text, &address));
	assert_memory_equal(&again, &address, sizeof(address));
	assert_memory_not_equal(&again, &origin, sizeof(origin));
	assert_false(netaddr_wide_origin(&again, &address));
	assert_true(netaddr_parse_origin("192.0.2.48", &origin));
	assert_false(netaddr_wide_origin(&origin, &again));
	assert_false(netaddr_is_wide(&origin));
	assert_true(netaddr_parse_origin("::1", &origin));
	assert_false(netaddr_wide_origin(&origin, &again));
	assert_false(netaddr_parse_origin("192.0.2.0/24", &again));
	assert_false(netaddr_parse_origin("2001:db8::/32", &again));
	assert_false(netaddr_parse_origin("2001:db8::1/64", &again));
	assert_false(netaddr_parse_origin("shop", &again));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_networks),
	    cmocka_unit_test(test_loopback),
	    cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
