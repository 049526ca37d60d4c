/* dsn: the notice, word for word; nothing of it can be forged by what came from outside. */
#include "common/utf8.h"
#include "daemon/core/values.h"
#include "daemon/queue/dsn.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char golden[] =
    "Date: Wed, 15 Nov 2023 22:13:20 +0000\r\n"
    "From: Mail Delivery <MAILER-DAEMON@relay.example.org>\r\n"
    "To: <shop@example.org>\r\n"
    "Subject: Your message could not be delivered\r\n"
    "Message-ID: <1000005@relay.example.org>\r\n"
    "In-Reply-To: <1@example.org>\r\n"
    "Auto-Submitted: auto-replied\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
    "\tboundary=\"=_1000005_1700086400000\"\r\n"
    "\r\n"
    "This is a report of mail delivery in MIME format.\r\n"
    "\r\n"
    "--=_1000005_1700086400000\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n"
    "This is the mail relay at relay.example.org.\r\n"
    "\r\n"
    "Your message \"Your order\"\r\n"
    "of Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    "could not be delivered to these recipients. It will not be tried again.\r\n"
    "\r\n"
    "  <r0@example.net>\r\n"
    "    The receiving server refused it:\r\n"
    "    550 5.1.1 no such user\r\n"
    "\r\n"
    "  <r1@example.net>\r\n"
    "    It was tried until its time was over. The last answer was:\r\n"
    "    the connection broke\r\n"
    "\r\n"
    "If you ask for help, please name the id 1000000.\r\n"
    "\r\n"
    "--=_1000005_1700086400000\r\n"
    "Content-Type: message/delivery-status\r\n"
    "\r\n"
    "Reporting-MTA: dns; relay.example.org\r\n"
    "X-Postern-Queue-ID: 1000000\r\n"
    "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    "\r\n"
    "Final-Recipient: rfc822; r0@example.net\r\n"
    "Action: failed\r\n"
    "Status: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.net\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
    "Last-Attempt-Date: Wed, 15 Nov 2023 22:13:20 +0000\r\n"
    "\r\n"
    "Final-Recipient: rfc822; r1@example.net\r\n"
    "Action: failed\r\n"
    "Status: 4.4.7\r\n"
    "Last-Attempt-Date: Wed, 15 Nov 2023 22:13:20 +0000\r\n"
    "\r\n"
    "--=_1000005_1700086400000\r\n"
    "Content-Type: text/rfc822-headers\r\n"
    "\r\n"
    "From: a\r\n"
    "Subject: Your order\r\n"
    "\r\n"
    "--=_1000005_1700086400000--\r\n";

static struct dsn
make_dsn(
    struct mail *mail, const struct dsn_recipient *recipients, size_t count, const char *original)
{
	mail->received_at_ms = 1700000000000;
	mail->size = strlen(original);
	return (struct dsn){.hostname = "relay.example.org",
	    .from = "",
	    .mail = mail,
	    .recipients = recipients,
	    .recipient_count = count,
	    .original = original,
	    .original_size = strlen(original),
	    .notice_id = (1 << 30) + 5,
	    .now_ms = 1700086400000};
}

static struct dsn_recipient
refused(const char *address)
{
	return (struct dsn_recipient){.address = address,
	    .orcpt = "",
	    .enhanced = "5.1.1",
	    .reply = "no such user",
	    .upstream = "mx.example.net[192.0.2.1]:25",
	    .code = 550,
	    .attempted_at_ms = 1700086400000,
	    .action = DSN_FAILED};
}

static struct dsn_recipient
taken(const char *address, enum dsn_action action)
{
	return (struct dsn_recipient){.address = address,
	    .orcpt = "",
	    .enhanced = "2.0.0",
	    .reply = "Ok",
	    .upstream = action == DSN_DELIVERED ? "" : "mx.example.net[192.0.2.1]:25",
	    .code = 250,
	    .action = action};
}

static bool
has(const struct buf *out, const char *text)
{
	if (strstr(out->bytes, text) != NULL)
		return true;
	print_message("%s\nlacks %s\n", out->bytes, text);
	return false;
}

/* Every line ends in CRLF. */
static void
check_lines(const struct buf *out)
{
	for (size_t i = 0; i < out->size; i++)
		assert_true(out->bytes[i] != '\n' || out->bytes[i - 1] == '\r');
}

static void
test_golden_text(void **state)
{
	const struct dsn_recipient recipients[] = {
	    refused("r0@example.net"),
	    {.address = "r1@example.net",
		.orcpt = "",
		.enhanced = "",
		.reply = "the connection broke",
		.upstream = "",
		.attempted_at_ms = 1700086400000,
		.is_expired = true,
		.action = DSN_FAILED},
	};
	struct mail *mail = rig_mail(1 << 30, 2);
	struct dsn dsn =
	    make_dsn(mail, recipients, 2, "From: a\r\nSubject: Your order\r\n\r\nsecret body\r\n");
	struct dsn_needs needs;
	struct buf out = {0};

	needs = dsn_write(&dsn, &out);
	assert_false(needs.has_8bit || needs.has_utf8_header);
	assert_string_equal(out.bytes, golden);
	buf_fini(&out);
	free(mail);
}

static void
test_foreign_text_stays_on_its_line(void **state)
{
	struct dsn_recipient recipient = refused("r@example.net");
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, &recipient, 1, "Subject: \xc3\xa4\r\n\r\n");
	struct dsn_needs needs;
	struct buf out = {0};

	recipient.reply = "no\r\nAction: delivered\nx \xe4\xff";
	recipient.orcpt = "rfc822;a\r\nStatus: 2.0.0";
	mail->wishes.envid = "a\nStatus: 2.1.0";
	needs = dsn_write(&dsn, &out);
	assert_true(needs.has_8bit);
	assert_false(needs.has_utf8_header);
	assert_null(strstr(out.bytes, "\nAction: delivered"));
	assert_null(strstr(out.bytes, "\nStatus: 2."));
	assert_true(has(&out, "Content-Type: message/global-headers\r\n"
			      "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa4\r\n"));
	assert_true(has(&out, "Content-Type: message/delivery-status\r\n\r\n"));
	assert_true(utf8_is_valid(out.bytes, out.size));
	check_lines(&out);
	buf_fini(&out);
	/* An smtpd that checks nothing. */
	recipient.orcpt = "rfc822\r\nStatus: 2.2.0;a";
	(void)dsn_write(&dsn, &out);
	assert_null(strstr(out.bytes, "\nStatus: 2."));
	check_lines(&out);
	buf_fini(&out);
	free(mail);
}

static void
test_what_the_client_gave_comes_back_to_it(void **state)
{
	struct dsn_recipient recipient = refused("r@example.net");
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, &recipient, 1, "Subject: x\r\n\r\n");
	struct buf out = {0};

	mail->wishes.envid = "QQ+2B314159";
	recipient.orcpt = "rfc822;dana+2Bivory@example.com";
	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "\r\n\r\nOriginal-Envelope-Id: QQ+314159\r\nReporting-MTA: "));
	assert_true(has(&out, "\r\n\r\nOriginal-Recipient: rfc822; dana+ivory@example.com\r\n"
			      "Final-Recipient: rfc822; r@example.net\r\nAction: failed\r\n"));
	buf_fini(&out);
	free(mail);
}

static void
test_success_is_told_with_its_own_words(void **state)
{
	const struct dsn_recipient recipients[] = {
	    taken("a@example.net", DSN_RELAYED), taken("b@example.net", DSN_RELAYED)};
	const struct dsn_recipient captured = taken("c@example.net", DSN_DELIVERED);
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, recipients, 2, "Subject: x\r\n\r\nbody\r\n");
	struct buf out = {0};

	mail->wishes.ret = RET_FULL;
	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "Subject: Your message was handed on\r\n"));
	assert_true(has(&out, "was handed to the mail server in charge of these recipients."));
	assert_true(has(&out, "Final-Recipient: rfc822; b@example.net\r\nAction: relayed\r\n"
			      "Status: 2.0.0\r\nRemote-MTA: dns; mx.example.net\r\n"));
	/* The whole message is for failures only. */
	assert_true(has(&out, "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--"));
	buf_clear(&out);
	dsn.recipients = &captured;
	dsn.recipient_count = 1;
	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "Subject: Your message was delivered\r\n"));
	assert_true(has(&out, "Action: delivered\r\nStatus: 2.0.0\r\nDiagnostic-Code: smtp; 250"));
	assert_null(strstr(out.bytes, "Remote-MTA"));
	buf_fini(&out);
	free(mail);
}

/* RFC 3461 5.2.5, RFC 3464 2.3.9; RET=FULL is of failures alone (RFC 3461 4.3). */
static void
test_delay(void **state)
{
	static const char original[] = "Subject: Your order\r\n\r\nsecret body\r\n";
	struct mail *mail = rig_mail(1 << 30, 2);
	struct dsn_recipient recipients[] = {
	    {.address = "r0@example.net",
		.orcpt = "rfc822;dana+2B1@example.net",
		.enhanced = "4.2.0",
		.reply = "Mailbox busy",
		.upstream = "",
		.code = 450,
		.action = DSN_DELAYED},
	    {.address = "r1@example.net",
		.orcpt = "",
		.enhanced = "",
		.reply = "",
		.upstream = "",
		.action = DSN_DELAYED},
	};
	struct dsn dsn = make_dsn(mail, recipients, 2, original);
	struct buf out = {0};

	mail->wishes.ret = RET_FULL;
	mail->wishes.envid = mail_text(mail, "QQ+2B1");
	dsn.why = "The server that it goes through takes no mail before tomorrow.";
	dsn.retry_until_ms = 1700432000000;
	(void)dsn_write(&dsn, &out);
	check_lines(&out);
	assert_true(has(&out, "Subject: Your message is delayed\r\n"));
	assert_true(has(&out,
	    "has not yet been delivered to these recipients. You need not send it again.\r\n"
	    "\r\n  <r0@example.net>\r\n    The last answer was:\r\n"
	    "    450 4.2.0 Mailbox busy\r\n\r\n  <r1@example.net>\r\n\r\n"
	    "The server that it goes through takes no mail before tomorrow.\r\n\r\n"
	    "It is tried until Sun, 19 Nov 2023 22:13:20 +0000.\r\n"));
	assert_true(has(&out, "Original-Envelope-Id: QQ+1\r\n"));
	assert_true(has(&out,
	    "Original-Recipient: rfc822; dana+1@example.net\r\n"
	    "Final-Recipient: rfc822; r0@example.net\r\nAction: delayed\r\nStatus: 4.2.0\r\n"
	    "Diagnostic-Code: smtp; 450 4.2.0 Mailbox busy\r\n"
	    "Will-Retry-Until: Sun, 19 Nov 2023 22:13:20 +0000\r\n"
	    "\r\nFinal-Recipient: rfc822; r1@example.net\r\nAction: delayed\r\nStatus: 4.0.0\r\n"
	    "Will-Retry-Until: "));
	assert_null(strstr(out.bytes, "secret body"));
	buf_fini(&out);
	free(mail);
}

static void
test_overdue_without_an_attempt(void **state)
{
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn_recipient recipient = {.address = "r0@example.net",
	    .orcpt = "",
	    .enhanced = "",
	    .reply = "The server that it goes through can't be used.",
	    .upstream = "",
	    .is_expired = true,
	    .action = DSN_FAILED};
	struct dsn dsn = make_dsn(mail, &recipient, 1, "\r\n");
	struct buf out = {0};

	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "    Its time was over before it could be sent:\r\n    The server"));
	assert_true(has(&out, "Action: failed\r\nStatus: 4.4.7\r\n\r\n--"));
	assert_null(strstr(out.bytes, "Last-Attempt-Date"));
	buf_fini(&out);
	free(mail);
}

static void
test_failures_and_success_share_a_notice(void **state)
{
	const struct dsn_recipient recipients[] = {
	    taken("a@example.net", DSN_RELAYED), refused("b@example.net")};
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, recipients, 2, "Subject: x\r\n\r\n");
	struct buf out = {0};

	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "Subject: Your message could not be delivered\r\n"));
	assert_true(has(&out, "+0000\r\ncould not be delivered to this recipient."));
	assert_true(has(&out, "\r\n\r\nIt was handed to the mail server in charge of this"));
	buf_fini(&out);
	free(mail);
}

static void
test_message_comes_back_whole_if_that_was_asked_for(void **state)
{
	static const struct {
		enum dsn_ret ret;
		size_t missing; /* octets that were not read */
		const char *type, *body;
	} rows[] = {
	    {RET_UNSAID, 0, "text/rfc822-headers", NULL},
	    {RET_HDRS, 0, "text/rfc822-headers", NULL},
	    {RET_FULL, 0, "message/rfc822", "\r\n\r\nthe body\r\n"},
	    {RET_FULL, 1, "text/rfc822-headers", NULL},
	};
	const struct dsn_recipient recipient = refused("r@example.net");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mail *mail = rig_mail(1 << 30, 1);
		struct dsn dsn = make_dsn(mail, &recipient, 1, "Subject: x\r\n\r\nthe body\r\n");
		struct buf out = {0};
		char type[64];

		mail->wishes.ret = (uint8_t)rows[i].ret;
		mail->size += rows[i].missing;
		(void)dsn_write(&dsn, &out);
		(void)snprintf(type, sizeof(type), "\r\nContent-Type: %s\r\n", rows[i].type);
		assert_true(has(&out, type));
		assert_true(has(&out, "\r\nSubject: x\r\n"));
		assert_int_equal(strstr(out.bytes, "the body") != NULL, rows[i].body != NULL);
		buf_fini(&out);
		free(mail);
	}
}

static void
test_addresses_in_utf8(void **state)
{
	struct dsn_recipient recipient = refused("j\xc3\xbcrgen@example.net");
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, &recipient, 1, "From: j\xc3\xbcrgen@x\r\n\r\nbody\r\n");
	struct dsn_needs needs;
	struct buf out = {0};

	recipient.orcpt = "utf-8;\\x{3B4}@example.net";
	mail->wishes.ret = RET_FULL;
	needs = dsn_write(&dsn, &out);
	/* The sender is ASCII, so any upstream that takes 8 bits takes the notice. */
	assert_true(needs.has_8bit && !needs.has_utf8_header);
	assert_true(has(&out, "Content-Type: message/global-delivery-status\r\n"
			      "Content-Transfer-Encoding: 8bit\r\n\r\n"));
	assert_true(has(&out, "Original-Recipient: utf-8; \xce\xb4@example.net\r\n"
			      "Final-Recipient: utf-8; j\xc3\xbcrgen@example.net\r\n"));
	assert_true(has(&out, "Content-Type: message/global\r\n"));
	buf_clear(&out);
	mail->sender = "j\xc3\xbcrgen@example.org";
	assert_true(dsn_write(&dsn, &out).has_utf8_header);
	buf_clear(&out);
	/* Of type utf-8, but nothing in it is. */
	recipient = refused("r@example.net");
	recipient.orcpt = "utf-8;r+2B\\x{2B}@example.net";
	(void)dsn_write(&dsn, &out);
	assert_true(has(&out, "Content-Type: message/delivery-status\r\n"));
	assert_true(has(&out, "Original-Recipient: utf-8; r+2B\\x{2B}@example.net\r\n"));
	buf_fini(&out);
	free(mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_text),
	    cmocka_unit_test(test_foreign_text_stays_on_its_line),
	    cmocka_unit_test(test_what_the_client_gave_comes_back_to_it),
	    cmocka_unit_test(test_success_is_told_with_its_own_words),
	    cmocka_unit_test(test_delay),
	    cmocka_unit_test(test_overdue_without_an_attempt),
	    cmocka_unit_test(test_failures_and_success_share_a_notice),
	    cmocka_unit_test(test_message_comes_back_whole_if_that_was_asked_for),
	    cmocka_unit_test(test_addresses_in_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
