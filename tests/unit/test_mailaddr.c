/* Addresses and paths: what clients write, and the one form it's kept in. */
#include "common/mailaddr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LOCAL_64 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"

static void
test_paths(void **state)
{
	static const struct {
		const char *name;
		enum mailaddr_path path;
		const char *input;
		enum mailaddr_outcome outcome;
		const char *expected, *rest;
	} rows[] = {
	    {"plain", MAILADDR_REVERSE, "<a@b.example>", MAILADDR_OK, "a@b.example", ""},
	    {"case is kept", MAILADDR_REVERSE, "<A@B.Example>", MAILADDR_OK, "A@B.Example", ""},
	    {"null", MAILADDR_REVERSE, "<>", MAILADDR_OK, "", ""},
	    {"null and parameters", MAILADDR_REVERSE, "<> SIZE=1", MAILADDR_OK, "", "SIZE=1"},
	    {"null with a blank", MAILADDR_REVERSE, " < > ", MAILADDR_OK, "", ""},
	    {"null recipient", MAILADDR_FORWARD, "<>", MAILADDR_MALFORMED, NULL, NULL},
	    {"parameters", MAILADDR_REVERSE, "<a@b.example>  SIZE=1 BODY=7BIT", MAILADDR_OK,
		"a@b.example", "SIZE=1 BODY=7BIT"},
	    {"blank first", MAILADDR_REVERSE, " <a@b.example>", MAILADDR_OK, "a@b.example", ""},
	    {"blanks last", MAILADDR_REVERSE, "<a@b.example>  ", MAILADDR_OK, "a@b.example", ""},
	    {"no brackets", MAILADDR_REVERSE, "a@b.example SIZE=1", MAILADDR_OK, "a@b.example",
		"SIZE=1"},
	    {"blanks inside", MAILADDR_REVERSE, "< a@b.example >", MAILADDR_OK, "a@b.example", ""},
	    {"route", MAILADDR_FORWARD, "<@x.example,@y.example:a@b.example>", MAILADDR_OK,
		"a@b.example", ""},
	    {"broken route", MAILADDR_FORWARD, "<@x.example,a@b.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"quotes needed", MAILADDR_REVERSE, "<\"a b\"@b.example>", MAILADDR_OK,
		"\"a b\"@b.example", ""},
	    {"quotes not needed", MAILADDR_REVERSE, "<\"a.b\"@b.example>", MAILADDR_OK,
		"a.b@b.example", ""},
	    {"escape not needed", MAILADDR_REVERSE, "<\"\\a\"@b.example>", MAILADDR_OK,
		"a@b.example", ""},
	    {"escape needed", MAILADDR_REVERSE, "<\"a\\\"\\\\\"@b.example>", MAILADDR_OK,
		"\"a\\\"\\\\\"@b.example", ""},
	    {"at and bracket in quotes", MAILADDR_REVERSE, "<\"x@y>\"@b.example>", MAILADDR_OK,
		"\"x@y>\"@b.example", ""},
	    {"empty quotes", MAILADDR_REVERSE, "<\"\"@b.example>", MAILADDR_OK, "\"\"@b.example",
		""},
	    {"IPv4 literal", MAILADDR_FORWARD, "<a@[192.0.2.1]>", MAILADDR_OK, "a@[192.0.2.1]", ""},
	    {"IPv6 literal", MAILADDR_FORWARD, "<a@[IPv6:2001:db8::1]>", MAILADDR_OK,
		"a@[IPv6:2001:db8::1]", ""},
	    {"IPv6 without its tag", MAILADDR_FORWARD, "<a@[2001:db8::1]>", MAILADDR_MALFORMED,
		NULL, NULL},
	    {"bad literal", MAILADDR_FORWARD, "<a@[300.1.1.1]>", MAILADDR_MALFORMED, NULL, NULL},
	    {"open literal", MAILADDR_FORWARD, "<a@[192.0.2.1>", MAILADDR_MALFORMED, NULL, NULL},
	    {"postmaster", MAILADDR_FORWARD, "<Postmaster>", MAILADDR_OK, "Postmaster", ""},
	    {"postmaster sends", MAILADDR_REVERSE, "<postmaster>", MAILADDR_MALFORMED, NULL, NULL},
	    {"no domain", MAILADDR_REVERSE, "<root>", MAILADDR_MALFORMED, NULL, NULL},
	    {"empty domain", MAILADDR_REVERSE, "<a@>", MAILADDR_MALFORMED, NULL, NULL},
	    {"empty local part", MAILADDR_REVERSE, "<@b.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"two at signs", MAILADDR_REVERSE, "<a@b@c.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"two dots", MAILADDR_REVERSE, "<a..b@c.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"dot last", MAILADDR_REVERSE, "<a.@c.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"domain with a dot last", MAILADDR_REVERSE, "<a@c.example.>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"no closing bracket", MAILADDR_REVERSE, "<a@b.example", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"open quotes", MAILADDR_REVERSE, "<\"a@b.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"escape at the end", MAILADDR_REVERSE, "\"a\\", MAILADDR_MALFORMED, NULL, NULL},
	    {"junk behind", MAILADDR_REVERSE, "<a@b.example>SIZE=1", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"two addresses", MAILADDR_FORWARD, "<a@b.example>,<c@d.example>", MAILADDR_MALFORMED,
		NULL, NULL},
	    {"empty", MAILADDR_REVERSE, "", MAILADDR_MALFORMED, NULL, NULL},
	    {"control character", MAILADDR_REVERSE, "<a\x01@b.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"bare CR", MAILADDR_REVERSE, "<\"a\r\"@b.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"tab in quotes", MAILADDR_REVERSE, "<\"a\tb\"@c.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"UTF-8", MAILADDR_REVERSE, "<\xc3\xa4@b.example>", MAILADDR_OK, "\xc3\xa4@b.example",
		""},
	    {"UTF-8 in quotes", MAILADDR_REVERSE, "<\"\xc3\xa4 b\"@c.example>", MAILADDR_OK,
		"\"\xc3\xa4 b\"@c.example", ""},
	    {"U-label", MAILADDR_REVERSE, "<a@b\xc3\xbc.example>", MAILADDR_OK,
		"a@b\xc3\xbc.example", ""},
	    {"route of U-labels", MAILADDR_FORWARD, "<@b\xc3\xbc.example:a@b.example>", MAILADDR_OK,
		"a@b.example", ""},
	    {"Latin-1", MAILADDR_REVERSE, "<\xe4@b.example>", MAILADDR_MALFORMED, NULL, NULL},
	    {"Latin-1 domain", MAILADDR_REVERSE, "<a@b\xfc.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"overlong UTF-8", MAILADDR_REVERSE, "<a\xc0\xaf@b.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"a surrogate", MAILADDR_REVERSE, "<a\xed\xa0\x80@b.example>", MAILADDR_MALFORMED, NULL,
		NULL},
	    {"C1 control character", MAILADDR_REVERSE, "<a\xc2\x85@b.example>", MAILADDR_MALFORMED,
		NULL, NULL},
	    {"no U-label", MAILADDR_REVERSE, "<a@\xe2\x98\x83\xe2\x80\xae.example>",
		MAILADDR_MALFORMED, NULL, NULL},
	    {"as long as a local part may be, in octets", MAILADDR_REVERSE,
		"<\xc3\xa4" LOCAL_64 "@b.example>", MAILADDR_TOO_LONG, NULL, NULL},
	    {"longest local part", MAILADDR_REVERSE, "<" LOCAL_64 "@b.example>", MAILADDR_OK,
		LOCAL_64 "@b.example", ""},
	    {"local part too long", MAILADDR_REVERSE, "<" LOCAL_64 "m@b.example>",
		MAILADDR_TOO_LONG, NULL, NULL},
	    {"quoted and too long", MAILADDR_REVERSE, "<\"" LOCAL_64 " \"@b.example>",
		MAILADDR_TOO_LONG, NULL, NULL},
	};
	struct mailaddr address;
	struct err err;
	size_t used;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *input = rows[i].input;
		enum mailaddr_outcome outcome =
		    mailaddr_parse_path(input, strlen(input), rows[i].path, &address, &used, &err);

		if (outcome != rows[i].outcome)
			fail_msg("%s: %d", rows[i].name, outcome);
		if (outcome != MAILADDR_OK)
			continue;
		if (strcmp(address.text, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, address.text);
		if (strcmp(input + used, rows[i].rest) != 0)
			fail_msg("%s: rest %s", rows[i].name, input + used);
	}
}

static void
test_parts(void **state)
{
	static const struct {
		const char *input, *domain;
		size_t local_length;
	} rows[] = {
	    {"a@b.example", "b.example", 1},
	    {"\"a@b\"@c.example", "c.example", 5},
	    {"a@[192.0.2.1]", "[192.0.2.1]", 1},
	};
	struct mailaddr address;
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    mailaddr_parse(rows[i].input, strlen(rows[i].input), &address, &err),
		    MAILADDR_OK);
		assert_string_equal(mailaddr_domain(&address), rows[i].domain);
		assert_int_equal(address.local_length, rows[i].local_length);
	}
}

static void
test_ascii(void **state)
{
	static const struct {
		const char *input;
		bool is_ascii;
	} rows[] = {
	    {"a@b.example", true},
	    {"a@xn--bcher-kva.example", true},
	    {"\xc3\xa4@b.example", false},
	    {"a@b\xc3\xbc.example", false},
	};
	struct mailaddr address;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    mailaddr_parse(rows[i].input, strlen(rows[i].input), &address, NULL),
		    MAILADDR_OK);
		assert_int_equal(mailaddr_is_ascii(&address), rows[i].is_ascii);
	}
}

static void
test_mailbox_alone(void **state)
{
	static const char *const refused[] = {
	    "<a@b.example>", "a@b.example ", "a", "", "@b.example", "a@b.example,c@d.example"};
	struct mailaddr address;
	struct err err;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(mailaddr_parse(refused[i], strlen(refused[i]), &address, &err),
		    MAILADDR_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_paths),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_ascii),
	    cmocka_unit_test(test_mailbox_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
