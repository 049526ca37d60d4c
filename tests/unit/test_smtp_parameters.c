/* The parameters of MAIL and RCPT: each good, bad, twice, too long. */
#include "common/smtp_parameters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define TEN "1234567890"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

#define OK SMTP_PARAMETERS_OK
#define MALFORMED SMTP_PARAMETERS_MALFORMED
#define UNKNOWN SMTP_PARAMETERS_UNKNOWN

static void
test_mail_outcomes(void **state)
{
	static const struct {
		const char *text;
		enum smtp_parameters_outcome outcome;
	} rows[] = {
	    {"", OK},
	    {" \t ", OK},
	    {"SIZE=1 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x AUTH=<> HOLDFOR=1 MT-PRIORITY=0", OK},
	    {"size=1 body=8bitmime smtputf8 ret=hdrs envid=x auth=<> holdfor=1 mt-priority=0", OK},
	    {"=1", MALFORMED},
	    {"-A=1", MALFORMED},
	    {"<b@c.example>", MALFORMED},
	    {"\xc3\xa4=1", MALFORMED},
	    {"BY=120;R", UNKNOWN},
	    {"X-Anything=1", UNKNOWN},
	    {"NOTIFY=NEVER", UNKNOWN},
	    {"ORCPT=rfc822;a@b.example", UNKNOWN},
	    {"XVERP", UNKNOWN},

	    {"SIZE", MALFORMED},
	    {"SIZE=", MALFORMED},
	    {"SIZE=-1", MALFORMED},
	    {"SIZE=1e3", MALFORMED},
	    {"SIZE=0x10", MALFORMED},
	    {"SIZE=1 SIZE=1", MALFORMED},
	    {"SIZE=99999999999999999999", OK},
	    {"SIZE=000000000000000000001", MALFORMED},

	    {"BODY", MALFORMED},
	    {"BODY=", MALFORMED},
	    {"BODY=BINARYMIME", MALFORMED},
	    {"BODY=7BIT BODY=7BIT", MALFORMED},
	    {"BODY=8BITMIMEX", MALFORMED},

	    {"REQUIRETLS", OK},
	    {"requiretls", OK},
	    {"REQUIRETLS=", MALFORMED},
	    {"REQUIRETLS=1", MALFORMED},
	    {"REQUIRETLS REQUIRETLS", MALFORMED},

	    {"SMTPUTF8=", MALFORMED},
	    {"SMTPUTF8=1", MALFORMED},
	    {"SMTPUTF8 SMTPUTF8", MALFORMED},

	    {"RET=FULL", OK},
	    {"RET", MALFORMED},
	    {"RET=", MALFORMED},
	    {"RET=HDR", MALFORMED},
	    {"RET=FULL RET=HDRS", MALFORMED},
	    {"RET=FULL,HDRS", MALFORMED},

	    {"ENVID=" HUNDRED, OK},
	    {"ENVID=a+20b+2B+3D", OK},
	    {"ENVID", MALFORMED},
	    {"ENVID=", MALFORMED},
	    {"ENVID=" HUNDRED "1", MALFORMED},
	    {"ENVID=a+0D+0AX-Header:+20x", MALFORMED},
	    {"ENVID=a+00", MALFORMED},
	    {"ENVID=a=b", MALFORMED},
	    {"ENVID=+E4", MALFORMED},
	    {"ENVID=\xc3\xa4", MALFORMED},
	    {"ENVID=a ENVID=a", MALFORMED},

	    {"AUTH=a@b.example", OK},
	    {"AUTH=a+2Bb@c.example", OK},
	    {"AUTH=a+3Db@c.example", OK},
	    {"AUTH=\\x{E4}@c.example", OK},
	    {"AUTH", MALFORMED},
	    {"AUTH=", MALFORMED},
	    {"AUTH=a+2", MALFORMED},
	    {"AUTH=nobody", MALFORMED},
	    {"AUTH=<a@b.example>", MALFORMED},
	    {"AUTH=a@b.example+0D", MALFORMED},
	    {"AUTH=<> AUTH=<>", MALFORMED},
	    {"AUTH=" HUNDRED "@b.example", MALFORMED},

	    {"HOLDFOR=999999999", OK},
	    {"HOLDFOR", MALFORMED},
	    {"HOLDFOR=", MALFORMED},
	    {"HOLDFOR=0", MALFORMED},
	    {"HOLDFOR=01", MALFORMED},
	    {"HOLDFOR=-1", MALFORMED},
	    {"HOLDFOR=1h", MALFORMED},
	    {"HOLDFOR=1000000000", MALFORMED},
	    {"HOLDFOR=1 HOLDFOR=1", MALFORMED},

	    {"HOLDUNTIL=2026-03-01T12:31:04Z", OK},
	    {"HOLDUNTIL=2026-03-01T12:31:04+01:00", OK},
	    {"HOLDUNTIL", MALFORMED},
	    {"HOLDUNTIL=", MALFORMED},
	    {"HOLDUNTIL=tomorrow", MALFORMED},
	    {"HOLDUNTIL=2026-02-30T12:31:04Z", MALFORMED},
	    {"HOLDUNTIL=2026-03-01T12:31:04Z HOLDUNTIL=2026-03-01T12:31:04Z", MALFORMED},
	    {"HOLDUNTIL=2026-03-01T12:31:04." HUNDRED "X", MALFORMED},
	    {"HOLDFOR=1 HOLDUNTIL=2026-03-01T12:31:04Z", MALFORMED},
	    {"HOLDUNTIL=2026-03-01T12:31:04Z HOLDFOR=1", MALFORMED},

	    {"MT-PRIORITY=9", OK},
	    {"MT-PRIORITY=-9", OK},
	    {"MT-PRIORITY", MALFORMED},
	    {"MT-PRIORITY=", MALFORMED},
	    {"MT-PRIORITY=-", MALFORMED},
	    {"MT-PRIORITY=-0", MALFORMED},
	    {"MT-PRIORITY=+1", MALFORMED},
	    {"MT-PRIORITY=10", MALFORMED},
	    {"MT-PRIORITY=-10", MALFORMED},
	    {"MT-PRIORITY=x", MALFORMED},
	    {"MT-PRIORITY=1 MT-PRIORITY=1", MALFORMED},
	};
	struct smtp_mail_parameters parameters;
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum smtp_parameters_outcome outcome = smtp_parameters_parse_mail(
		    rows[i].text, strlen(rows[i].text), &parameters, &err);

		if (outcome != rows[i].outcome)
			fail_msg("%s: %d", rows[i].text, outcome);
	}
}

static void
test_mail_values(void **state)
{
	static const char all[] = "BODY=7BIT  SIZE=1000\tSMTPUTF8 RET=FULL ENVID=a+20b "
				  "AUTH=a@b.example HOLDFOR=60 MT-PRIORITY=-3 ";
	static const char until[] = "holduntil=2026-03-01T12:31:04Z";
	static const char large[] = "SIZE=99999999999999999999";
	struct smtp_mail_parameters parameters;
	struct err err;

	assert_int_equal(smtp_parameters_parse_mail(all, strlen(all), &parameters, &err), OK);
	assert_true(parameters.has_size && parameters.is_smtputf8 && parameters.has_auth);
	assert_int_equal(parameters.size_bytes, 1000);
	assert_int_equal(parameters.body, SMTP_BODY_7BIT);
	assert_int_equal(parameters.ret, SMTP_RET_FULL);
	assert_string_equal(parameters.envid, "a+20b");
	assert_int_equal(parameters.hold_for_s, 60);
	assert_false(parameters.has_hold_until);
	assert_true(parameters.has_mt_priority);
	assert_int_equal(parameters.mt_priority, -3);

	assert_int_equal(smtp_parameters_parse_mail(until, strlen(until), &parameters, &err), OK);
	assert_true(parameters.has_hold_until);
	assert_int_equal(parameters.hold_until_at_ms, 1772368264000);
	assert_false(parameters.has_mt_priority || parameters.has_auth || parameters.is_smtputf8);

	assert_int_equal(smtp_parameters_parse_mail(large, strlen(large), &parameters, &err), OK);
	assert_true(parameters.size_bytes == UINT64_MAX);
}

static void
test_rcpt(void **state)
{
	static const struct {
		const char *text;
		bool is_smtputf8;
		enum smtp_parameters_outcome outcome;
		unsigned notify;
		const char *orcpt;
	} rows[] = {
	    {"", false, OK, 0, ""},
	    {"NOTIFY=NEVER", false, OK, SMTP_NOTIFY_NEVER, ""},
	    {"notify=success,failure,delay", false, OK,
		SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY, ""},
	    {"NOTIFY=DELAY", false, OK, SMTP_NOTIFY_DELAY, ""},
	    {"NOTIFY", false, MALFORMED, 0, ""},
	    {"NOTIFY=", false, MALFORMED, 0, ""},
	    {"NOTIFY=NEVER,SUCCESS", false, MALFORMED, 0, ""},
	    {"NOTIFY=SUCCESS,NEVER", false, MALFORMED, 0, ""},
	    {"NOTIFY=SUCCESS,SUCCESS", false, MALFORMED, 0, ""},
	    {"NOTIFY=SUCCESS,", false, MALFORMED, 0, ""},
	    {"NOTIFY=,SUCCESS", false, MALFORMED, 0, ""},
	    {"NOTIFY=SUCCESS;DELAY", false, MALFORMED, 0, ""},
	    {"NOTIFY=ALWAYS", false, MALFORMED, 0, ""},
	    {"NOTIFY=NEVER NOTIFY=NEVER", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;a+2Bb@c.example", false, OK, 0, "rfc822;a+2Bb@c.example"},
	    {"ORCPT=RFC822;a@c.example NOTIFY=DELAY", false, OK, SMTP_NOTIFY_DELAY,
		"RFC822;a@c.example"},
	    {"ORCPT=x400;/C=DE/", false, MALFORMED, 0, ""},
	    {"ORCPT=x400;/C+3DDE/", false, OK, 0, "x400;/C+3DDE/"},
	    {"ORCPT=utf-8;\\x{E4}@c.example", false, OK, 0, "utf-8;\\x{E4}@c.example"},
	    {"ORCPT=utf-8;\xc3\xa4@c.example", true, OK, 0, "utf-8;\xc3\xa4@c.example"},
	    {"ORCPT=utf-8;\xc3\xa4@c.example", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;\xc3\xa4@c.example", true, MALFORMED, 0, ""},
	    {"ORCPT=utf-8;\xe4@c.example", true, MALFORMED, 0, ""},
	    {"ORCPT", false, MALFORMED, 0, ""},
	    {"ORCPT=", false, MALFORMED, 0, ""},
	    {"ORCPT=a@c.example", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;", false, MALFORMED, 0, ""},
	    {"ORCPT=;a@c.example", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc 822;a@c.example", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;a+0D+0Ab@c.example", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;a ORCPT=rfc822;a", false, MALFORMED, 0, ""},
	    {"ORCPT=rfc822;" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED, false, MALFORMED, 0, ""},
	    {"SIZE=1", false, UNKNOWN, 0, ""},
	    {"RRVS=2026-03-01T12:31:04Z", false, UNKNOWN, 0, ""},
	    {"<x", false, MALFORMED, 0, ""},
	};
	struct smtp_rcpt_parameters parameters;
	struct err err;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum smtp_parameters_outcome outcome = smtp_parameters_parse_rcpt(
		    rows[i].text, strlen(rows[i].text), rows[i].is_smtputf8, &parameters, &err);

		if (outcome != rows[i].outcome)
			fail_msg("%s: %d", rows[i].text, outcome);
		if (outcome == OK && (parameters.notify != rows[i].notify ||
					 strcmp(parameters.orcpt, rows[i].orcpt) != 0))
			fail_msg("%s: %u %s", rows[i].text, parameters.notify, parameters.orcpt);
	}
}

static void
test_sentences(void **state)
{
	struct smtp_rcpt_parameters rcpt;
	struct smtp_mail_parameters mail;
	struct err err;

	(void)smtp_parameters_parse_rcpt("RRVS=1", 6, false, &rcpt, &err);
	assert_string_equal(err.text, "Parameter RRVS is not supported");
	(void)smtp_parameters_parse_mail("RET=x", 5, &mail, &err);
	assert_string_equal(err.text, "RET= takes FULL or HDRS");
	(void)smtp_parameters_parse_mail("RET=FULL RET=FULL", 17, &mail, &err);
	assert_string_equal(err.text, "A parameter is given twice");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mail_outcomes),
	    cmocka_unit_test(test_mail_values),
	    cmocka_unit_test(test_rcpt),
	    cmocka_unit_test(test_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
