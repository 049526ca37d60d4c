/* idmap: what is put in is found, also after much was removed. */
#include "daemon/queue/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_keeps_what_was_put(void **state)
{
	struct idmap map;
	static int objects[5000];

	idmap_init(&map);
	assert_null(idmap_get(&map, 1));
	for (uint64_t i = 1; i < 5000; i++)
		idmap_put(&map, i * 7, &objects[i]);
	for (uint64_t i = 1; i < 5000; i += 2)
		assert_ptr_equal(idmap_remove(&map, i * 7), &objects[i]);
	for (uint64_t i = 1; i < 5000; i++)
		assert_ptr_equal(idmap_get(&map, i * 7), i % 2 == 1 ? NULL : &objects[i]);
	assert_int_equal(map.count, 2499);
	assert_null(idmap_remove(&map, 7));
	idmap_fini(&map);
}

static void
test_walks_over_all(void **state)
{
	struct idmap map;
	uint64_t sum = 0;
	int object;

	idmap_init(&map);
	IDMAP_EACH(&map, slot)
	sum += slot->id;
	assert_int_equal(sum, 0);
	for (uint64_t i = 1; i <= 100; i++)
		idmap_put(&map, i, &object);
	IDMAP_EACH(&map, slot)
	sum += slot->id;
	assert_int_equal(sum, 5050);
	idmap_fini(&map);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_keeps_what_was_put),
	    cmocka_unit_test(test_walks_over_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
