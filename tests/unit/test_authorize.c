/* Sender authorization: every rule of the manual is a row. */
#include "daemon/smtpd/authorize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define YES AUTHORIZE_YES
#define BLOCK AUTHORIZE_BLOCK
#define BOTH CHECK_BOTH
#define ENVELOPE CHECK_ENVELOPE
#define HEADER CHECK_HEADER
#define GOOD "a@good.example"
#define BAD "a@bad.example"

static const struct row {
	const char *name, *domains, *senders;
	enum check_sides check;
	const char *envelope, *header;
	enum authorize_outcome at_mail, after_data;
	const char *address; /* of the verdict that isn't YES */
} rows[] = {
    {"unrestricted", "", "", BOTH, BAD, "From: x\r\nFrom: y\r\n", YES, YES, NULL},
    {"any sender", "good.example", "*", BOTH, BAD, "From: nonsense\r\n", YES, YES, NULL},
    {"both good", "good.example", "", BOTH, GOOD, "From: " GOOD "\r\n", YES, YES, NULL},
    {"case", "good.example", "", BOTH, "A@GOOD.example", "From: a@Good.EXAMPLE\r\n", YES, YES,
	NULL},
    {"sender", "", GOOD, BOTH, "A@good.example", "From: X <" GOOD ">\r\n", YES, YES, NULL},
    {"envelope bad", "good.example", "", BOTH, BAD, "From: " GOOD "\r\n", BLOCK, YES, BAD},
    {"subdomain", "good.example", "", BOTH, "a@x.good.example", "From: " GOOD "\r\n", BLOCK, YES,
	"a@x.good.example"},
    {"From bad", "good.example", "", BOTH, GOOD, "From: " BAD "\r\n", YES, BLOCK, BAD},
    {"second of From bad", "good.example", "", BOTH, GOOD, "From: " GOOD ", " BAD "\r\n", YES,
	BLOCK, BAD},
    {"in a group", "good.example", "", BOTH, GOOD, "From: T: " GOOD ", " BAD ";\r\n", YES, BLOCK,
	BAD},
    {"Sender bad", "good.example", "", BOTH, GOOD, "From: " GOOD "\r\nSender: " BAD "\r\n", YES,
	BLOCK, BAD},
    {"Sender good", "good.example", "", BOTH, GOOD, "From: " GOOD "\r\nSender: " GOOD "\r\n", YES,
	YES, NULL},
    {"Sender unparsable", "good.example", "", BOTH, GOOD, "From: " GOOD "\r\nSender: x y\r\n", YES,
	BLOCK, "x y"},
    {"several From", "good.example", "", BOTH, GOOD, "From: " GOOD "\r\nFrom: " GOOD "\r\n", YES,
	BLOCK, GOOD},
    {"From unparsable", "good.example", "", BOTH, GOOD, "From: John\r\n", YES, BLOCK, "John"},
    {"no From", "good.example", "", BOTH, GOOD, "To: x\r\n", YES, YES, NULL},
    {"no From but a bad Sender", "good.example", "", BOTH, GOOD, "Sender: " BAD "\r\n", YES, BLOCK,
	BAD},
    {"null envelope", "good.example", "", BOTH, "", "From: " GOOD "\r\n", YES, YES, NULL},
    {"null envelope, bad From", "good.example", "", BOTH, "", "From: " BAD "\r\n", YES, BLOCK, BAD},
    {"null envelope, no From", "good.example", "", BOTH, "", "To: x\r\n", YES, BLOCK, ""},
    {"header only", "good.example", "", HEADER, BAD, "From: " GOOD "\r\n", YES, YES, NULL},
    {"header only, bad From", "good.example", "", HEADER, GOOD, "From: " BAD "\r\n", YES, BLOCK,
	BAD},
    {"header only, no From", "good.example", "", HEADER, GOOD, "To: x\r\n", YES, BLOCK, ""},
    {"envelope only", "good.example", "", ENVELOPE, GOOD, "From: " BAD "\r\n", YES, YES, NULL},
    {"envelope only, several From", "good.example", "", ENVELOPE, GOOD, "From: x\r\nFrom: y\r\n",
	YES, YES, NULL},
    {"envelope only, bad envelope", "good.example", "", ENVELOPE, BAD, "From: " GOOD "\r\n", BLOCK,
	YES, BAD},
    {"envelope only, null, bad From", "good.example", "", ENVELOPE, "", "From: " BAD "\r\n", YES,
	BLOCK, BAD},
    {"envelope only, null, several From", "good.example", "", ENVELOPE, "",
	"From: " GOOD "\r\nFrom: " GOOD "\r\n", YES, BLOCK, GOOD},
    {"envelope only, null, bad Sender", "good.example", "", ENVELOPE, "",
	"From: " GOOD "\r\nSender: " BAD "\r\n", YES, BLOCK, BAD},
    {"envelope only, null, good From", "good.example", "", ENVELOPE, "", "From: " GOOD "\r\n", YES,
	YES, NULL},
    {"envelope only, null, no From", "good.example", "", ENVELOPE, "", "To: x\r\n", YES, BLOCK, ""},
    {"U-label",
	"b\xc3\xbc"
	"cher.example",
	"", BOTH,
	"a@B\xc3\x9c"
	"cher.example",
	"From: a@XN--bcher-kva.example\r\n", YES, YES, NULL},
    {"soft hyphen in the envelope", "good.example", "", BOTH,
	"a@go\xc2\xad"
	"od.example",
	"From: " GOOD "\r\n", BLOCK, YES,
	"a@go\xc2\xad"
	"od.example"},
    {"address for a name", "good.example", "", BOTH, GOOD, "From: " GOOD " <" GOOD ">\r\n", YES,
	YES, NULL},
    {"bad address for a name", "good.example", "", BOTH, GOOD, "From: " BAD " <" GOOD ">\r\n", YES,
	BLOCK, BAD},
    {"bad address behind a good one as its name", "good.example", "", BOTH, GOOD,
	"From: " GOOD " <" BAD ">\r\n", YES, BLOCK, BAD},
};

struct outcome {
	struct authorize_verdict at_mail, after_data;
};

static struct outcome
ask(const struct row *row, enum unauthorized_action action)
{
	struct sender_rules domains, senders;
	struct header header;
	struct outcome outcome;
	struct err err;

	assert_int_equal(sender_rules_parse_domains(row->domains, &domains, &err), 0);
	assert_int_equal(sender_rules_parse_senders(row->senders, &senders, &err), 0);
	header_scan(&header, row->header, strlen(row->header));
	const struct sender_rights rights = {&domains, &senders, row->check, action};
	outcome.at_mail = authorize_envelope(&rights, row->envelope);
	outcome.after_data = authorize_header(&rights, row->envelope, &header);
	header_fini(&header);
	sender_rules_fini(&domains);
	sender_rules_fini(&senders);
	return outcome;
}

static void
test_block(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = ask(&rows[i], UNAUTHORIZED_BLOCK);
		const struct authorize_verdict *bad =
		    outcome.at_mail.outcome != YES ? &outcome.at_mail : &outcome.after_data;

		if (outcome.at_mail.outcome != rows[i].at_mail)
			fail_msg("%s at MAIL: %d", rows[i].name, outcome.at_mail.outcome);
		if (outcome.after_data.outcome != rows[i].after_data)
			fail_msg("%s after data: %d", rows[i].name, outcome.after_data.outcome);
		if (rows[i].address != NULL && strcmp(bad->address, rows[i].address) != 0)
			fail_msg("%s: %s", rows[i].name, bad->address);
	}
}

static void
test_alert(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome outcome = ask(&rows[i], UNAUTHORIZED_ALERT);

		assert_int_equal(
		    outcome.at_mail.outcome, rows[i].at_mail == BLOCK ? AUTHORIZE_ALERT : YES);
		assert_int_equal(outcome.after_data.outcome,
		    rows[i].after_data == BLOCK ? AUTHORIZE_ALERT : YES);
	}
}

static void
test_format(void **state)
{
	static const struct {
		struct authorize_verdict verdict;
		const char *expected;
	} cases[] = {
	    {{BLOCK, AUTHORIZE_ENVELOPE, BAD, "", ""},
		"<" BAD ">: sender not authorized for user billing"},
	    {{BLOCK, AUTHORIZE_FROM, "x", "is there more than once", ""},
		"From: is there more than once: sender not authorized for user billing"},
	    {{BLOCK, AUTHORIZE_SENDER, "x", "can't be read as addresses", "x"},
		"Sender: can't be read as addresses near \"x\": sender not authorized for user "
		"billing"},
	};
	char text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
		    authorize_format(&cases[i].verdict, "billing", text, sizeof(text)),
		    cases[i].expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_block),
	    cmocka_unit_test(test_alert),
	    cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
