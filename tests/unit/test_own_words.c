/* What a reply repeats of the mail says nothing of the account. */
#include "daemon/relay/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW_MS INT64_C(1772445600000)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t
now_ms(void)
{
	return NOW_MS;
}

/* ---- the words alone ---- */

static void
test_what_is_left(void **state)
{
	static const char *const addresses[] = {"app-password@two-factor.example",
	    "throttle@a.example", "\"legacy \\\"auth\"@b.example", "user@[192.0.2.1]",
	    "e-mail@c.example", "", "x"};
	static const struct envelope envelope = {addresses, COUNT(addresses)};
	static const struct {
		const char *text, *words;
	} rows[] = {
	    {"", ""},
	    {"Too many messages, try again later", "Too many messages, try again later"},
	    {"<app-password@two-factor.example>: User unknown", "<@>: User unknown"},
	    {"App-Password@Two-Factor.Example... User unknown", "@... User unknown"},
	    {"no such user app-password", "no such user @"},
	    {"no such user app-passwords", "no such user app-passwords"},
	    {"Domain two-factor.example not found", "Domain @ not found"},
	    {"mx.two-factor.example said no", "@ said no"},
	    {"app-password%40two-factor.example", "@"},
	    {"to app-password+40two-factor.example: no", "to @: no"},
	    {"throttle: no such user", "@: no such user"},
	    {"throttle... User unknown", "@... User unknown"},
	    {"unknown user 'throttle'", "unknown user @'"},
	    {"we throttle your mail", "we throttle your mail"},
	    {"<\"legacy \\\"auth\"@b.example> unknown", "<@> unknown"},
	    {"<\"other auth\"@z.example> unknown", "<@> unknown"},
	    {"user legacy \"auth is unknown", "user @ is unknown"},
	    {"too many e-mail connections, e-mail: no", "too many e-mail connections, e-mail: no"},
	    {"from other@z.example. Slow down", "from @. Slow down"},
	    {"SendAsDenied; a@z.example not allowed to send as <b@z.example>",
		"SendAsDenied; @ not allowed to send as <@>"},
	    {"<DATA>: rejected <cut here", "<@>: rejected <@"},
	    {"5 < 6 and <>", "5 < 6 and <>"},
	    {"Subject \"Your \"app\" password\" rejected", "Subject \"@\" rejected"},
	    {"said \"cut", "said \"@"},
	    {"Spam; subject=daily limit", "Spam; subject="},
	    {"the subject is missing", "the subject is missing"},
	    {"see https://app-password.example/throttle for more", "see https:@ for more"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char words[REPLY_TEXT_MAX + 1];

		own_words(rows[i].text, &envelope, words);
		if (strcmp(words, rows[i].words) != 0)
			fail_msg("%s: `%s`, not `%s`", rows[i].text, words, rows[i].words);
	}
}

static void
test_long_texts_are_cut(void **state)
{
	char text[3 * REPLY_TEXT_MAX], words[REPLY_TEXT_MAX + 1];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	own_words(text, NULL, words);
	assert_int_equal(strlen(words), REPLY_TEXT_MAX);
	memset(text, '<', sizeof(text) - 1);
	own_words(text, NULL, words);
	assert_string_equal(words, "<@");
	memset(text, '@', sizeof(text) - 1);
	own_words(text, NULL, words);
	assert_string_equal(words, "@");
}

/* ---- and what they are taken for ---- */

static struct verdict
judge(const char *address, enum phase phase, uint16_t code, const char *enhanced, const char *text)
{
	static struct reply_rules *rules;
	const struct envelope envelope = {&address, 1};
	const struct classifier classifier = {
	    .rules = rules, .now_ms = now_ms, .envelope = &envelope};
	struct reply reply;
	struct verdict verdict;
	struct err err;

	if (rules == NULL) {
		assert_int_equal(reply_rules_parse("own", "", 0, &rules, &err), 0);
		return judge(address, phase, code, enhanced, text);
	}
	reply_set(&reply, code, enhanced, "%s", text);
	verdict = classify_reply(&classifier, phase, &reply);
	return verdict;
}

static const char *const poisons[] = {"app-password@x.example", "2-step@x.example",
    "bob@two-factor.example", "tenantattribution@x.example", "\"legacy auth\"@x.example",
    "\"security defaults\"@x.example", "\"authentication required\"@x.example",
    "\"wrong password\"@x.example", "\"pop before smtp\"@x.example",
    "\"STARTTLS required\"@x.example", "\"your account suspended\"@x.example", "throttle@x.example",
    "sales@throttleworks.example", "rate-limited@x.example", "CXMXRT@x.example", "ib101@x.example",
    "submissionquotaexceeded@x.example", "\"daily limit\"@x.example", "\"[TS01]\"@x.example",
    "[TS01]@x.example", "no-more-credits@x.example", "relay-limit@x.example", "slow-down@x.example",
    "\"try again in 23 hours\"@x.example", "activate-your@x.example", "pop3-login@x.example"};

/* The form's $ is the address. */
static const char *
fill(char text[static 500], const char *form, const char *address)
{
	int before = (int)strcspn(form, "$");

	(void)snprintf(text, 500, "%.*s%s%s", before, form, address,
	    form[before] == '\0' ? "" : form + before + 1);
	return text;
}

static void
check(const char *address, const struct verdict *verdict, bool is_failed, const char *text)
{
	if (verdict->outcome != ATTEMPT_ATTEMPTED || reply_class_is_account(verdict->class) ||
	    verdict->wait.is_exact || (verdict->fate == FATE_FAILED) != is_failed)
		fail_msg("%s: %s by %s: %s", address, reply_class_name(verdict->class),
		    verdict->rule, text);
}

static void
test_an_address_stops_no_account(void **state)
{
	static const struct {
		enum phase phase;
		uint16_t code;
		const char *enhanced, *text;
	} rows[] = {
	    {PHASE_MAIL, 450, "4.1.8", "<$>: Sender address rejected: Domain not found"},
	    {PHASE_MAIL, 550, "5.1.8", "Domain of $ does not exist"},
	    {PHASE_RCPT, 450, "4.2.0", "<$>: Recipient address rejected: Greylisted"},
	    {PHASE_RCPT, 554, "5.7.1", "<$>: Relay access denied"},
	    {PHASE_RCPT, 550, "5.7.1", "<$>: Recipient address rejected: Access denied"},
	    {PHASE_RCPT, 452, "4.2.2", "<$>: mailbox full"},
	    {PHASE_RCPT, 550, "", "5.1.1 User $ unknown"},
	    {PHASE_RCPT, 550, "", "No such user - $"},
	    {PHASE_DATA, 554, "5.5.1", "Error: no valid recipients <$>"},
	    {PHASE_DOT, 550, "5.1.1", "<$> user unknown"},
	    {PHASE_DOT, 550, "5.7.1", "Header From: <$> refused"},
	    {PHASE_DOT, 554, "5.7.1", "Message rejected: Subject \"about $\" is refused"},
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t at = 0; at < COUNT(poisons); at++) {
			char text[500];
			struct verdict verdict;

			(void)fill(text, rows[i].text, poisons[at]);
			verdict =
			    judge(poisons[at], rows[i].phase, rows[i].code, rows[i].enhanced, text);
			check(poisons[at], &verdict, rows[i].code >= 500, text);
		}
}

/* Whatever else is said, and also where it isn't known whom the reply names. */
static void
test_a_recipients_code_is_a_recipients_failure(void **state)
{
	static const char *const texts[] = {
	    ("<$>: Recipient address rejected: User unknown in virtual "
	     "mailbox table"),
	    "$: no such user", "$", "user $ unknown, throttle, app-password, daily limit reached",
	    "unknown or illegal alias: $"};

	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t at = 0; at < COUNT(poisons); at++) {
			char text[500], local[100];
			struct verdict verdict;

			(void)fill(text, texts[i], poisons[at]);
			verdict = judge("b@example.com", PHASE_RCPT, 550, "5.1.1", text);
			check(poisons[at], &verdict, true, text);
			(void)snprintf(local, sizeof(local), "%.*s", (int)strcspn(poisons[at], "@"),
			    poisons[at]);
			(void)fill(text, texts[i], local);
			verdict = judge(poisons[at], PHASE_RCPT, 550, "5.1.1", text);
			check(poisons[at], &verdict, true, text);
		}
}

static void
test_what_the_upstream_says_itself_counts(void **state)
{
	struct verdict verdict = judge("quota@user.example", PHASE_RCPT, 550, "5.7.1",
	    "<quota@user.example>: Recipient address rejected: You have exceeded your daily quota");

	assert_int_equal(verdict.class, REPLY_QUOTA_DAILY);
	verdict = judge("account@x.example", PHASE_DOT, 554, "",
	    "Message rejected: Sending suspended for this account.");
	assert_int_equal(verdict.class, REPLY_ACCOUNT_DISABLED);
	verdict = judge("e-mail@x.example", PHASE_RCPT, 451, "4.7.1", "e-mail rate limit exceeded");
	assert_int_equal(verdict.class, REPLY_RATE);
}

static void
test_a_subject_and_a_file_stop_no_account(void **state)
{
	static const char *const texts[] = {
	    "Message rejected: Subject \"Your app password\" looks like phishing",
	    "Spam message rejected; subject=Two-factor authentication code",
	    "Header From: <throttle@x.example> refused", "Reject, id=1-2 - VIRUS: throttle.exe",
	    "forbidden file \"daily limit.exe\"",
	    "listed: http://account-suspended.example/throttle"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct verdict verdict = judge("b@example.com", PHASE_DOT, 554, "5.7.1", texts[i]);

		check("", &verdict, true, texts[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_is_left),
	    cmocka_unit_test(test_long_texts_are_cut),
	    cmocka_unit_test(test_an_address_stops_no_account),
	    cmocka_unit_test(test_a_recipients_code_is_a_recipients_failure),
	    cmocka_unit_test(test_what_the_upstream_says_itself_counts),
	    cmocka_unit_test(test_a_subject_and_a_file_stop_no_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
