/* Who may use a profile, and whose sender it is. */
#include "common/choosing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *text, *items; /* NULL: refused */
} texts[] = {
    {"all", "all"},
    {"web", "web"},
    {" web ; crm ,user:Bob@office;", "web;crm;user:Bob@office"},
    {"USER:bob", "user:bob"},
    {"user:", NULL},
    {";", NULL},
    {"all;web", NULL},
    {"web;all", NULL},
    {"a b", NULL},
    {"user:a:b", NULL},
    {"<web>", NULL},
};

static void
test_texts(void **state)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = {""};
		char *items = NULL;

		if (available_parse(texts[i].text, &items, &err) != 0) {
			if (texts[i].items != NULL || err.text[0] == '\0')
				fail_msg("%s: %s", texts[i].text, err.text);
			continue;
		}
		assert_non_null(texts[i].items);
		assert_string_equal(items, texts[i].items);
		free(items);
	}
}

static const struct {
	const char *items, *login, *list;
	bool is_so;
} users[] = {
    {NULL, "bob", "web", true},
    {"", "bob", "web", true},
    {"all", "bob", "web", true},
    {"web", "bob", "WEB", true},
    {"web", "bob", "webs", false},
    {"webs", "bob", "web", false},
    {"crm;web", "bob", "web", true},
    {"user:bob", "BOB", "web", true},
    {"user:bob", "bo", "web", false},
    {"user:bob", "bobby", "web", false},
    {"user:bob", "", "web", false},
    {"user:web", "bob", "web", false},
    {"crm;user:bob", "bob", "web", true},
    {"web", "", "", false},
    {"bob", "bob", "web", false},
};

static void
test_users(void **state)
{
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		if (available_to(users[i].items, users[i].login, users[i].list) != users[i].is_so)
			fail_msg("row %zu", i);
	assert_true(available_names("web;user:bob", "USER:bob"));
	assert_false(available_names("web;user:bob", "bob"));
	assert_false(available_names(NULL, "bob"));
}

static const struct {
	const char *own, *sender;
	enum sender_match match;
} senders[] = {
    {"a@b.example", "a@b.example", SENDER_SAME},
    {"a@b.example", "A@B.Example", SENDER_SAME},
    {"a@b.example", "c@b.example", SENDER_SAME_DOMAIN},
    {"a@b.example", "a@c.b.example", SENDER_OTHER},
    {"a@b.example", "a@xb.example", SENDER_OTHER},
    {"a@b.example", "", SENDER_OTHER},
    {"a@b.example", "a", SENDER_OTHER},
    {"", "a@b.example", SENDER_OTHER},
    {NULL, NULL, SENDER_OTHER},
    {"\"x@y\"@b.example", "a@b.example", SENDER_SAME_DOMAIN},
};

static void
test_senders(void **state)
{
	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
		if (sender_match(senders[i].own, senders[i].sender) != senders[i].match)
			fail_msg("row %zu", i);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_users),
	    cmocka_unit_test(test_senders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
