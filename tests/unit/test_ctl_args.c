/* Command lines become fields of the API, or an error that says what is wrong. */
#include "ctl/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

static const struct option_row options[] = {
    {"note", VALUE_TEXT, "TEXT", "a text"},
    {"priority-max", VALUE_NUMBER, "1-5", "a number"},
    {"active", VALUE_YES_NO, "yes|no", "a boolean"},
    {"domains", VALUE_ITEMS, "d;d", "items"},
    {"timeout", VALUE_DURATION, "60s", "a duration"},
    {"ca", VALUE_FILE, "FILE", "a file"},
    {"key", VALUE_SECRET, "FILE", "a secret"},
    {"key-stdin", VALUE_STDIN, NULL, "the same"},
    {"default", VALUE_FLAG, NULL, "a flag"},
    {"password-stdin", VALUE_STDIN, NULL, "a line"},
    {"rate", VALUE_LATER, "R", NULL},
    {"pop3-password-stdin", VALUE_LATER, NULL, NULL},
    {.name = NULL},
};

static const struct command command = {"noun", "verb", "NAME", 1, 1, options, "for the test", NULL};

struct row {
	const char *words[WORDS_MAX];
	const char *input;
	enum args_outcome outcome;
	const char *expected; /* the fields, or a part of the error */
};

static const struct row rows[] = {
    {{"n"}, "", ARGS_OK, "{}"},
    {{"n", "--note", "a b"}, "", ARGS_OK, "{\"note\":\"a b\"}"},
    {{"--note=", "n"}, "", ARGS_OK, "{\"note\":\"\"}"},
    {{"--note=a=b", "n"}, "", ARGS_OK, "{\"note\":\"a=b\"}"},
    {{"--note", "--default", "n"}, "", ARGS_OK, "{\"note\":\"--default\"}"},
    {{"--default", "n"}, "", ARGS_OK, "{\"default\":true}"},
    {{"--", "--note"}, "", ARGS_OK, "{}"},
    {{"n", "--", "--note"}, "", ARGS_USAGE, "\"--note\" (options stand before --)"},
    {{"n", "m"}, "", ARGS_USAGE, "too many names: \"m\"; one is taken: NAME"},
    {{""}, "", ARGS_USAGE, "\"\" names nothing: NAME"},
    {{"-"}, "", ARGS_OK, "{}"},
    {{"n", "--priority-max", "3"}, "", ARGS_OK, "{\"priority_max\":3}"},
    {{"n", "--priority-max", "-3"}, "", ARGS_USAGE, "not a whole number"},
    {{"n", "--priority-max", "3x"}, "", ARGS_USAGE, "not a whole number"},
    {{"n", "--priority-max", "99999999999999999999"}, "", ARGS_USAGE, "not a whole number"},
    {{"n", "--active", "no"}, "", ARGS_OK, "{\"active\":false}"},
    {{"n", "--active", "true"}, "", ARGS_USAGE, "not yes or no"},
    {{"n", "--domains", " a ; b,c;;"}, "", ARGS_OK, "{\"domains\":[\"a\",\"b\",\"c\"]}"},
    {{"n", "--domains", " ; , "}, "", ARGS_USAGE, "--domains: has separators but no item"},
    {{"n", "--domains", " "}, "", ARGS_USAGE, "only \"\" takes the items away"},
    {{"n", "--domains", ""}, "", ARGS_OK, "{\"domains\":[]}"},
    {{"n", "--domains", "a;\xff"}, "", ARGS_USAGE, "UTF-8"},
    {{"n", "--timeout", "10m"}, "", ARGS_OK, "{\"timeout\":600}"},
    {{"n", "--timeout", "500ms"}, "", ARGS_OK, "{\"timeout\":\"500ms\"}"},
    {{"n", "--timeout", "60"}, "", ARGS_USAGE, "not a duration"},
    {{"n", "--timeout", "s"}, "", ARGS_USAGE, "not a duration"},
    {{"n", "--ca", "/nonexistent/ca.pem"}, "", ARGS_REFUSED, "can't read /nonexistent/ca.pem"},
    {{"n", "--password-stdin"}, "secret\nmore\n", ARGS_OK, "{\"password\":\"secret\"}"},
    {{"n", "--password-stdin"}, "no newline", ARGS_OK, "{\"password\":\"no newline\"}"},
    {{"n", "--password-stdin"}, " kept \r\n", ARGS_OK, "{\"password\":\" kept \"}"},
    {{"n", "--password-stdin"}, "a\r\r\n", ARGS_REFUSED, "a control character"},
    {{"n", "--password-stdin"}, "a\tb\n", ARGS_REFUSED, "a control character"},
    {{"n", "--password-stdin"}, "a\033b", ARGS_REFUSED, "a control character"},
    {{"n", "--password-stdin"}, "a\xff\n", ARGS_REFUSED, "not UTF-8"},
    {{"n", "--password-stdin"}, "\n", ARGS_OK, "{\"password\":\"\"}"},
    {{"n", "--password-stdin"}, "\r\n", ARGS_OK, "{\"password\":\"\"}"},
    {{"n", "--password-stdin"}, "", ARGS_REFUSED, "there is no line"},
    {{"n", "--ca", ""}, "", ARGS_OK, "{\"ca\":\"\"}"},
    {{"n", "--key", ""}, "", ARGS_OK, "{\"key\":\"\"}"},
    {{"n", "--ca", "/proc/self/cmdline"}, "", ARGS_REFUSED, "--ca: /proc/self/cmdline is not text"},
    {{"n", "--key", "/dev/null"}, "", ARGS_REFUSED, "/dev/null is empty"},
    {{"n", "--note", "a", "--note=b"}, "", ARGS_USAGE, "--note is given twice"},
    {{"n", "--domains", "a", "--domains", "b"}, "", ARGS_USAGE, "in one: --domains d;d"},
    {{"n", "--password-stdin", "--password-stdin"}, "a\nb\n", ARGS_USAGE, "given twice"},
    {{"n", "--key", "", "--key-stdin"}, "a\n", ARGS_USAGE, "--key-stdin: its value is given"},
    {{"n", "--default", "--default"}, "", ARGS_OK, "{\"default\":true}"},
    {{"n", "--password-stdin=x"}, "", ARGS_USAGE, "takes no value"},
    {{"n", "--note"}, "", ARGS_USAGE, "needs a value"},
    {{"n", "--unknown"}, "", ARGS_USAGE, "unknown option"},
    {{"n", "-x"}, "", ARGS_USAGE, "unknown option"},
    {{"n", "--not"}, "", ARGS_USAGE, "unknown option"},
    {{"n", "--rate", "5/s"}, "", ARGS_REFUSED, "--rate: not available in this version"},
    {{"n", "--pop3-password-stdin"}, "", ARGS_REFUSED, "not available in this version"},
    {{NULL}, "", ARGS_USAGE, "NAME is missing"},
    {{"n", "m"}, "", ARGS_USAGE, "too many"},
};

static void
check_row(const struct row *row)
{
	char *words[WORDS_MAX], *text;
	/* fmemopen() takes no empty buffer: the NUL is never read. */
	FILE *input = row->input[0] == '\0'
			  ? fopen("/dev/null", "r")
			  : fmemopen((void *)(uintptr_t)row->input, strlen(row->input), "r");
	struct arguments arguments;
	struct err err = {""};
	int count = 0;

	while (row->words[count] != NULL) {
		words[count] = (char *)(uintptr_t)row->words[count];
		count++;
	}
	assert_int_equal(
	    arguments_parse(&command, words, count, input, &arguments, &err), row->outcome);
	(void)fclose(input);
	if (row->outcome != ARGS_OK) {
		if (strstr(err.text, row->expected) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", row->expected, err.text);
		return;
	}
	text = json_dumps(arguments.fields, JSON_COMPACT);
	assert_string_equal(text, row->expected);
	assert_int_equal(arguments.operand_count, 1);
	free(text);
	arguments_fini(&arguments);
}

/* A NUL doesn't end the line. */
static void
test_nul_in_a_line(void **state)
{
	static char bytes[] = "secret\0junk\n";
	char *words[] = {(char[]){"n"}, (char[]){"--password-stdin"}};
	FILE *input = fmemopen(bytes, sizeof(bytes) - 1, "r");
	struct arguments arguments;
	struct err err = {""};

	assert_int_equal(
	    arguments_parse(&command, words, 2, input, &arguments, &err), ARGS_REFUSED);
	assert_non_null(strstr(err.text, "a control character"));
	(void)fclose(input);
}

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_nul_in_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
