/* What leaves is dot-stuffed and has CRLF only, wherever the body is cut into pieces. */
#include "common/buf.h"
#include "daemon/relay/dotstuff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *name, *input, *expected;
} rows[] = {
    {"empty", "", ".\r\n"},
    {"one line", "a\r\n", "a\r\n.\r\n"},
    {"no final CRLF", "a", "a\r\n.\r\n"},
    {"ends in CR", "a\r", "a\r\n.\r\n"},
    {"only a dot", ".", "..\r\n.\r\n"},
    {"a line of one dot", ".\r\n", "..\r\n.\r\n"},
    {"end of data inside", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
    {"two dots", "..x\r\n", "...x\r\n.\r\n"},
    {"dot inside a line", "a.b\r\n", "a.b\r\n.\r\n"},
    {"empty lines", "\r\n\r\n.\r\n", "\r\n\r\n..\r\n.\r\n"},
    {"bare LF", "a\nb\r\n", "a\r\nb\r\n.\r\n"},
    {"bare LF and a dot", "a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
    {"bare LF first", "\n\na", "\r\n\r\na\r\n.\r\n"},
    {"bare CR", "a\rb\r\n", "a\r\nb\r\n.\r\n"},
    {"bare CR and a dot", "a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
    {"CR CR LF", "a\r\r\n.", "a\r\n\r\n..\r\n.\r\n"},
    {"smuggled end", "a\n.\r\nMAIL", "a\r\n..\r\nMAIL\r\n.\r\n"},
    {"LF CR", "a\n\r.", "a\r\n\r\n..\r\n.\r\n"},
};

static void
put(struct dotstuff *stuff, struct buf *out, const char *text, size_t size)
{
	while (size > 0) {
		struct dotstuff_piece piece = dotstuff_next(stuff, (const uint8_t *)text, size);

		assert_in_range(piece.size, 1, size);
		buf_text(out, piece.insert);
		buf_append(out, text, piece.size);
		text += piece.size;
		size -= piece.size;
	}
}

/* The body in three pieces, cut at `first` and `second`. */
static void
check(const char *name, const char *input, size_t first, size_t second, const char *expected)
{
	struct dotstuff stuff = {0};
	struct buf out;

	buf_init(&out);
	put(&stuff, &out, input, first);
	put(&stuff, &out, input + first, second - first);
	put(&stuff, &out, input + second, strlen(input) - second);
	buf_text(&out, dotstuff_end(&stuff));
	if (strcmp(out.bytes, expected) != 0)
		fail_msg("%s, cut at %zu and %zu: %s", name, first, second, out.bytes);
	buf_fini(&out);
}

/* Of a chunk: the same octets without the stuffed dots and the final one. */
static void
check_counted(const char *name, const char *input, size_t cut, const char *stuffed)
{
	struct dotstuff stuff = {.keeps_dots = true};
	struct buf out, expected;
	bool is_start = true;

	buf_init(&out);
	buf_init(&expected);
	put(&stuff, &out, input, cut);
	put(&stuff, &out, input + cut, strlen(input) - cut);
	buf_text(&out, dotstuff_end(&stuff));
	for (const char *at = stuffed; *at != '\0'; at++) {
		if (!is_start || *at != '.')
			buf_char(&expected, *at);
		is_start = *at == '\n';
	}
	expected.size -= 2; /* the final dot was one, its line end is left */
	assert_int_equal(out.size, expected.size);
	if (memcmp(out.bytes, expected.bytes, out.size) != 0)
		fail_msg("%s, cut at %zu: %s", name, cut, out.bytes);
	buf_fini(&expected);
	buf_fini(&out);
}

static void
test_every_split_of_a_chunk(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_empty = rows[i].input[0] == '\0';

		for (size_t cut = 0; cut <= strlen(rows[i].input) && !is_empty; cut++)
			check_counted(rows[i].name, rows[i].input, cut, rows[i].expected);
	}
}

static void
test_every_split(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t size = strlen(rows[i].input);

		for (size_t first = 0; first <= size; first++)
			for (size_t second = first; second <= size; second++)
				check(rows[i].name, rows[i].input, first, second, rows[i].expected);
	}
}

/* A body that needs no change is one piece: it can leave without a copy. */
static void
test_clean_body_is_one_piece(void **state)
{
	static const char body[] = "From: a\r\n\r\nline\r\n\r\nlast .\r\n";
	struct dotstuff stuff = {0};
	struct dotstuff_piece piece =
	    dotstuff_next(&stuff, (const uint8_t *)body, sizeof(body) - 1);

	assert_string_equal(piece.insert, "");
	assert_int_equal(piece.size, sizeof(body) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_every_split_of_a_chunk),
	    cmocka_unit_test(test_clean_body_is_one_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
