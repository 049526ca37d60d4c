/* The encodings of ENVID= and ORCPT=. */
#include "common/xtext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void
test_xtext(void **state)
{
	static const struct {
		const char *text, *decoded; /* NULL: refused */
	} rows[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"a+2Bb+3Dc", "a+b=c"},
	    {"two+20words", "two words"},
	    {"1234567890", "1234567890"},
	    {"12345678901", NULL}, /* no room */
	    {"a+2bb", NULL},       /* lower case */
	    {"a+2", NULL},
	    {"a+", NULL},
	    {"a+GG", NULL},
	    {"a=b", NULL},
	    {"a b", NULL},
	    {"a+00b", NULL},
	    {"a+0D+0Ab", NULL},
	    {"a+7F", NULL},
	    {"a+E4", NULL},
	    {"\xc3\xa4", NULL},
	    {"\x7f", NULL},
	};
	char decoded[11];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_good =
		    xtext_decode(rows[i].text, strlen(rows[i].text), decoded, sizeof(decoded));

		if (is_good != (rows[i].decoded != NULL) ||
		    strcmp(decoded, is_good ? rows[i].decoded : "") != 0)
			fail_msg("%s: %s", rows[i].text, decoded);
	}
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool allows_utf8;
		const char *decoded; /* NULL: refused */
	} rows[] = {
	    {"a@b.example", false, "a@b.example"},
	    {"\\x{E4}@b.example", false, "\xc3\xa4@b.example"},
	    {"\\x{20AC}", false, "\xe2\x82\xac"}, {"\\x{1F600}", false, "\xf0\x9f\x98\x80"},
	    {"\\x{10FFFF}", false, "\xf4\x8f\xbf\xbf"},
	    {"\\x{5C}\\x{2B}\\x{3D}\\x{20}", false, "\\+= "},
	    {"\xc3\xa4@b.example", true, "\xc3\xa4@b.example"}, {"\xc3\xa4@b.example", false, NULL},
	    {"\xc3", true, NULL}, {"\xe4@b.example", true, NULL},
	    {"\xc2\x85", true, NULL}, /* a control character */
	    {"\\x{85}", false, NULL}, {"\\x{0A}", false, NULL}, {"\\x{7F}", false, NULL},
	    {"\\x{41}", false, NULL}, /* stands for itself */
	    {"\\x{0E4}", false, NULL}, {"\\x{e4}", false, NULL}, {"\\x{D800}", false, NULL},
	    {"\\x{110000}", false, NULL}, {"\\x{FFFFFFFFFF}", false, NULL}, {"\\x{}", false, NULL},
	    {"\\x{E4", false, NULL}, {"\\x", false, NULL}, {"\\", false, NULL},
	    {"a+2Bb", false, NULL}, {"a=b", false, NULL}, {"a b", true, NULL},
	    {"1234567890123456\\x{E4}", false, NULL}, /* no room */
	};
	char decoded[17];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool is_good = xtext_decode_utf8(rows[i].text, strlen(rows[i].text),
		    rows[i].allows_utf8, decoded, sizeof(decoded));

		if (is_good != (rows[i].decoded != NULL) ||
		    strcmp(decoded, is_good ? rows[i].decoded : "") != 0)
			fail_msg("%s: %s", rows[i].text, decoded);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_xtext),
	    cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
