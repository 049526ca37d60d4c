/* dsn: the notice, word for word; nothing of it can be forged by what came from outside. */
#include "daemon/queue/dsn.h"
#include "tests/lib/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
    "\r\n"
    "Final-Recipient: rfc822; r1@example.net\r\n"
    "Action: failed\r\n"
    "Status: 4.4.7\r\n"
    "\r\n"
    "--=_1000005_1700086400000\r\n"
    "Content-Type: text/rfc822-headers\r\n"
    "\r\n"
    "From: a\r\n"
    "Subject: Your order\r\n"
    "\r\n"
    "--=_1000005_1700086400000--\r\n";

static struct dsn
make_dsn(struct mail *mail, const struct dsn_failure *failures, size_t count, const char *header)
{
	mail->received_at_ms = 1700000000000;
	return (struct dsn){.hostname = "relay.example.org",
	    .from = "",
	    .mail = mail,
	    .failures = failures,
	    .failure_count = count,
	    .header = header,
	    .header_size = strlen(header),
	    .notice_id = (1 << 30) + 5,
	    .now_ms = 1700086400000};
}

static void
test_golden_text(void **state)
{
	const struct dsn_failure failures[] = {
	    {"r0@example.net", "5.1.1", "no such user", "mx.example.net[192.0.2.1]:25", 550, false},
	    {"r1@example.net", "", "the connection broke", "", 0, true},
	};
	struct mail *mail = rig_mail(1 << 30, 2);
	struct dsn dsn =
	    make_dsn(mail, failures, 2, "From: a\r\nSubject: Your order\r\n\r\nsecret body\r\n");
	struct buf out = {0};

	assert_false(dsn_write(&dsn, &out));
	assert_string_equal(out.bytes, golden);
	buf_fini(&out);
	free(mail);
}

static void
test_foreign_text_stays_on_its_line(void **state)
{
	const struct dsn_failure failure = {
	    "r@example.net", "5.1.1", "no\r\nAction: delivered\nx", "", 550, false};
	struct mail *mail = rig_mail(1 << 30, 1);
	struct dsn dsn = make_dsn(mail, &failure, 1, "Subject: \xc3\xa4\r\n\r\n");
	struct buf out = {0};

	assert_true(dsn_write(&dsn, &out));
	assert_null(strstr(out.bytes, "\nAction: delivered"));
	for (size_t i = 0; i < out.size; i++)
		assert_true(out.bytes[i] != '\n' || out.bytes[i - 1] == '\r');
	buf_fini(&out);
	free(mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_text),
	    cmocka_unit_test(test_foreign_text_stays_on_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
