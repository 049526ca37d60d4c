/* What operators write into --domains and --senders, and what it allows. */
#include "common/sender_rules.h"

#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_parse(void **state)
{
	static const struct {
		const char *name;
		bool is_domains;
		const char *input, *expected; /* joined by blanks; NULL: refused */
	} rows[] = {
	    {"empty", true, "", ""},
	    {"separators", true, "a.example; b.example,c.example;",
		"a.example b.example c.example"},
	    {"blanks alone", true, " ; , ", ""},
	    {"below", true, "*.Example.com", "*.example.com"},
	    {"each once", true, "a.example;A.EXAMPLE", "a.example"},
	    {"U-label", true,
		"*.b\xc3\xbc"
		"cher.example",
		"*.xn--bcher-kva.example"},
	    {"star is for senders", true, "*", NULL},
	    {"star inside", true, "a.*.example", NULL},
	    {"an address", true, "a@b.example", NULL},
	    {"blank inside", true, "a b.example", NULL},
	    {"one bad of two", true, "a.example;b..example", NULL},
	    {"sender", false, "Info@Example.COM", "info@example.com"},
	    {"any sender", false, "a@b.example; *", "a@b.example *"},
	    {"sender with U-label", false,
		"a@b\xc3\xbc"
		"cher.example",
		"a@xn--bcher-kva.example"},
	    {"separator in quotes", false, "\"a,b;c\"@d.example", "\"a,b;c\"@d.example"},
	    {"literal", false, "a@[192.0.2.1]", "a@[192.0.2.1]"},
	    {"quotes not needed", false, "\"ab\"@d.example", "ab@d.example"},
	    {"domain among senders", false, "b.example", NULL},
	    {"star and domain", false, "*@b.example", NULL},
	    {"no domain", false, "a@", NULL},
	    {"brackets", false, "<a@b.example>", NULL},
	    {"local part in UTF-8", false, "\xc3\xa4@B.example", "\xc3\xa4@b.example"},
	    {"local part in Latin-1", false, "\xe4@b.example", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sender_rules rules;
		struct err err;
		struct buf joined;
		int rc = rows[i].is_domains
			     ? sender_rules_parse_domains(rows[i].input, &rules, &err)
			     : sender_rules_parse_senders(rows[i].input, &rules, &err);

		if (rc != (rows[i].expected != NULL ? 0 : -1))
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc != 0)
			continue;
		buf_init(&joined);
		buf_text(&joined, "");
		for (size_t n = 0; n < rules.count; n++)
			buf_printf(&joined, "%s%s", n > 0 ? " " : "", rules.items[n]);
		if (strcmp(joined.bytes, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, joined.bytes);
		buf_fini(&joined);
		sender_rules_fini(&rules);
	}
}

static void
test_error_names_the_item(void **state)
{
	struct sender_rules rules;
	struct err err;

	assert_int_equal(sender_rules_parse_senders("a@b.example; b.example", &rules, &err), -1);
	assert_non_null(strstr(err.text, "`b.example`"));
	assert_int_equal(sender_rules_parse_domains("a.example;b_.-", &rules, &err), -1);
	assert_non_null(strstr(err.text, "`b_.-`"));
}

static void
test_allow(void **state)
{
	static const struct {
		const char *name, *domains, *senders, *address;
		bool expected;
	} rows[] = {
	    {"both empty", "", "", "a@b.example", true},
	    {"star", "x.example", "*", "a@b.example", true},
	    {"domain", "b.example", "", "a@B.example", true},
	    {"domain below", "b.example", "", "a@c.b.example", false},
	    {"every domain below", "*.b.example", "", "a@c.b.example", true},
	    {"sender", "", "a@b.example", "A@b.EXAMPLE", true},
	    {"other sender", "", "a@b.example", "c@b.example", false},
	    {"domain or sender", "x.example", "a@b.example", "a@b.example", true},
	    {"at sign in quotes", "b.example", "", "\"a@b.example\"@c.example", false},
	    {"U-label", "xn--bcher-kva.example", "",
		"a@B\xc3\x9c"
		"cher.example",
		true},
	    {"below a U-label", "*.xn--bcher-kva.example", "",
		"a@c.b\xc3\xbc"
		"cher.example",
		true},
	    {"other U-label", "xn--bcher-kva.example", "",
		"a@b\xc3\xb6"
		"cher.example",
		false},
	    {"sender with U-label", "", "a@xn--bcher-kva.example",
		"A@b\xc3\xbc"
		"cher.example",
		true},
	    {"local part in UTF-8", "", "\xc3\xa4@b.example", "\xc3\xa4@B.example", true},
	    {"other local part in UTF-8", "", "\xc3\xa4@b.example", "\xc3\xb6@b.example", false},
	    {"literal", "", "a@[192.0.2.1]", "a@[192.0.2.1]", true},
	    {"no domain", "b.example", "", "postmaster", false},
	    {"null", "b.example", "", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sender_rules domains, senders;
		struct err err;

		assert_int_equal(sender_rules_parse_domains(rows[i].domains, &domains, &err), 0);
		assert_int_equal(sender_rules_parse_senders(rows[i].senders, &senders, &err), 0);
		if (sender_rules_allow(&domains, &senders, rows[i].address) != rows[i].expected)
			fail_msg("%s", rows[i].name);
		sender_rules_fini(&domains);
		sender_rules_fini(&senders);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_error_names_the_item),
	    cmocka_unit_test(test_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
