/* Answers for people: aligned, and without bytes that would move the cursor. */
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", COLUMN_PLAIN},
    {"N", "n", COLUMN_NUMBER},
    {"SIZE", "size", COLUMN_SIZE},
    {"OLD", "old", COLUMN_IF_ANY},
    {"NOTE", "note", COLUMN_PLAIN},
    {.heading = NULL},
};

static void
test_table(void **state)
{
	static const struct {
		const char *rows, *expected;
	} rows[] = {
	    {"[]", "NAME  N  SIZE  NOTE\n"},
	    {"[{\"name\":\"a\",\"n\":1,\"size\":1536,\"note\":\"x\"},"
	     "{\"name\":\"long name\",\"n\":100,\"size\":10,\"note\":\"\"}]",
		"NAME         N  SIZE  NOTE\n"
		"a            1  1.5K  x\n"
		"long name  100   10B  -\n"},
	    {"[{\"name\":\"\\u00e4\",\"note\":[\"a\",\"b\"]},{\"name\":\"ab\",\"note\":[]}]",
		"NAME  N  SIZE  NOTE\n"
		"\xc3\xa4     -     -  a; b\n"
		"ab    -     -  -\n"},
	    {"[{\"name\":\"a\"},{\"name\":\"b\",\"old\":true}]", "NAME  N  SIZE  OLD  NOTE\n"
								 "a     -     -  -    -\n"
								 "b     -     -  yes  -\n"},
	    {"[{\"name\":\"\\u001b[2J\\u009b\",\"note\":true}]", "NAME         N  SIZE  NOTE\n"
								 "\\x1b[2J\\x9b  -     -  yes\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *array = json_loads(rows[i].rows, 0, NULL);
		char *text;
		size_t size;
		FILE *out = open_memstream(&text, &size);

		table_print(out, array, columns);
		(void)fclose(out);
		assert_string_equal(text, rows[i].expected);
		free(text);
		json_decref(array);
	}
}

/* 40 characters stay as they are; of 41 and more the middle goes, not half a character. */
static void
test_a_long_address_does_not_push_the_table_apart(void **state)
{
	static const struct column shorts[] = {
	    {"A", "a", COLUMN_SHORT}, {"B", "b", COLUMN_PLAIN}, {.heading = NULL}};
	static const struct {
		const char *value, *expected;
	} rows[] = {
	    {"0123456789012345678901234567890123456789",
		"0123456789012345678901234567890123456789"},
	    {"01234567890123456789012345678901234567890",
		"0123456789012345678…12345678901234567890"},
	    {"ää3456789012345678901234567890123456789012345678ä@b",
		"ää34567890123456789…23456789012345678ä@b"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *array = json_pack("[{s:s, s:s}]", "a", rows[i].value, "b", "x");
		char *text, expected[256];
		size_t size;
		FILE *out = open_memstream(&text, &size);

		(void)snprintf(
		    expected, sizeof(expected), "A%39s  B\n%s  x\n", "", rows[i].expected);
		table_print(out, array, shorts);
		(void)fclose(out);
		assert_string_equal(text, expected);
		free(text);
		json_decref(array);
	}
}

static void
test_sentences_lose_their_end(void **state)
{
	static const struct column errors[] = {
	    {"ERROR", "error", COLUMN_BEGINNING}, {.heading = NULL}};
	char text[101], expected[120], *shown;
	size_t size;
	json_t *array;
	FILE *out = open_memstream(&shown, &size);

	memset(text, 'x', 100);
	text[100] = '\0';
	array = json_pack("[{s:s}, {s:s}]", "error", "short", "error", text);
	table_print(out, array, errors);
	(void)fclose(out);
	(void)snprintf(expected, sizeof(expected), "ERROR\nshort\n%.79s…\n", text);
	assert_string_equal(shown, expected);
	free(shown);
	json_decref(array);
}

static void
test_record(void **state)
{
	json_t *record = json_loads("{\"priority_max\":1,\"profile\":null,\"active\":false,"
				    "\"senders\":[\"a@b\"]}",
	    0, NULL);
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	table_print_record(out, record);
	(void)fclose(out);
	assert_string_equal(text, "priority-max: 1\nprofile: -\nactive: no\nsenders: a@b\n");
	free(text);
	json_decref(record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_a_long_address_does_not_push_the_table_apart),
	    cmocka_unit_test(test_sentences_lose_their_end),
	    cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
