/* Command lines: verb, argument, and the parameters of MAIL and RCPT. */
#include "common/smtp_verb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_split(void **state)
{
	static const struct {
		const char *line, *name, *argument; /* name NULL: refused */
	} rows[] = {
	    {"NOOP", "NOOP", ""},
	    {"noop", "NOOP", ""},
	    {"NOOP  ", "NOOP", ""},
	    {"MAIL FROM:<a@b.example> SIZE=1", "MAIL", "FROM:<a@b.example> SIZE=1"},
	    {"Ehlo\t[192.0.2.1] ", "EHLO", "[192.0.2.1]"},
	    {"", "", ""},
	    {" NOOP", "", "NOOP"},
	    {"ABCDEFGHIJKLMNO x", "ABCDEFGHIJKLMNO", "x"},
	    {"ABCDEFGHIJKLMNOP x", "", "x"},
	    {"NO\x01P", NULL, NULL},
	    {"EHLO \x7f", NULL, NULL},
	};
	struct smtp_verb verb;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_split = smtp_verb_split(rows[i].line, strlen(rows[i].line), &verb);

		assert_int_equal(is_split, rows[i].name != NULL);
		if (!is_split)
			continue;
		assert_string_equal(verb.name, rows[i].name);
		assert_int_equal(verb.argument_length, strlen(rows[i].argument));
		assert_memory_equal(verb.argument, rows[i].argument, verb.argument_length);
	}
}

static void
test_nul_is_refused(void **state)
{
	struct smtp_verb verb;

	assert_false(smtp_verb_split("NOOP\0x", 6, &verb));
}

static void
test_keyword(void **state)
{
	struct smtp_verb verb;

	assert_true(smtp_verb_split("mail from:<>", 12, &verb));
	assert_false(smtp_verb_drop_keyword(&verb, "TO:"));
	assert_true(smtp_verb_drop_keyword(&verb, "FROM:"));
	assert_int_equal(verb.argument_length, 2);
	assert_memory_equal(verb.argument, "<>", 2);
}

static void
test_mail(void **state)
{
	static const struct {
		const char *text;
		enum smtp_parameters_outcome outcome;
		bool has_size;
		uint64_t size_bytes;
		enum smtp_body body;
	} rows[] = {
	    {"", SMTP_PARAMETERS_OK, false, 0, SMTP_BODY_UNSAID},
	    {" SIZE=1000 ", SMTP_PARAMETERS_OK, true, 1000, SMTP_BODY_UNSAID},
	    {"size=0 body=8bitmime", SMTP_PARAMETERS_OK, true, 0, SMTP_BODY_8BITMIME},
	    {"BODY=7BIT  SIZE=1", SMTP_PARAMETERS_OK, true, 1, SMTP_BODY_7BIT},
	    {"AUTH=<>", SMTP_PARAMETERS_OK, false, 0, SMTP_BODY_UNSAID},
	    {"AUTH=a+2Bb@c.example", SMTP_PARAMETERS_OK, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=18446744073709551615", SMTP_PARAMETERS_OK, true, UINT64_MAX, SMTP_BODY_UNSAID},
	    {"SIZE=99999999999999999999", SMTP_PARAMETERS_OK, true, UINT64_MAX, SMTP_BODY_UNSAID},
	    {"AUTH=a+2", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=-1", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=1e3", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=000000000000000000001", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"BODY=BINARYMIME", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SIZE=1 SIZE=1", SMTP_PARAMETERS_MALFORMED, true, 1, SMTP_BODY_UNSAID},
	    {"=1", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"<b@c.example>", SMTP_PARAMETERS_MALFORMED, false, 0, SMTP_BODY_UNSAID},
	    {"SMTPUTF8", SMTP_PARAMETERS_UNKNOWN, false, 0, SMTP_BODY_UNSAID},
	    {"RET=HDRS", SMTP_PARAMETERS_UNKNOWN, false, 0, SMTP_BODY_UNSAID},
	};
	struct smtp_mail_parameters parameters;
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum smtp_parameters_outcome outcome =
		    smtp_verb_parse_mail(rows[i].text, strlen(rows[i].text), &parameters, &err);

		if (outcome != rows[i].outcome)
			fail_msg("%s: %d", rows[i].text, outcome);
		if (outcome != SMTP_PARAMETERS_OK)
			continue;
		if (parameters.has_size != rows[i].has_size ||
		    parameters.size_bytes != rows[i].size_bytes || parameters.body != rows[i].body)
			fail_msg("%s", rows[i].text);
	}
}

static void
test_rcpt(void **state)
{
	struct err err;

	assert_int_equal(smtp_verb_parse_rcpt("  ", 2, &err), SMTP_PARAMETERS_OK);
	assert_int_equal(smtp_verb_parse_rcpt("NOTIFY=NEVER", 12, &err), SMTP_PARAMETERS_UNKNOWN);
	assert_string_equal(err.text, "Parameter NOTIFY is not supported");
	assert_int_equal(smtp_verb_parse_rcpt("<x", 2, &err), SMTP_PARAMETERS_MALFORMED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_nul_is_refused),
	    cmocka_unit_test(test_keyword),
	    cmocka_unit_test(test_mail),
	    cmocka_unit_test(test_rcpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
