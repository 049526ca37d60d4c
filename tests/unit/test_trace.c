/* The header that a message leaves with. */
#include "daemon/smtpd/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define DATE "Sun, 01 Mar 2026 12:31:04 +0000"
#define RECEIVED                                                                                   \
	"Received: from box.example ([192.0.2.7])\r\n\tby relay.example with ESMTPSA "             \
	"(TLSv1.3)\r\n"                                                                            \
	"\tid 10; " DATE "\r\n"

static struct trace
a_trace(void)
{
	struct trace trace = {
	    .hostname = "relay.example",
	    .helo = "box.example",
	    .message_id = 32,
	    .is_esmtp = true,
	    .is_authenticated = true,
	    .tls_version = "TLSv1.3",
	    .now_ms = 1772368264000,
	};

	assert_true(netaddr_parse("192.0.2.7", &trace.client));
	return trace;
}

static void
write_header(struct buf *out, const struct trace *trace, const struct header_changes *changes,
    const char *bytes)
{
	struct header header;

	header_scan(&header, bytes, strlen(bytes));
	trace_write_header(out, trace, changes, &header, bytes, strlen(bytes));
	header_fini(&header);
}

static void
test_fields(void **state)
{
	static char bcc[] = "Bcc", return_path[] = "return-path";
	static char *const drop[] = {bcc, return_path, NULL};
	static const struct {
		const char *name;
		unsigned stamp;
		const char *input, *expected;
	} rows[] = {
	    {"nothing is missing", 0, "Date: x\r\nMessage-ID: <y>\r\nA: b\r\n c\r\n",
		RECEIVED "Date: x\r\nMessage-ID: <y>\r\nA: b\r\n c\r\n\r\n"},
	    {"no Date", 0, "Message-ID: <y>\r\n",
		RECEIVED "Date: " DATE "\r\nMessage-ID: <y>\r\n\r\n"},
	    {"no Message-ID", 0, "Date: x\r\n",
		RECEIVED "Message-ID: <10.1772368264000@relay.example>\r\nDate: x\r\n\r\n"},
	    {"empty", 0, "",
		RECEIVED "Date: " DATE "\r\nMessage-ID: <10.1772368264000@relay.example>\r\n\r\n"},
	    {"dropped with their folds", 0,
		"BCC: a,\r\n b\r\nDate: x\r\nReturn-Path : <z>\r\nMessage-ID: <y>\r\n",
		RECEIVED "Date: x\r\nMessage-ID: <y>\r\n\r\n"},
	    {"stamp", 1,
		"Date: x\r\nX-Priority: 5\r\nImportance: low\r\nMessage-ID: <y>\r\n"
		"X-MSMail-Priority: Low\r\nPriority: non-urgent\r\n",
		RECEIVED "Date: x\r\nMessage-ID: <y>\r\nX-Priority: 1\r\nImportance: high\r\n\r\n"},
	    {"stamp normal", 3, "Date: x\r\nMessage-ID: <y>\r\n",
		RECEIVED
		"Date: x\r\nMessage-ID: <y>\r\nX-Priority: 3\r\nImportance: normal\r\n\r\n"},
	};
	struct trace trace = a_trace();
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct header_changes changes = {drop, rows[i].stamp};

		buf_clear(&out);
		write_header(&out, &trace, &changes, rows[i].input);
		if (strcmp(out.bytes, rows[i].expected) != 0)
			fail_msg("%s:\n%s", rows[i].name, out.bytes);
	}
	buf_fini(&out);
}

/* RFC 5322 3.6 wants a Date: in every message. */
static void
test_dropped_date_leaves_none(void **state)
{
	static char date[] = "date", message_id[] = "MESSAGE-ID";
	static char *const drop[] = {date, message_id, NULL};
	struct header_changes changes = {drop, 0};
	struct trace trace = a_trace();
	struct buf out;

	buf_init(&out);
	write_header(&out, &trace, &changes, "Date: x\r\nMessage-ID: <y>\r\nA: b\r\n");
	assert_string_equal(out.bytes, RECEIVED "Date: " DATE "\r\n"
						"Message-ID: <10.1772368264000@relay.example>\r\n"
						"A: b\r\n\r\n");
	buf_fini(&out);
}

static void
test_received(void **state)
{
	static const struct {
		const char *name, *helo, *client;
		bool is_esmtp, is_authenticated;
		const char *tls_version, *expected; /* the first two lines */
	} rows[] = {
	    {"HELO", "box", "192.0.2.7", false, true, "",
		"from box ([192.0.2.7])\r\n\tby relay.example with SMTP\r\n"},
	    {"clear", "box", "192.0.2.7", true, false, "",
		"from box ([192.0.2.7])\r\n\tby relay.example with ESMTP\r\n"},
	    {"AUTH in clear", "box", "192.0.2.7", true, true, "",
		"from box ([192.0.2.7])\r\n\tby relay.example with ESMTPA\r\n"},
	    {"TLS without AUTH", "box", "192.0.2.7", true, false, "TLSv1.2",
		"from box ([192.0.2.7])\r\n\tby relay.example with ESMTPS (TLSv1.2)\r\n"},
	    {"IPv6", "[IPv6:::1]", "2001:db8::1", true, false, "",
		"from [IPv6:::1] ([IPv6:2001:db8::1])\r\n\tby relay.example with ESMTP\r\n"},
	    {"forged comment", "x) (from [192.0.2.1]", "192.0.2.7", true, false, "",
		"from [192.0.2.7] (helo=x___from_[192.0.2.1])\r\n\tby relay.example with "
		"ESMTP\r\n"},
	    {"8-bit and quotes", "\xc3\xa4\"\\", "192.0.2.7", true, false, "",
		"from [192.0.2.7] (helo=____)\r\n\tby relay.example with ESMTP\r\n"},
	    {"bare IPv6", "fe80::1", "192.0.2.7", true, false, "",
		"from [192.0.2.7] (helo=fe80::1)\r\n\tby relay.example with ESMTP\r\n"},
	};
	struct header_changes changes = {0};
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trace trace = a_trace();

		trace.helo = rows[i].helo;
		trace.is_esmtp = rows[i].is_esmtp;
		trace.is_authenticated = rows[i].is_authenticated;
		trace.tls_version = rows[i].tls_version;
		assert_true(netaddr_parse(rows[i].client, &trace.client));
		buf_clear(&out);
		write_header(&out, &trace, &changes, "");
		if (strncmp(out.bytes + strlen("Received: "), rows[i].expected,
			strlen(rows[i].expected)) != 0)
			fail_msg("%s:\n%s", rows[i].name, out.bytes);
	}
	buf_fini(&out);
}

static void
test_received_of_smtputf8(void **state)
{
	static const struct {
		bool is_esmtp, is_authenticated;
		const char *tls_version, *expected;
	} rows[] = {
	    {true, false, "", "with UTF8SMTP\r\n"},
	    {true, true, "", "with UTF8SMTPA\r\n"},
	    {true, false, "TLSv1.3", "with UTF8SMTPS (TLSv1.3)\r\n"},
	    {true, true, "TLSv1.3", "with UTF8SMTPSA (TLSv1.3)\r\n"},
	    {false, false, "", "with SMTP\r\n"},
	};
	struct header_changes changes = {0};
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct trace trace = a_trace();

		trace.is_smtputf8 = true;
		trace.is_esmtp = rows[i].is_esmtp;
		trace.is_authenticated = rows[i].is_authenticated;
		trace.tls_version = rows[i].tls_version;
		buf_clear(&out);
		write_header(&out, &trace, &changes, "");
		assert_non_null(strstr(out.bytes, rows[i].expected));
	}
	buf_fini(&out);
}

static void
test_long_helo(void **state)
{
	struct header_changes changes = {0};
	struct trace trace = a_trace();
	char helo[300];
	struct buf out;

	memset(helo, 'x', sizeof(helo));
	helo[sizeof(helo) - 1] = '\0';
	trace.helo = helo;
	buf_init(&out);
	write_header(&out, &trace, &changes, "");
	assert_true(strchr(out.bytes, '\n') - out.bytes < 200);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_dropped_date_leaves_none),
	    cmocka_unit_test(test_received),
	    cmocka_unit_test(test_received_of_smtputf8),
	    cmocka_unit_test(test_long_helo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
