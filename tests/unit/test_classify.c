/* From a reply and its phase to what it means. */
#include "daemon/relay/classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_replies(void **state)
{
	static const struct {
		enum phase phase;
		uint16_t code;
		const char *text;
		enum attempt_outcome outcome;
		enum fate fate;
		bool is_over;
	} rows[] = {
	    {PHASE_GREETING, 421, "", ATTEMPT_UNREACHABLE, FATE_DEFERRED, true},
	    {PHASE_GREETING, 554, "", ATTEMPT_UNREACHABLE, FATE_DEFERRED, true},
	    {PHASE_EHLO, 550, "", ATTEMPT_UNREACHABLE, FATE_DEFERRED, true},
	    {PHASE_STARTTLS, 454, "", ATTEMPT_TLS, FATE_DEFERRED, true},
	    {PHASE_AUTH, 235, "", ATTEMPT_ATTEMPTED, FATE_DELIVERED, false},
	    {PHASE_AUTH, 454, "", ATTEMPT_AUTH_LATER, FATE_DEFERRED, true},
	    {PHASE_AUTH, 421, "", ATTEMPT_AUTH_LATER, FATE_DEFERRED, true},
	    {PHASE_AUTH, 535, "", ATTEMPT_AUTH_REFUSED, FATE_DEFERRED, true},
	    {PHASE_AUTH, 538, "", ATTEMPT_AUTH_REFUSED, FATE_DEFERRED, true},
	    {PHASE_MAIL, 250, "", ATTEMPT_ATTEMPTED, FATE_DELIVERED, false},
	    {PHASE_MAIL, 451, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, false},
	    {PHASE_MAIL, 550, "", ATTEMPT_ATTEMPTED, FATE_FAILED, false},
	    {PHASE_MAIL, 552, "", ATTEMPT_ATTEMPTED, FATE_FAILED, false},
	    {PHASE_MAIL, 530, "log in", ATTEMPT_AUTH_REFUSED, FATE_DEFERRED, true},
	    {PHASE_MAIL, 530, "starttls first", ATTEMPT_TLS, FATE_DEFERRED, true},
	    {PHASE_RCPT, 535, "", ATTEMPT_AUTH_REFUSED, FATE_DEFERRED, true},
	    {PHASE_RCPT, 538, "", ATTEMPT_TLS, FATE_DEFERRED, true},
	    {PHASE_RCPT, 251, "", ATTEMPT_ATTEMPTED, FATE_DELIVERED, false},
	    {PHASE_RCPT, 450, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, false},
	    {PHASE_RCPT, 550, "", ATTEMPT_ATTEMPTED, FATE_FAILED, false},
	    {PHASE_RCPT, 552, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, false},
	    {PHASE_RCPT, 421, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, true},
	    {PHASE_RCPT, 354, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, true},
	    {PHASE_DATA, 354, "", ATTEMPT_ATTEMPTED, FATE_DELIVERED, false},
	    {PHASE_DATA, 250, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, true},
	    {PHASE_DATA, 451, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, false},
	    {PHASE_DATA, 554, "", ATTEMPT_ATTEMPTED, FATE_FAILED, false},
	    {PHASE_DOT, 250, "", ATTEMPT_ATTEMPTED, FATE_DELIVERED, false},
	    {PHASE_DOT, 421, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, true},
	    {PHASE_DOT, 452, "", ATTEMPT_ATTEMPTED, FATE_DEFERRED, false},
	    {PHASE_DOT, 554, "", ATTEMPT_ATTEMPTED, FATE_FAILED, false},
	};

	static const struct classifier none; /* no rules: phase and code alone */

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply;
		struct verdict verdict;

		reply_set(&reply, rows[i].code, "", "%s", rows[i].text);
		verdict = classify_reply(&none, rows[i].phase, &reply);
		if (verdict.outcome != rows[i].outcome || verdict.fate != rows[i].fate ||
		    verdict.is_over != rows[i].is_over)
			fail_msg("%s %u %s: outcome %d, fate %d, over %d",
			    phase_name(rows[i].phase), rows[i].code, rows[i].text, verdict.outcome,
			    verdict.fate, verdict.is_over);
	}
}

static void
test_losses(void **state)
{
	static const struct {
		enum phase phase;
		enum attempt_outcome outcome;
		enum fate fate;
	} rows[] = {
	    {PHASE_NAME, ATTEMPT_UNREACHABLE, FATE_DEFERRED},
	    {PHASE_CONNECT, ATTEMPT_UNREACHABLE, FATE_DEFERRED},
	    {PHASE_GREETING, ATTEMPT_UNREACHABLE, FATE_DEFERRED},
	    {PHASE_TLS, ATTEMPT_TLS, FATE_DEFERRED},
	    {PHASE_AUTH, ATTEMPT_UNREACHABLE, FATE_DEFERRED},
	    {PHASE_MAIL, ATTEMPT_ATTEMPTED, FATE_DEFERRED},
	    {PHASE_BODY, ATTEMPT_ATTEMPTED, FATE_DEFERRED},
	    {PHASE_DOT, ATTEMPT_ATTEMPTED, FATE_UNCERTAIN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict verdict = classify_loss(rows[i].phase);

		assert_int_equal(verdict.outcome, rows[i].outcome);
		assert_int_equal(verdict.fate, rows[i].fate);
		assert_true(verdict.is_over);
	}
}

/* Who asks for POP-before-SMTP says that of the account, not of a recipient. */
static void
test_pop3_is_wanted(void **state)
{
	struct classifier classifier = {0};
	struct reply reply;
	struct verdict verdict;

	reply_set(&reply, 550, "5.7.1", "Relaying denied. Please check your mail first");
	verdict = classify_reply(&classifier, PHASE_RCPT, &reply);
	assert_int_equal(verdict.outcome, ATTEMPT_AUTH_REFUSED);
	assert_true(verdict.is_over);
	classifier.has_pop3 = true; /* the next login opens it */
	verdict = classify_reply(&classifier, PHASE_RCPT, &reply);
	assert_int_equal(verdict.outcome, ATTEMPT_AUTH_LATER);
	reply.code = 450;
	classifier.has_pop3 = false;
	verdict = classify_reply(&classifier, PHASE_MAIL, &reply);
	assert_int_equal(verdict.outcome, ATTEMPT_AUTH_LATER);
	reply.code = 550;
	verdict = classify_reply(&classifier, PHASE_DOT, &reply);
	assert_int_equal(verdict.outcome, ATTEMPT_ATTEMPTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_losses),
	    cmocka_unit_test(test_pop3_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
