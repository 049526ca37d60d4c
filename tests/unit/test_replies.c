/* What upstreams say, held against the rules that are built in; and rules that an operator writes. */
#include "common/xalloc.h"
#include "daemon/relay/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define NOW_MS INT64_C(1772445600000) /* Mon, 02 Mar 2026 10:00:00 +0000 */

static int64_t
now_ms(void)
{
	return NOW_MS;
}

static struct reply_rules *
parse(const char *text)
{
	struct reply_rules *rules = NULL;
	struct err err;

	if (reply_rules_parse("own.conf", text, strlen(text), &rules, &err) != 0)
		fail_msg("%s", err.text);
	return rules;
}

static struct verdict
judge(struct reply_rules *rules, const char *provider, enum phase phase, unsigned code,
    const char *enhanced, const char *text)
{
	const struct classifier classifier = {
	    .rules = rules, .provider = provider, .now_ms = now_ms};
	struct reply reply;

	reply_set(&reply, (uint16_t)code, enhanced, "%s", text);
	return classify_reply(&classifier, phase, &reply);
}

/* ---- the tables ---- */

struct row {
	char *number, *provider, *phase, *code, *enhanced, *class, *text;
};

static bool
split_row(char *line, struct row *row)
{
	char **fields[] = {&row->number, &row->provider, &row->phase, &row->code, &row->enhanced,
	    &row->class, &row->text};

	line[strcspn(line, "\n")] = '\0';
	if (*line == '#' || *line == '\0')
		return false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		assert_non_null(*fields[i] = strsep(&line, "\t"));
	return true;
}

static enum phase
phase_of(const char *name)
{
	for (unsigned phase = 0; phase < PHASE_COUNT; phase++)
		if (strcmp(phase_name((enum phase)phase), name) == 0)
			return (enum phase)phase;
	fail_msg("no phase %s", name);
	return PHASE_NAME;
}

/* Whatever the class: an account that waits costs no message its life. */
static void
check_verdict(const struct row *row, const struct verdict *verdict)
{
	if (reply_class_is_account(verdict->class))
		assert_int_not_equal(verdict->outcome, ATTEMPT_ATTEMPTED);
	if (verdict->outcome != ATTEMPT_ATTEMPTED)
		assert_int_equal(verdict->fate, FATE_DEFERRED);
	if (reply_class_effect(verdict->class) == EFFECT_RECIPIENT &&
	    strcmp(row->phase, "rcpt") == 0)
		assert_int_equal(verdict->outcome, ATTEMPT_ATTEMPTED);
	assert_non_null(verdict->rule);
}

static unsigned
check_text(struct reply_rules *rules, const struct row *row, const char *text)
{
	const char *enhanced = strcmp(row->enhanced, "-") == 0 ? "" : row->enhanced;
	struct verdict verdict = judge(
	    rules, row->provider, phase_of(row->phase), (unsigned)atoi(row->code), enhanced, text);

	check_verdict(row, &verdict);
	if (strcmp(reply_class_name(verdict.class), row->class) == 0)
		return 0;
	print_message("%s (%s): %s, not %s, by %s: %s %s %s\n", row->number, row->provider,
	    reply_class_name(verdict.class), row->class, verdict.rule, row->code, row->enhanced,
	    text);
	return 1;
}

/* The same, with an address in it that rules would like: what it repeats changes nothing. */
static unsigned
check_poisoned(struct reply_rules *rules, const struct row *row)
{
	static const char *const addresses[] = {"app-password@two-factor.example",
	    "tenantattribution@throttleworks.example", "CXMXRT@daily-limit.example",
	    "user-unknown@mailbox-full.example", "try-again-in-23-hours@example.net"};
	static const struct {
		const char *before, *between, *behind;
		bool is_first;
	} forms[] = {{"<", ">: ", "", true}, {"", ": ", "", true}, {"(", ") ", "", true},
	    {"", " <", ">", false}, {"", "; ", "", false},
	    {"", " for <\"legacy auth\"@", ">", false}};
	char text[2000];
	unsigned wrong = 0;

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		for (size_t form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
			bool is_first = forms[form].is_first;

			(void)snprintf(text, sizeof(text), "%s%s%s%s%s", forms[form].before,
			    is_first ? addresses[i] : row->text, forms[form].between,
			    is_first ? row->text : addresses[i], forms[form].behind);
			wrong += check_text(rules, row, text);
		}
	return wrong;
}

static unsigned
check_row(struct reply_rules *rules, const struct row *row)
{
	unsigned wrong = check_text(rules, row, row->text);

	return phase_of(row->phase) < PHASE_MAIL ? wrong : wrong + check_poisoned(rules, row);
}

static void
check_table(const char *name, unsigned least)
{
	struct reply_rules *rules = parse("");
	char line[2000], path[1000];
	const char *source = getenv("srcdir");
	unsigned wrong = 0, count = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/tests/data/%s", source != NULL ? source : ".", name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot open %s", path);
	while (fgets(line, sizeof(line), file) != NULL) {
		struct row row;

		if (!split_row(line, &row))
			continue;
		wrong += check_row(rules, &row);
		count++;
	}
	(void)fclose(file);
	reply_rules_release(rules);
	assert_true(count >= least);
	assert_int_equal(wrong, 0);
}

static void
test_replies_that_providers_document(void **state)
{
	check_table("replies.tsv", 130);
}

static void
test_replies_that_no_rule_was_written_for(void **state)
{
	check_table("replies-unseen.tsv", 75);
}

/* ---- what the text says of time ---- */

static void
test_time_in_the_text(void **state)
{
	static const struct {
		const char *text;
		uint32_t wait_s; /* 0: none is found */
	} rows[] = {
	    {"Too many messages. Try again in 92 seconds.", 92},
	    {"try again in 5 minutes", 300},
	    {"TRY AGAIN IN 5MIN", 300},
	    {"please retry after 2 hours", 7200},
	    {"wait at least 60 seconds before sending", 60},
	    {"please wait 1 minute", 60},
	    {"Retry-After: 120s", 120},
	    {"Greylisted, come back in 00:04:59", 299},
	    {"try again in 04:59", 299},
	    {"try again after (Mon, 02 Mar 2026 10:05:00 +0000)", 300},
	    {"Try again after Mon, 2 Mar 2026 11:00:30 +0100", 30},
	    {"try again after 02 Mar 2026 10:05 GMT", 300},
	    {"retry after 2026-03-02T10:05:00Z", 300},
	    {"try again after Sun, 01 Mar 2026 10:00:00 +0000", 1},
	    {"try again in 9 days", 86400},
	    {"try again in 0 seconds", 1},
	    {"try again after Tue, 02 Mar 2027 10:00:00 +0000", 86400},
	    {"try again later", 0},
	    {"try again later, 5 messages are allowed", 0},
	    {"the limit is 500 per 24 hours", 0},
	    {"against 5 minutes", 0},
	    {"again in 99999999 seconds", 0},
	    {"try again after Foo, 99 Xxx 2026 10:00:00", 0},
	    {"", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t wait_s = 0;

		if (!reply_time_find(rows[i].text, NOW_MS, &wait_s))
			wait_s = 0;
		if (wait_s != rows[i].wait_s)
			fail_msg("%s: %u", rows[i].text, wait_s);
	}
}

static void
test_time_goes_before_the_rules_own(void **state)
{
	struct reply_rules *rules = parse("");
	struct verdict verdict = judge(
	    rules, "", PHASE_DOT, 550, "5.4.5", "Daily limit exceeded. Try again in 7 minutes");

	assert_int_equal(verdict.class, REPLY_QUOTA_DAILY);
	assert_true(verdict.wait.is_exact);
	assert_int_equal(verdict.wait.first_s, 420);
	/* What is wrong for good stays so, whenever it is tried again. */
	verdict =
	    judge(rules, "", PHASE_RCPT, 550, "5.1.1", "User unknown, try again in 5 minutes");
	assert_int_equal(verdict.fate, FATE_FAILED);
	assert_false(verdict.wait.is_exact);
	reply_rules_release(rules);
}

/* ---- rules of an operator's ---- */

static void
test_own_rules_stand_first(void **state)
{
	struct reply_rules *rules = parse(
	    "rules = ({ id = \"mine\"; text = \"daily limit\"; class = \"policy\"; },"
	    " { id = \"daily-quota\"; text = \"never said\"; class = \"rate\"; },"
	    " { id = \"of-one\"; provider = \"acme corp\"; code = \"4xx 550\"; enhanced = "
	    "\"x.9.1-3\";"
	    "   phase = \"mail dot\"; class = \"quota-hour\"; backoff = \"2m 1h\"; alert = true;"
	    "   advice = \"Ask Acme.\"; });");
	struct reply_rules *builtin = parse("");
	struct verdict verdict = judge(rules, "", PHASE_DOT, 550, "", "Daily limit exceeded");

	assert_int_equal(reply_rules_count(rules), reply_rules_count(builtin) + 2);
	assert_string_equal(verdict.rule, "mine");
	verdict = judge(rules, "", PHASE_DOT, 550, "", "daily allowance used up");
	assert_string_not_equal(verdict.rule, "daily-quota");
	verdict = judge(rules, "Acme", PHASE_DOT, 451, "4.9.2", "x");
	assert_string_equal(verdict.rule, "of-one");
	assert_int_equal(verdict.wait.first_s, 120);
	assert_int_equal(verdict.wait.most_s, 3600);
	assert_string_equal(verdict.advice, "Ask Acme.");
	assert_true(verdict.is_alerted);
	verdict = judge(rules, "corp", PHASE_DOT, 451, "4.9.2", "x");
	assert_string_equal(verdict.rule, "of-one");
	static const struct {
		const char *provider;
		enum phase phase;
		unsigned code;
		const char *enhanced;
	} others[] = {{"other", PHASE_DOT, 451, "4.9.2"}, {"", PHASE_DOT, 451, "4.9.2"},
	    {"cor", PHASE_DOT, 451, "4.9.2"}, {"acme", PHASE_RCPT, 451, "4.9.2"},
	    {"acme", PHASE_DOT, 551, "5.9.2"}, {"acme", PHASE_DOT, 451, "4.9.4"},
	    {"acme", PHASE_DOT, 451, ""}};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		verdict = judge(rules, others[i].provider, others[i].phase, others[i].code,
		    others[i].enhanced, "x");
		assert_string_not_equal(verdict.rule, "of-one");
	}
	reply_rules_release(rules);
	reply_rules_release(builtin);
	rules = parse("builtin = false;");
	assert_int_equal(reply_rules_count(rules), 0);
	reply_rules_release(rules);
}

#define RULE(fields) "rules = ({ id = \"a\"; class = \"rate\"; text = \"x\"; " fields " });"

static void
test_errors_say_where_and_what(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
	    {"rules = (", "own.conf:1: syntax error"},
	    {"rules = (\n{ id = \"x\"; class = \"rate\"; code = \"450\"; },\n);",
		"own.conf:3: syntax error; between rules stands a comma, behind the last one none"},
	    {"\nrules = 3;", "own.conf:2: rules: must be a list"},
	    {"other = 3;", "own.conf:1: other: unknown"},
	    {"builtin = 3;", "own.conf:1: builtin: must be true or false"},
	    {"rules = (\n3 );", "own.conf:2: rules: each must be a group"},
	    {"rules = (\n{ id = \"a\"; text = \"x\"; });", "own.conf:2: a rule needs both"},
	    {"rules = ({ class = \"rate\"; text = \"x\"; });", "own.conf:1: a rule needs both"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; });",
		"needs one of code, enhanced and text"},
	    {"rules = ({ id = \"A b\"; class = \"rate\"; code = \"550\"; });", "id: must be"},
	    {"rules = ({ id = \"a\"; class = \"rat\"; code = \"550\"; });",
		"class: must be one of rate rate-conn"},
	    {"rules = ({ id = \"a\"; class = \"unreachable\"; code = \"550\"; });",
		"class: must be one of rate rate-conn"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; code = \"550\"; },\n{ id = \"a\"; class = "
	     "\"rate\"; code = \"551\"; });",
		"own.conf:2: id: an earlier rule is called \"a\""},
	    {RULE("code = \"5x\";"), "code: must be 1 to 8 codes"},
	    {RULE("code = \"950\";"), "code: must be"},
	    {RULE("code = 550;"), "code: must be a text in quotes"},
	    {RULE("enhanced = \"5.7\";"), "enhanced: must be"},
	    {RULE("enhanced = \"2.7.1\";"), "enhanced: must be"},
	    {RULE("enhanced = \"5.7.9-1\";"), "enhanced: must be"},
	    {RULE("phase = \"connect\";"), "phase: must be one or several of"},
	    {RULE("phase = \"\";"), "phase: must be"},
	    {RULE("provider = \"\";"), "provider: must be"},
	    {RULE("provider = \"  \";"), "provider: must be"},
	    {RULE("backoff = \"5\";"), "backoff: must be"},
	    {RULE("backoff = \"4h 15m\";"), "backoff: must be"},
	    {RULE("backoff = \"1m 2m 3m\";"), "backoff: must be"},
	    {RULE("backoff = \"1m 25h\";"), "backoff: must be"},
	    {RULE("alert = 1;"), "alert: must be true or false"},
	    {RULE("advice = \"\";"), "advice: must be"},
	    {RULE("colour = \"red\";"), "colour: unknown field"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; text = \"(x\"; });", "regular expression"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; text = \"\"; });", "must be a pattern"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; text = \"(x)\\\\1\"; });", "reference back"},
	    {"rules = ({ id = \"a\"; class = \"rate\"; text = \"x{2,5}\"; });",
		"counted repetition"},
	    {"@include \"/etc/hostname\"", "own.conf:1:"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply_rules *rules = NULL;
		struct err err = {""};

		if (reply_rules_parse(
			"own.conf", rows[i].text, strlen(rows[i].text), &rules, &err) == 0)
			fail_msg("was taken: %s", rows[i].text);
		if (strstr(err.text, rows[i].error) == NULL)
			fail_msg("%s: %s", rows[i].text, err.text);
	}
}

static void
test_files_have_limits(void **state)
{
	struct reply_rules *rules = NULL;
	char *large = xcalloc(1, REPLY_FILE_BYTES_MAX + 2), *text;
	struct err err;

	memset(large, '#', REPLY_FILE_BYTES_MAX + 1);
	assert_int_equal(reply_rules_parse("f", large, REPLY_FILE_BYTES_MAX + 1, &rules, &err), -1);
	assert_int_equal(reply_rules_parse("f", "a\0b", 3, &rules, &err), -1);
	memset(large, 'x', 401);
	large[401] = '\0';
	text = xasprintf("rules = ({ id = \"a\"; class = \"rate\"; text = \"%s\"; });", large);
	assert_int_equal(reply_rules_parse("f", text, strlen(text), &rules, &err), -1);
	assert_non_null(strstr(err.text, "1 to 400 characters"));
	free(text);
	free(large);
}

/* ---- strangers ---- */

static double
cpu_ms(void)
{
	return (double)clock() * 1000 / CLOCKS_PER_SEC;
}

/* The longest text that there is, of letters that begin and never end what patterns look for. */
static void
fill(char text[static REPLY_TEXT_MAX + 1], unsigned seed)
{
	static const char *const words[] = {"too many ", "user ", "account ", "limit ", "sending ",
	    "the recipient ", "exceeded ", "(", "not allowed ", "host ", "aaaa ", "message ", "5"};
	size_t size = 0;

	text[0] = '\0';
	for (unsigned i = seed; size < REPLY_TEXT_MAX - 20; i = i * 1103515245u + 12345u)
		size += (size_t)sprintf(text + size, "%s", words[(i >> 16) % 13]);
}

static void
test_long_texts_take_little_time(void **state)
{
	struct reply_rules *rules = parse("");
	char text[REPLY_TEXT_MAX + 1];
	double begin = cpu_ms();
	const unsigned count = 300;

	for (unsigned i = 0; i < count; i++) {
		fill(text, i * 77 + 1);
		(void)judge(rules, "", PHASE_DOT, 450, "4.7.1", text);
	}
	/* Some ten times what it takes where there are no sanitizers. */
	print_message(
	    "%.3f ms for a text of %d bytes\n", (cpu_ms() - begin) / count, REPLY_TEXT_MAX);
	assert_true((cpu_ms() - begin) / count < 60);
	reply_rules_release(rules);
}

static void
test_patterns_that_multiply(void **state)
{
	struct reply_rules *rules =
	    parse("builtin = false; rules = ({ id = \"a\"; class = \"rate\"; text = "
		  "\"(a*)*(a|aa)*(a*a*)*(a|b|ab)*((a+)+)+(a|b)*a(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)"
		  "(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)$\"; });");
	char text[REPLY_TEXT_MAX + 1];
	double begin = cpu_ms();

	for (unsigned i = 1; i <= 50; i++) {
		for (unsigned at = 0; at < REPLY_TEXT_MAX; at++)
			text[at] = (i * 2654435761u >> (at % 31) & 1) != 0 ? 'a' : 'b';
		text[REPLY_TEXT_MAX - 1] = 'c';
		text[REPLY_TEXT_MAX] = '\0';
		(void)judge(rules, "", PHASE_DOT, 450, "", text);
	}
	print_message("%.3f ms for the worst pattern\n", (cpu_ms() - begin) / 50);
	assert_true((cpu_ms() - begin) / 50 < 250);
	reply_rules_release(rules);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies_that_providers_document),
	    cmocka_unit_test(test_replies_that_no_rule_was_written_for),
	    cmocka_unit_test(test_time_in_the_text),
	    cmocka_unit_test(test_time_goes_before_the_rules_own),
	    cmocka_unit_test(test_own_rules_stand_first),
	    cmocka_unit_test(test_errors_say_where_and_what),
	    cmocka_unit_test(test_files_have_limits),
	    cmocka_unit_test(test_long_texts_take_little_time),
	    cmocka_unit_test(test_patterns_that_multiply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
