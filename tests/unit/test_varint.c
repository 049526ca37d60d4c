/* Numbers there and back, and bytes that are none. */
#include "common/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void
test_there_and_back(void **state)
{
	static const struct {
		uint64_t number;
		size_t size;
	} rows[] = {{0, 1}, {1, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3},
	    {UINT64_C(1) << 62, 9}, {UINT64_C(1) << 63, 10}, {UINT64_MAX, 10}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf buf = {0};
		const uint8_t *at;
		uint64_t number;

		varint_append(&buf, rows[i].number);
		assert_int_equal(buf.size, rows[i].size);
		at = (const uint8_t *)buf.bytes;
		assert_true(varint_take(&at, at + buf.size, &number));
		assert_true(number == rows[i].number);
		assert_ptr_equal(at, buf.bytes + buf.size);
		buf_fini(&buf);
	}
}

static void
test_no_number(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t size;
	} rows[] = {{"nothing", "", 0}, {"cut off", "\x80", 1}, {"cut off later", "\xff\xff", 2},
	    {"more than 64 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
	    {"without end", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *at = (const uint8_t *)rows[i].bytes;
		uint64_t number;

		if (varint_take(&at, at + rows[i].size, &number))
			fail_msg("%s was taken for a number", rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
