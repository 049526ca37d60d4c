/* window: the oldest goes first, whatever came and went meanwhile. */
#include "daemon/queue/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define COUNT 1000

static void
test_gives_the_oldest(void **state)
{
	struct window window;
	static struct entry entries[COUNT];
	uint64_t before = 0;
	struct entry *entry;
	unsigned given = 0;

	window_init(&window);
	/* A fixed shuffle: 7919 has no common divisor with COUNT. */
	for (unsigned i = 0; i < COUNT; i++) {
		entries[i].id = i * 7919u % COUNT + 1;
		entries[i].received_at_ms = (int64_t)(entries[i].id / 3);
		window_insert(&window, &entries[i]);
	}
	assert_int_equal(window_youngest(&window)->id, COUNT);
	for (unsigned i = 0; i < COUNT; i += 4)
		window_remove(&window, &entries[i]);
	while ((entry = window_oldest(&window)) != NULL) {
		assert_true(entry->id > before);
		before = entry->id;
		given++;
		window_remove(&window, entry);
	}
	assert_int_equal(given, COUNT * 3 / 4);
	assert_null(window_youngest(&window));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_gives_the_oldest)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
