/* What smtpd knows of users: the newest counts, a transaction keeps what it began with. */
#include "daemon/smtpd/grants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct msg_grant
message(uint64_t user_id, uint32_t credential)
{
	return (struct msg_grant){.user_id = user_id,
	    .is_active = true,
	    .credential = credential,
	    .login = "billing",
	    .list = "default",
	    .priority = 3,
	    .priority_max = 1};
}

static void
test_newest_counts(void **state)
{
	struct grant_table *grants = grant_table_new();
	struct msg_grant first = message(7, 1), second = message(7, 2);
	struct grant *held;

	assert_null(grant_table_find(grants, 7));
	held = grant_hold(grant_table_put(grants, &first));
	assert_ptr_equal(grant_table_find(grants, 7), held);
	(void)grant_table_put(grants, &second);
	assert_int_equal(grant_table_find(grants, 7)->credential, 2);
	assert_int_equal(held->credential, 1);
	grant_table_forget_all(grants);
	assert_null(grant_table_find(grants, 7));
	assert_string_equal(held->login, "billing");
	grant_release(held);
	grant_table_free(grants);
}

static void
test_no_such_user(void **state)
{
	struct grant_table *grants = grant_table_new();
	struct msg_grant nobody = message(0, 0);

	assert_null(grant_table_put(grants, &nobody));
	assert_null(grant_table_find(grants, 0));
	grant_table_free(grants);
}

static void
test_limit(void **state)
{
	struct grant_table *grants = grant_table_new();

	for (uint64_t id = 1; id <= GRANTS_MAX + 1; id++) {
		struct msg_grant one = message(id, 1);

		assert_non_null(grant_table_put(grants, &one));
	}
	assert_null(grant_table_find(grants, GRANTS_MAX));
	assert_non_null(grant_table_find(grants, GRANTS_MAX + 1));
	grant_table_free(grants);
}

static void
test_login_is_whose_it_is_now(void **state)
{
	struct grant_table *grants = grant_table_new();
	struct msg_grant first = message(7, 1), second = message(8, 1);

	assert_null(grant_table_find_login(grants, "billing"));
	(void)grant_table_put(grants, &first);
	assert_int_equal(grant_table_find_login(grants, "billing")->user_id, 7);
	assert_null(grant_table_find_login(grants, "shop"));
	first.login = "archive"; /* another one has the login since */
	(void)grant_table_put(grants, &first);
	assert_null(grant_table_find_login(grants, "billing"));
	(void)grant_table_put(grants, &second);
	assert_int_equal(grant_table_find_login(grants, "billing")->user_id, 8);
	assert_int_equal(grant_table_find_login(grants, "archive")->user_id, 7);
	grant_table_forget_all(grants);
	assert_null(grant_table_find_login(grants, "billing"));
	grant_table_free(grants);
}

static void
test_rules(void **state)
{
	struct grant_table *grants = grant_table_new();
	struct msg_list_builder domains = {0};
	struct rec_item item = {.text = "example.com"};
	struct msg_grant grant = message(1, 1);
	struct grant *taken;

	message_list_add(&domains, REC_ITEM, &item);
	grant.domains = message_list_value(&domains);
	taken = grant_table_put(grants, &grant);
	message_list_fini(&domains);
	assert_true(sender_rules_allow(&taken->domains, &taken->senders, "a@example.com"));
	assert_false(sender_rules_allow(&taken->domains, &taken->senders, "a@example.org"));
	grant_table_free(grants);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_newest_counts),
	    cmocka_unit_test(test_no_such_user),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_login_is_whose_it_is_now),
	    cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
