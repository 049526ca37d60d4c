/* The text of a message: what it means doesn't depend on how it was cut on its way, and no string of
 * odd line ends and dots is read in another way than a plain reading of the standard gives. */
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

static enum data_framing framing = DATA_DOTS;

/* Feeds the input in two or three pieces. */
static void
decode(const char *input, size_t size, size_t first, size_t second, struct result *result)
{
	const size_t ends[] = {first, second, size};
	size_t at = 0, written;

	memset(result, 0, sizeof(*result));
	data_init(&result->data, framing, LINE_MAX_HERE);
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

/* ---- every string there is ---- */

/* Where CRLF.CRLF ends, the CRLF before the text counting; 0: nowhere. */
static size_t
model_end(const char *input, size_t size)
{
	for (size_t i = 0; i + 3 <= size; i++)
		if (memcmp(input + i, ".\r\n", 3) == 0 &&
		    (i == 0 || (i >= 2 && memcmp(input + i - 2, "\r\n", 2) == 0)))
			return i + 3;
	return 0;
}

static unsigned
model_faults(const char *text, size_t size)
{
	unsigned faults = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\0')
			faults |= DATA_NUL;
		if (text[i] == '\r' && (i + 1 == size || text[i + 1] != '\n'))
			faults |= DATA_BARE_CR;
		if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r'))
			faults |= DATA_BARE_LF;
	}
	return faults;
}

/* Of a text without faults: the dot that begins a line goes. */
static size_t
model_unstuff(const char *text, size_t size, char *out)
{
	size_t written = 0;

	for (size_t i = 0; i < size; i++)
		if (text[i] != '.' || (i > 0 && text[i - 1] != '\n'))
			out[written++] = text[i];
	return written;
}

static void
check_dots(const char *input, size_t size)
{
	size_t end = model_end(input, size), text = end - 3, expected_size;
	unsigned faults = model_faults(input, text);
	char expected[SIZE_MAX_HERE];
	struct result result;

	expected_size = model_unstuff(input, text, expected);
	for (size_t split = 0; split <= size; split++) {
		decode(input, size, split, split, &result);
		assert_true(result.data.is_done);
		assert_int_equal(result.used, end);
		assert_int_equal(result.data.faults, faults);
		if (faults == 0) {
			assert_int_equal(result.size, expected_size);
			assert_memory_equal(result.out, expected, expected_size);
		}
	}
}

static void
check_chunks(const char *input, size_t size)
{
	bool is_open = size > 0 && input[size - 1] != '\n';
	unsigned faults = model_faults(input, size);
	struct result result;
	size_t added;

	for (size_t split = 0; split <= size; split++) {
		decode(input, size, split, split, &result);
		data_finish(&result.data, (uint8_t *)result.out + result.size, &added);
		assert_true(result.data.is_done);
		assert_int_equal(result.data.faults, faults);
		if (faults == 0) {
			assert_int_equal(result.size, size);
			assert_memory_equal(result.out, input, size);
			assert_int_equal(added, is_open ? 2 : 0);
		}
	}
}

static void
each_string(size_t length, void (*check_one)(const char *input, size_t length))
{
	static const char octets[] = {'\r', '\n', '.', '\0', '\x85'};
	char input[SIZE_MAX_HERE] = {0};
	size_t digits[16] = {0}, at;

	do {
		for (size_t i = 0; i < length; i++)
			input[i] = octets[digits[i]];
		check_one(input, length);
		for (at = 0; at < length && ++digits[at] == sizeof(octets); at++)
			digits[at] = 0;
	} while (at < length);
}

/* The end comes for certain, and what is behind it stays. */
static void
check_string_with_dots(const char *input, size_t length)
{
	char all[SIZE_MAX_HERE];

	memcpy(all, input, length);
	memcpy(all + length, "\r\n.\r\n.\r\n", 8);
	check_dots(all, length + 8);
}

static void
test_every_string(void **state)
{
	for (size_t length = 0; length <= 7; length++)
		each_string(length, check_string_with_dots);
}

static void
test_every_string_in_chunks(void **state)
{
	framing = DATA_CHUNKS;
	for (size_t length = 0; length <= 7; length++)
		each_string(length, check_chunks);
	framing = DATA_DOTS;
}

static void
test_long_line(void **state)
{
	char text[LINE_MAX_HERE + 2 + 3] = "";
	struct result result;

	for (size_t length = LINE_MAX_HERE - 1; length <= LINE_MAX_HERE + 2; length++)
		for (size_t split = 0; split < length; split++) {
			memset(text, 'x', length);
			decode(text, length, split, length, &result);
			assert_int_equal(
			    result.data.faults, length > LINE_MAX_HERE ? DATA_LONG_LINE : 0);
		}
	decode("..34567890123456789012\r\n1234567890\r\n1234567890", 46, 3, 30, &result);
	assert_int_equal(result.data.faults, DATA_LONG_LINE);
	decode("..3456789012345678901\r\n1234567890\r\n1234567890", 45, 3, 30, &result);
	assert_int_equal(result.data.faults, 0);
}

static void
test_fault_is_named(void **state)
{
	struct data data;

	data_init(&data, DATA_DOTS, LINE_MAX_HERE);
	assert_null(data_fault_text(&data));
	data.faults = DATA_BARE_LF | DATA_NUL;
	assert_string_equal(data_fault_text(&data), "bare LF");
	data.faults = DATA_LONG_LINE;
	assert_string_equal(data_fault_text(&data), "line too long");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_every_string),
	    cmocka_unit_test(test_every_string_in_chunks),
	    cmocka_unit_test(test_long_line),
	    cmocka_unit_test(test_fault_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
