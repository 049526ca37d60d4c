/* Replies: those of upstreams, in pieces of any size, and our own. */
#include "common/smtp_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct row {
	const char *name, *input;
	enum smtp_reply_outcome outcome;
	const char *expected; /* as smtp_reply_format() writes it */
	const char *rest;
};

static const struct row rows[] = {
    {"one line", "250 2.1.0 Ok\r\n", SMTP_REPLY_COMPLETE, "250 2.1.0 Ok", ""},
    {"without enhanced code", "250 Ok\r\n", SMTP_REPLY_COMPLETE, "250 Ok", ""},
    {"code alone", "250\r\n", SMTP_REPLY_COMPLETE, "250 ", ""},
    {"code and blank", "250 \r\n", SMTP_REPLY_COMPLETE, "250 ", ""},
    {"enhanced code alone", "250 2.0.0\r\n", SMTP_REPLY_COMPLETE, "250 2.0.0 ", ""},
    {"several lines", "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n", SMTP_REPLY_COMPLETE,
	"550 5.7.1 one two three", ""},
    {"last line is a code alone", "250-a\r\n250\r\n", SMTP_REPLY_COMPLETE, "250 a ", ""},
    {"class of another code", "550 2.0.0 what\r\n", SMTP_REPLY_COMPLETE, "550 2.0.0 what", ""},
    {"version that's no code", "220 5.7.18-beta\r\n", SMTP_REPLY_COMPLETE, "220 5.7.18-beta", ""},
    {"the next reply stays", "250 a\r\n354 b\r\n", SMTP_REPLY_COMPLETE, "250 a", "354 b\r\n"},
    {"control characters", "250 a\x01\tb\x7f\r\n", SMTP_REPLY_COMPLETE, "250 a? b?", ""},
    {"Latin-1", "250 J\xf6rg\r\n", SMTP_REPLY_COMPLETE, "250 J?rg", ""},
    {"8-bit", "250 \xc3\xa4\r\n", SMTP_REPLY_COMPLETE, "250 \xc3\xa4", ""},
    {"not finished", "250-a\r\n250", SMTP_REPLY_PARTIAL, NULL, "250"},
    {"nothing", "", SMTP_REPLY_PARTIAL, NULL, ""},
    {"another code", "250-a\r\n550 b\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"not a code", "HTTP/1.1 400 Bad Request\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"code too small", "150 wait\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"code too large", "600 what\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"four digits", "2500 what\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"empty line", "\r\n", SMTP_REPLY_BROKEN, NULL, ""},
    {"LF alone", "250 a\n", SMTP_REPLY_BROKEN, NULL, NULL},
    {"CR alone", "250 a\rb\r\n", SMTP_REPLY_BROKEN, NULL, NULL},
};

static void
check(const struct row *row, const struct smtp_reply *reply, enum smtp_reply_outcome outcome)
{
	char text[256];

	if (outcome != row->outcome)
		fail_msg("%s: %d", row->name, outcome);
	if (row->expected != NULL &&
	    strcmp(smtp_reply_format(reply, text, sizeof(text)), row->expected) != 0)
		fail_msg("%s: %s", row->name, text);
}

static void
test_read(void **state)
{
	struct smtp_reply reply;
	struct err err;
	size_t used;

	smtp_reply_init(&reply);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		smtp_reply_clear(&reply);
		check(&rows[i], &reply,
		    smtp_reply_read(&reply, rows[i].input, strlen(rows[i].input), &used, &err));
		if (rows[i].rest != NULL && strcmp(rows[i].input + used, rows[i].rest) != 0)
			fail_msg("%s: rest %s", rows[i].name, rows[i].input + used);
	}
	smtp_reply_fini(&reply);
}

/* Each byte on its own must come to the same. */
static void
test_read_byte_by_byte(void **state)
{
	struct smtp_reply reply;
	struct err err;

	smtp_reply_init(&reply);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum smtp_reply_outcome outcome = SMTP_REPLY_PARTIAL;
		size_t start = 0, used;

		smtp_reply_clear(&reply);
		for (size_t n = 1; outcome == SMTP_REPLY_PARTIAL && n <= strlen(rows[i].input);
		     n++) {
			outcome =
			    smtp_reply_read(&reply, rows[i].input + start, n - start, &used, &err);
			start += used;
		}
		check(&rows[i], &reply, outcome);
	}
	smtp_reply_fini(&reply);
}

static void
test_limits(void **state)
{
	struct smtp_reply reply;
	struct buf input;
	struct err err;
	size_t used;

	buf_init(&input);
	smtp_reply_init(&reply);
	for (int i = 0; i <= SMTP_REPLY_LINES_MAX; i++)
		buf_text(&input, "250-x\r\n");
	assert_int_equal(
	    smtp_reply_read(&reply, input.bytes, input.size, &used, &err), SMTP_REPLY_BROKEN);
	smtp_reply_clear(&reply);
	buf_clear(&input);
	for (int i = 0; i < SMTP_REPLY_LINE_MAX; i++)
		buf_char(&input, '2');
	assert_int_equal(
	    smtp_reply_read(&reply, input.bytes, input.size, &used, &err), SMTP_REPLY_BROKEN);
	smtp_reply_fini(&reply);
	buf_fini(&input);
}

static void
test_format_cuts(void **state)
{
	static const char input[] = "250 a\xe2\x82\xac\r\n";
	struct smtp_reply reply;
	struct err err;
	char text[8];
	size_t used;

	smtp_reply_init(&reply);
	assert_int_equal(
	    smtp_reply_read(&reply, input, strlen(input), &used, &err), SMTP_REPLY_COMPLETE);
	assert_string_equal(smtp_reply_format(&reply, text, sizeof(text)), "250 a");
	smtp_reply_fini(&reply);
}

static void
test_lines(void **state)
{
	static const char ehlo[] = "250-mx.example\r\n250-SIZE 100\r\n250 PIPELINING\r\n";
	static const char *const expected[] = {"mx.example", "SIZE 100", "PIPELINING"};
	struct smtp_reply reply;
	struct err err;
	const char *next;
	size_t used, n = 0;

	smtp_reply_init(&reply);
	assert_int_equal(
	    smtp_reply_read(&reply, ehlo, strlen(ehlo), &used, &err), SMTP_REPLY_COMPLETE);
	for (const char *at = smtp_reply_text(&reply); at != NULL; at = next) {
		size_t length = smtp_reply_line_length(at, &next);

		assert_true(n < 3);
		assert_int_equal(length, strlen(expected[n]));
		assert_memory_equal(at, expected[n], length);
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(reply.line_count, 3);
	smtp_reply_fini(&reply);
}

static void
test_write(void **state)
{
	static const struct {
		unsigned code;
		const char *enhanced, *text, *expected;
	} cases[] = {
	    {250, "2.0.0", "Ok", "250 2.0.0 Ok\r\n"},
	    {220, NULL, "mx.example ESMTP", "220 mx.example ESMTP\r\n"},
	    {250, NULL, "mx.example\nSIZE 1\nHELP", "250-mx.example\r\n250-SIZE 1\r\n250 HELP\r\n"},
	    {500, "5.5.2", "a\rb", "500 5.5.2 a?b\r\n"},
	    {354, "", "", "354 \r\n"},
	};
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		smtp_reply_write(&out, cases[i].code, cases[i].enhanced, cases[i].text);
		assert_string_equal(out.bytes, cases[i].expected);
	}
	buf_fini(&out);
}

static void
test_write_cuts(void **state)
{
	char text[1000];
	struct buf out;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	buf_init(&out);
	smtp_reply_write(&out, 550, "5.7.1", text);
	assert_int_equal(out.size, 512);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_read_byte_by_byte),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_format_cuts),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_write),
	    cmocka_unit_test(test_write_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
