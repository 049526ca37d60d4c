/* Headers: where they end, and what is noticed on the way. */
#include "daemon/smtpd/header.h"

#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_end(void **state)
{
	static const struct {
		const char *name, *bytes;
		bool is_found;
		size_t fields_size, body_at;
	} rows[] = {
	    {"ordinary", "A: b\r\n\r\nbody\r\n", true, 6, 8},
	    {"folded", "A: b\r\n c\r\n\td\r\n\r\n", true, 14, 16},
	    {"no header", "\r\nbody\r\n", true, 0, 2},
	    {"no empty line", "A: b\r\nbody\r\n", true, 6, 6},
	    {"body alone", "Hello world\r\n", true, 0, 0},
	    {"blank first", " A: b\r\n", true, 0, 0},
	    {"blank before the colon", "A : b\r\n\r\n", true, 7, 9},
	    {"blank in the name", "A b: c\r\n\r\n", true, 0, 0},
	    {"empty name", ": c\r\n\r\n", true, 0, 0},
	    {"8-bit name", "\xc3\xa4: c\r\n\r\n", true, 0, 0},
	    {"mbox line", "From a@b.example Mon\r\nA: b\r\n\r\n", true, 0, 0},
	    {"line of blanks is a fold", "A: b\r\n \r\nC: d\r\n\r\n", true, 15, 17},
	    {"not finished", "A: b\r\nC: d\r\n", false, 12, 12},
	    {"half a line", "A: b\r\nnot a fie", false, 15, 15},
	    {"nothing", "", false, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = strlen(rows[i].bytes);
		struct header_end whole = {0}, slow = {0};
		bool is_found = header_find_end(&whole, rows[i].bytes, size);

		if (is_found != rows[i].is_found)
			fail_msg("%s: %d", rows[i].name, is_found);
		if (!is_found)
			header_end_at(&whole, size);
		if (whole.fields_size != rows[i].fields_size || whole.body_at != rows[i].body_at)
			fail_msg("%s: %zu %zu", rows[i].name, whole.fields_size, whole.body_at);
		for (size_t n = 0; n <= size; n++)
			if (header_find_end(&slow, rows[i].bytes, n))
				break;
		if (is_found && slow.body_at != whole.body_at)
			fail_msg("%s slowly: %zu", rows[i].name, slow.body_at);
	}
}

static void
test_fields(void **state)
{
	static const char bytes[] = "A: b\r\nC :d\r\n e\r\nF:\r\n";
	const char *at = bytes, *end = bytes + strlen(bytes);
	struct header_field field;

	assert_true(header_next_field(&at, end, &field));
	assert_true(header_field_is(&field, "a"));
	assert_int_equal(field.size, 6);
	assert_memory_equal(field.value, " b", field.value_length);
	assert_true(header_next_field(&at, end, &field));
	assert_true(header_field_is(&field, "C"));
	assert_int_equal(field.value_length, strlen("d\r\n e"));
	assert_memory_equal(field.value, "d\r\n e", field.value_length);
	assert_true(header_next_field(&at, end, &field));
	assert_true(header_field_is(&field, "F"));
	assert_int_equal(field.value_length, 0);
	assert_false(header_next_field(&at, end, &field));
}

static void
test_scan(void **state)
{
	static const char bytes[] =
	    "Received: one\r\nreceived: two\r\n folded\r\n"
	    "FROM: John Doe\r\n <a@b.example>\r\nSubject: \r\n a\r\n\tb\x01\xf6 \r\n"
	    "Message-Id: <x@y.example>\r\nSender: c@d.example\r\n"
	    "Importance: High\r\nX-Priority: 1 (Highest)\r\nDate: now\r\n";
	struct header header;

	header_scan(&header, bytes, strlen(bytes));
	assert_int_equal(header.received_count, 2);
	assert_true(header.has_date && header.has_message_id);
	assert_string_equal(header.message_id, "<x@y.example>");
	assert_string_equal(header.subject, "a b?"
					    "?");
	assert_int_equal(header.from.outcome, HEADER_PARSED);
	assert_string_equal(header.from.addresses.items[0], "a@b.example");
	assert_string_equal(header.from.text, "John Doe <a@b.example>");
	assert_int_equal(header.sender.outcome, HEADER_PARSED);
	assert_string_equal(header.sender.addresses.items[0], "c@d.example");
	assert_int_equal(priority_own(&header.hints), 1);
	header_fini(&header);
}

static void
test_place(void **state)
{
	static const struct {
		const char *bytes, *expected;
	} rows[] = {
	    {"From: John\r\n", "John"},
	    {"From:\r\n", ""},
	    {"From: \"x\xc3\xa4\x01\r\n\ty\r\n", "\"x??? y"},
	    {"From: John Doe of a Very Long Name, Inc. <a@b.example>\r\n",
		"of a Very Long Name, Inc. <a@b.example>"},
	    {"From: a@b.example, c@d.example x, d@e.example, d@e.example, d@e.example\r\n",
		"xample, c@d.example x, d@e.example, d@e."},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct header header;

		header_scan(&header, rows[i].bytes, strlen(rows[i].bytes));
		assert_int_equal(header.from.outcome, HEADER_UNPARSABLE);
		assert_string_equal(header.from.place, rows[i].expected);
		header_fini(&header);
	}
}

static void
test_from(void **state)
{
	static const struct {
		const char *bytes;
		enum header_addresses expected;
	} rows[] = {
	    {"To: a@b.example\r\n", HEADER_ABSENT},
	    {"From: a@b.example\r\n", HEADER_PARSED},
	    {"From : a@b.example\r\n", HEADER_PARSED},
	    {"From:\r\n", HEADER_UNPARSABLE},
	    {"From: a@b.example\r\nfrom: a@b.example\r\n", HEADER_SEVERAL},
	    {"From: x\r\nFrom: a@b.example\r\n", HEADER_SEVERAL},
	    {"From: a@b.example\r\nFrom: x\r\nFrom: y\r\n", HEADER_SEVERAL},
	    {"X-From: a@b.example\r\n", HEADER_ABSENT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct header header;

		header_scan(&header, rows[i].bytes, strlen(rows[i].bytes));
		if (header.from.outcome != rows[i].expected)
			fail_msg("%s: %d", rows[i].bytes, header.from.outcome);
		header_fini(&header);
	}
}

static void
test_long_text_is_cut(void **state)
{
	struct header header;
	struct buf bytes;

	buf_init(&bytes);
	buf_text(&bytes, "Subject: ");
	for (int i = 0; i < 2 * HEADER_TEXT_MAX; i++)
		buf_char(&bytes, 'x');
	buf_text(&bytes, "\r\n");
	header_scan(&header, bytes.bytes, bytes.size);
	assert_int_equal(strlen(header.subject), HEADER_TEXT_MAX);
	header_fini(&header);
	buf_fini(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_end),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_place),
	    cmocka_unit_test(test_from),
	    cmocka_unit_test(test_long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
