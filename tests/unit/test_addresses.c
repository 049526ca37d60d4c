/* From: and Sender: - what is read, and what might be read as something else. */
#include "daemon/smtpd/addresses.h"

#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_parse(void **state)
{
	static const struct {
		const char *name, *value, *expected; /* joined by blanks; NULL: unparsable */
	} rows[] = {
	    {"bare", " a@b.example", "a@b.example"},
	    {"in brackets", " <a@b.example>", "a@b.example"},
	    {"phrase", " John Doe <a@b.example>", "a@b.example"},
	    {"no blank before the bracket", "John<a@b.example>", "a@b.example"},
	    {"dots in a phrase", " John Q. Public <a@b.example>", "a@b.example"},
	    {"quoted name", " \"Doe, John\" <a@b.example>", "a@b.example"},
	    {"quoted name with an address", " \"x@y.example\" <a@b.example>", "a@b.example"},
	    {"quoted name with escapes", " \"John \\\"Q\\\" Doe\" <a@b.example>", "a@b.example"},
	    {"empty name", " \"\" <a@b.example>", "a@b.example"},
	    {"domain in lower case", " A@B.Example", "A@b.example"},
	    {"comment behind", " a@b.example (John Doe)", "a@b.example"},
	    {"comment before", " (John) <a@b.example>", "a@b.example"},
	    {"comments nested", " John (a (b \\) c) d) <a@b.example>", "a@b.example"},
	    {"folded", " John\r\n Doe\r\n\t<a@b.example>", "a@b.example"},
	    {"two", " a@b.example, C <c@d.example>", "a@b.example c@d.example"},
	    {"empty elements", " , a@b.example,, c@d.example,", "a@b.example c@d.example"},
	    {"group", " Team: a@b.example, C <c@d.example>;", "a@b.example c@d.example"},
	    {"group and another", " Team: a@b.example;, c@d.example", "a@b.example c@d.example"},
	    {"encoded word", " =?utf-8?Q?J=C3=B6rg?= <a@b.example>", "a@b.example"},
	    {"encoded word in base64", " =?UTF-8?B?SsO2cmc=?= <a@b.example>", "a@b.example"},
	    {"Japanese in escapes", " =?ISO-2022-JP?B?GyRCJDwbKEI=?= <a@b.example>", "a@b.example"},
	    {"8-bit name", " J\xc3\xb6rg <a@b.example>", "a@b.example"},
	    {"Latin-1 name", " J\xf6rg <a@b.example>", "a@b.example"},
	    {"dot in an encoded word", " =?utf-8?Q?Dr._M=C3=BCller?= <a@b.example>", "a@b.example"},
	    {"dots in encoded words", " =?utf-8?Q?A.B.?=\r\n =?utf-8?Q?.C?= <a@b.example>",
		"a@b.example"},
	    {"title with a dot", " Dr. Smith <a@b.example>", "a@b.example"},
	    {"initials without blanks", " J.R.R. Tolkien Jr. <a@b.example>", "a@b.example"},
	    {"address as a name", " x@y.example <a@b.example>", "x@y.example a@b.example"},
	    {"address as a name, no blank", " a@b.example<a@b.example>", "a@b.example a@b.example"},
	    {"address as a name in a group", " T: x@y.example <a@b.example>;",
		"x@y.example a@b.example"},
	    {"route", " <@x.example:a@b.example>", "a@b.example"},
	    {"quotes not needed", " \"a.b\"@c.example", "a.b@c.example"},
	    {"quotes needed", " \"a b\"@c.example", "\"a b\"@c.example"},
	    {"literal", " a@[192.0.2.1]", "a@[192.0.2.1]"},
	    {"blanks inside the brackets", " < a@b.example >", "a@b.example"},

	    {"empty", "", NULL},
	    {"blanks", " \r\n ", NULL},
	    {"name alone", " John Doe", NULL},
	    {"local part alone", " root", NULL},
	    {"empty brackets", " John <>", NULL},
	    {"empty group", " undisclosed:;", NULL},
	    {"group without its end", " Team: a@b.example", NULL},
	    {"group in a group", " A: B: a@b.example;;", NULL},
	    {"two addresses as a name", " x@y.example z@y.example <a@b.example>", NULL},
	    {"address and a word as a name", " x@y.example John <a@b.example>", NULL},
	    {"word and an address as a name", " John x@y.example <a@b.example>", NULL},
	    {"address as a name, empty brackets", " x@y.example <>", NULL},
	    {"address as a name, two in brackets", " a@b.example <c@d.example> <x@y.example>",
		NULL},
	    {"address in single quotes as a name", " 'a@b.example' <a@b.example>", NULL},
	    {"comma in an encoded word", " =?utf-8?Q?Doe,_John?= <a@b.example>", NULL},
	    {"bracket in an encoded word", " =?utf-8?Q?John_(X?= <a@b.example>", NULL},
	    {"comment in an encoded word", " =?utf-8?Q?John_(X)?= <a@b.example>", NULL},
	    {"semicolon in an encoded word", " =?utf-8?Q?John;_X?= <a@b.example>", NULL},
	    {"at sign in an encoded word", " =?utf-8?Q?x@y?= <a@b.example>", NULL},
	    {"dot and brackets in an encoded word", " =?utf-8?Q?A.=3Cx=40y=3E?= <a@b.example>",
		NULL},
	    {"encoded word with a dot without its end", " =?utf-8?Q?A.B <a@b.example>", NULL},
	    {"two in brackets", " <x@y.example> <a@b.example>", NULL},
	    {"something behind the bracket", " <a@b.example> x", NULL},
	    {"semicolon between", " a@b.example; c@d.example", NULL},
	    {"brackets in a quoted name", " \"<x@y.example>\" <a@b.example>", NULL},
	    {"brackets in an encoded name", " =?utf-8?Q?=3Cx=40y.example=3E?= <a@b.example>", NULL},
	    {"brackets in base64", " =?utf-8?B?PHhAeT4=?= <a@b.example>", NULL},
	    {"encoded words that can't be decoded", " =?utf-8?B?!?= <a@b.example>", NULL},
	    {"encoded line end", " =?utf-8?Q?=0D=0AFrom:?= <a@b.example>", NULL},
	    {"encoded word without its end", " =?utf-8?Q?x <a@b.example>", NULL},
	    {"encoded word in quotes", " \"=?utf-8?Q?=3Cx=3E?=\" <a@b.example>", NULL},
	    {"encoded local part", " =?utf-8?Q?x=40y?=@b.example", NULL},
	    {"address in a comment", " a@b.example (x@y.example)", NULL},
	    {"brackets in a comment", " a@b.example (<x>)", NULL},
	    {"comment that doesn't close", " a@b.example (John", NULL},
	    {"comment that closes twice", " a@b.example (John))", NULL},
	    {"quotes that don't close", " \"John <a@b.example>", NULL},
	    {"bracket that doesn't close", " <a@b.example", NULL},
	    {"blank before the at sign", " a @b.example", NULL},
	    {"blank behind the at sign", " a@ b.example", NULL},
	    {"comment in the domain", " a@b(x).example", NULL},
	    {"fold in the local part", " a.\r\n b@c.example", NULL},
	    {"blanks around dots", " a . b@c . example", NULL},
	    {"two words before the at sign", " John a@b.example", NULL},
	    {"two at signs", " a@b@c.example", NULL},
	    {"at sign in quotes", " \"x@y.example\"@b.example", NULL},
	    {"quotes inside a local part", " a.\"b\"@c.example", NULL},
	    {"two dots", " a..b@c.example", NULL},
	    {"dot first", " .a@c.example", NULL},
	    {"dot last", " a.@c.example", NULL},
	    {"dot behind the domain", " a@c.example.", NULL},
	    {"route over two domains", " <@x.example,@y.example:a@b.example>", NULL},
	    {"route without its colon", " <@x.example a@b.example>", NULL},
	    {"broken route", " <@x.example,y@z.example:a@b.example>", NULL},
	    {"8-bit local part", " \xc3\xa4@b.example", NULL},
	    {"U-label without SMTPUTF8",
		" a@b\xc3\xbc"
		"cher.example",
		NULL},
	    {"soft hyphen in a domain",
		" a@b\xc2\xad"
		"c.example",
		NULL},
	    {"wide dot in a domain",
		" a@b\xef\xbc\x8e"
		"example",
		NULL},
	    {"U-label in a route",
		" <@b\xc3\xbc"
		"cher.example:a@b.example>",
		NULL},
	    {"8-bit domain that isn't UTF-8", " a@b\xfc.example", NULL},
	    {"control character", " a\x01 <a@b.example>", NULL},
	    {"brackets in a name", " [Shop] <a@b.example>", NULL},
	    {"name that begins with a dot", " .John <a@b.example>", NULL},
	    {"backslash", " a\\b@c.example", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addresses addresses;
		struct buf joined;
		bool is_parsed = addresses_parse(&addresses, rows[i].value, strlen(rows[i].value));

		if (is_parsed != (rows[i].expected != NULL))
			fail_msg("%s: %d", rows[i].name, is_parsed);
		if (!is_parsed)
			continue;
		buf_init(&joined);
		for (size_t n = 0; n < addresses.count; n++)
			buf_printf(&joined, "%s%s", n > 0 ? " " : "", addresses.items[n]);
		if (strcmp(joined.bytes, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, joined.bytes);
		buf_fini(&joined);
		addresses_fini(&addresses);
	}
}

/* Of a message that was sent with SMTPUTF8. */
static void
test_utf8(void **state)
{
	static const struct {
		const char *value, *expected; /* NULL: can't be read */
	} rows[] = {
	    {" a@b.example", "a@b.example"},
	    {" \xc3\xa4@B.example", "\xc3\xa4@b.example"},
	    {" J\xc3\xb6rg <j\xc3\xb6rg@b\xc3\xbc"
	     "cher.example>",
		"j\xc3\xb6rg@xn--bcher-kva.example"},
	    {" \"j\xc3\xb6 rg\"@b.example", "\"j\xc3\xb6 rg\"@b.example"},
	    {" a@B\xc3\x9c"
	     "CHER.Example",
		"a@xn--bcher-kva.example"},
	    {" a@b\xc2\xad"
	     "c.example",
		NULL},
	    {" a@b\xef\xbc\x8e"
	     "example",
		NULL},
	    {" \xe4@b.example", NULL},
	    {" a\xc3@b.example", NULL},
	    {" a\xed\xa0\x80@b.example", NULL},
	    {" a\xc2\x85@b.example", NULL}, /* a control character */
	    {" =?utf-8?q?=C3=A4?=@b.example", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addresses addresses;
		bool is_parsed =
		    addresses_parse_utf8(&addresses, rows[i].value, strlen(rows[i].value));

		if (is_parsed != (rows[i].expected != NULL))
			fail_msg("%s: %d", rows[i].value, is_parsed);
		if (is_parsed)
			assert_string_equal(addresses.items[0], rows[i].expected);
		addresses_fini(&addresses);
	}
}

static void
test_nul(void **state)
{
	struct addresses addresses;

	assert_false(addresses_parse(&addresses, "a@b.example\0", 12));
	assert_false(addresses_parse(&addresses, "\"\0\" <a@b.example>", 17));
}

/* For the reply, so that somebody can find it in a long header. */
static void
test_bad_at(void **state)
{
	static const struct {
		const char *value;
		size_t expected;
	} rows[] = {
	    {"a@b.example, =?utf-8?Q?x,y?= <c@d.example>", 13},
	    {"a@b.example, \"<x>\" <c@d.example>", 14},
	    {"a@b.example, c@d..example", 15},
	    {"a@b.example, [Shop] <c@d.example>", 13},
	    {"a@b.example, \"John <c@d.example>", 13},
	    {"a@b.example (<x>)", 12},
	    {"a@b.example c@d.example", 2},
	    {"John", 4},
	    {"", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct addresses addresses;

		assert_false(addresses_parse(&addresses, rows[i].value, strlen(rows[i].value)));
		if (addresses.bad_at != rows[i].expected)
			fail_msg("%s: %zu", rows[i].value, addresses.bad_at);
	}
}

static void
test_too_many(void **state)
{
	struct addresses addresses;
	struct buf value;

	buf_init(&value);
	for (int i = 0; i < ADDRESSES_MAX; i++)
		buf_text(&value, "a@b.example,");
	assert_true(addresses_parse(&addresses, value.bytes, value.size));
	assert_int_equal(addresses.count, ADDRESSES_MAX);
	addresses_fini(&addresses);
	buf_text(&value, "a@b.example");
	assert_false(addresses_parse(&addresses, value.bytes, value.size));
	buf_fini(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_bad_at),
	    cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
