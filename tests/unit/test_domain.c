/* Domains: the one form they are compared in, and the rules that match them. */
#include "common/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

static void
test_normalise(void **state)
{
	static const struct {
		const char *name, *input, *expected;
	} rows[] = {
	    {"as it is", "example.com", "example.com"},
	    {"lower case", "Example.COM", "example.com"},
	    {"one label", "localhost", "localhost"},
	    {"underscore", "_dmarc.example.com", "_dmarc.example.com"},
	    {"digits", "1and1.123", "1and1.123"},
	    {"U-label",
		"b\xc3\xbc"
		"cher.example",
		"xn--bcher-kva.example"},
	    {"upper case U-label",
		"B\xc3\x9c"
		"CHER.Example",
		"xn--bcher-kva.example"},
	    {"A-label", "XN--bcher-KVA.example", "xn--bcher-kva.example"},
	    {"sharp s stays",
		"stra\xc3\x9f"
		"e.example",
		"xn--strae-oqa.example"},
	    {"longest label", LABEL_63 ".x", LABEL_63 ".x"},
	    {"empty", "", NULL},
	    {"dot at the end", "example.com.", NULL},
	    {"dot at the start", ".example.com", NULL},
	    {"two dots", "example..com", NULL},
	    {"label too long", LABEL_63 "l.x", NULL},
	    {"too long", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".x", NULL},
	    {"hyphen first", "-a.example", NULL},
	    {"hyphen last", "a-.example", NULL},
	    {"blank", "exa mple.com", NULL},
	    {"not UTF-8",
		"b\xfc"
		"cher.example",
		NULL},
	    {"wide at sign",
		"a\xef\xbc\xa0"
		"b.example",
		NULL},
	    {"literal", "[192.0.2.1]", NULL},
	};
	char out[DOMAIN_SIZE];
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = domain_normalise(rows[i].input, strlen(rows[i].input), out, &err);

		if (rc != (rows[i].expected != NULL ? 0 : -1))
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc == 0 && strcmp(out, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, out);
	}
}

/* What goes on unchanged must not be one domain here and another there. */
static void
test_exact(void **state)
{
	static const struct {
		const char *name, *input, *expected;
	} rows[] = {
	    {"ASCII", "Example.COM", "example.com"},
	    {"A-label", "XN--bcher-KVA.example", "xn--bcher-kva.example"},
	    {"U-label",
		"B\xc3\xbc"
		"cher.example",
		"xn--bcher-kva.example"},
	    {"capital U-label",
		"B\xc3\x9c"
		"CHER.Example",
		"xn--bcher-kva.example"},
	    {"Cyrillic capitals", "\xd0\x9f\xd0\xa0\xd0\x98.example", "xn--h1and.example"},
	    {"not in UTF-8 at its end", "b\xc3", NULL},
	    {"soft hyphen",
		"exam\xc2\xad"
		"ple.com",
		NULL},
	    {"zero width space", "example\xe2\x80\x8b.com", NULL},
	    {"wide dot",
		"example\xef\xbc\x8e"
		"com",
		NULL},
	    {"ideographic dot",
		"example\xe3\x80\x82"
		"com",
		NULL},
	    {"wide letters", "\xef\xbd\x85xample.com", NULL},
	    {"ligature",
		"o\xef\xac\x83"
		"ce.example",
		NULL},
	    {"mark of its own",
		"bu\xcc\x88"
		"cher.example",
		NULL},
	    {"superscript", "example\xc2\xb2.com", NULL},
	};
	char out[DOMAIN_SIZE];
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = domain_normalise_exact(rows[i].input, strlen(rows[i].input), out, &err);

		if (rc != (rows[i].expected != NULL ? 0 : -1))
			fail_msg("%s: %d", rows[i].name, rc);
		if (rc == 0 && strcmp(out, rows[i].expected) != 0)
			fail_msg("%s: %s", rows[i].name, out);
	}
}

static void
test_matches(void **state)
{
	static const struct {
		const char *rule, *domain;
		bool expected;
	} rows[] = {
	    {"example.com", "example.com", true},
	    {"example.com", "EXAMPLE.com", true},
	    {"example.com", "marketing.example.com", false},
	    {"example.com", "notexample.com", false},
	    {"*.example.com", "marketing.example.com", true},
	    {"*.example.com", "a.b.Example.com", true},
	    {"*.example.com", "example.com", false},
	    {"*.example.com", "notexample.com", false},
	    {"*.example.com", ".example.com", false},
	    {"example.com", "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (domain_matches(rows[i].rule, rows[i].domain) != rows[i].expected)
			fail_msg("%s %s", rows[i].rule, rows[i].domain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_normalise),
	    cmocka_unit_test(test_exact),
	    cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
