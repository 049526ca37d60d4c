/* The text of a message: what it means doesn't depend on how it was cut on its way. */
#include "daemon/smtpd/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define SIZE_MAX_HERE 256
#define LINE_MAX_HERE 20

static const struct {
	const char *name, *input;
	size_t size; /* 0: of the string */
	const char *expected;
	unsigned faults;
	size_t left; /* bytes behind the end; SIZE_MAX: there is no end */
} rows[] = {
    {"nothing", ".\r\n", 0, "", 0, 0},
    {"a line", "a\r\n.\r\n", 0, "a\r\n", 0, 0},
    {"an empty line", "\r\n.\r\n", 0, "\r\n", 0, 0},
    {"what follows stays", "a\r\n.\r\nQUIT\r\n", 0, "a\r\n", 0, 6},
    {"stuffed dots", "..\r\n...a\r\n.\r\n", 0, ".\r\n..a\r\n", 0, 0},
    {"a dot that need not be stuffed", ".a\r\n.\r\n", 0, "a\r\n", 0, 0},
    {"a dot inside", "a.\r\n.\r\n", 0, "a.\r\n", 0, 0},
    {"no end", "a\r\n.\r", 0, "a\r\n", 0, SIZE_MAX},
    {"LF dot LF", "a\n.\nb\r\n.\r\n", 0, NULL, DATA_BARE_LF, 0},
    {"LF dot CRLF", "a\n.\r\nb\r\n.\r\n", 0, NULL, DATA_BARE_LF, 0},
    {"CRLF dot LF", "a\r\n.\nb\r\n.\r\n", 0, NULL, DATA_BARE_LF, 0},
    {"CRLF dot CR", "a\r\n.\rb\r\n.\r\n", 0, NULL, DATA_BARE_CR, 0},
    {"CR dot CR", "a\r.\rb\r\n.\r\n", 0, NULL, DATA_BARE_CR, 0},
    {"CR dot CRLF", "a\r.\r\nb\r\n.\r\n", 0, NULL, DATA_BARE_CR, 0},
    {"CRLF dot CR CRLF", "a\r\n.\r\r\nb\r\n.\r\n", 0, NULL, DATA_BARE_CR, 0},
    {"CR CRLF dot CRLF", "a\r\r\n.\r\n", 0, NULL, DATA_BARE_CR, 0},
    {"LF CR", "a\n\r\n.\r\n", 0, NULL, DATA_BARE_LF, 0},
    {"LF first", "\n.\r\n\r\n.\r\n", 0, NULL, DATA_BARE_LF, 0},
    {"NUL", "a\0b\r\n.\r\n", 8, NULL, DATA_NUL, 0},
    {"NUL behind a dot", ".\0\r\n.\r\n", 7, NULL, DATA_NUL, 0},
};

struct result {
	char out[SIZE_MAX_HERE];
	size_t size, used;
	struct data data;
};

/* Feeds the input in two or three pieces. */
static void
decode(const char *input, size_t size, size_t first, size_t second, struct result *result)
{
	const size_t ends[] = {first, second, size};
	size_t at = 0, written;

	memset(result, 0, sizeof(*result));
	data_init(&result->data, DATA_DOTS, LINE_MAX_HERE);
	for (size_t i = 0; i < COUNT(ends); i++) {
		uint8_t out[SIZE_MAX_HERE];
		size_t used = data_decode(
		    &result->data, (const uint8_t *)input + at, ends[i] - at, out, &written);

		assert_true(written <= ends[i] - at + DATA_EXTRA_SIZE);
		memcpy(result->out + result->size, out, written);
		result->size += written;
		at += used;
		if (result->data.is_done)
			break;
		assert_int_equal(at, ends[i]);
	}
	result->used = at;
}

static void
check(size_t row, const struct result *result, size_t size)
{
	assert_int_equal(result->data.faults, rows[row].faults);
	assert_int_equal(result->data.is_done, rows[row].left != SIZE_MAX);
	if (rows[row].left != SIZE_MAX)
		assert_int_equal(size - result->used, rows[row].left);
	if (rows[row].expected == NULL)
		return;
	assert_int_equal(result->size, strlen(rows[row].expected));
	assert_memory_equal(result->out, rows[row].expected, result->size);
}

static void
test_every_split(void **state)
{
	struct result result;

	for (size_t row = 0; row < COUNT(rows); row++) {
		size_t size = rows[row].size > 0 ? rows[row].size : strlen(rows[row].input);

		for (size_t first = 0; first <= size; first++)
			for (size_t second = first; second <= size; second++) {
				decode(rows[row].input, size, first, second, &result);
				check(row, &result, size);
			}
	}
}

static void
test_fault_is_named(void **state)
{
	struct data data;

	data_init(&data, DATA_DOTS, LINE_MAX_HERE);
	assert_null(data_fault_text(&data));
	data.faults = DATA_BARE_LF | DATA_NUL;
	assert_string_equal(data_fault_text(&data), "bare LF");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_fault_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
