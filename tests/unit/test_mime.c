/* A message as it comes and as it leaves, byte for byte: what changes, and that nothing else does. */
#include "common/xalloc.h"
#include "daemon/mime/charset.h"
#include "daemon/mime/encoding.h"
#include "daemon/mime/rework.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD "From: a@b.example\r\nSubject: s\r\n"
#define MIME HEAD "MIME-Version: 1.0\r\n"
#define MIXED MIME "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
#define ALTERNATIVE MIME "Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n"
#define PNG "--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b--\r\nepilogue\r\n"
#define DIV(text) "<div><br>\r\n" text "\r\n</div>\r\n"

struct row {
	const char *name;
	const char *text, *html;             /* signatures; NULL: none */
	const char *before, *after, *remark; /* after NULL: as it was */
};

static struct msg_bytes
bytes_of(const char *text)
{
	if (text == NULL)
		return (struct msg_bytes){0};
	return (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static struct buf
result_of(const struct rework *rework)
{
	struct edits_reader reader = {0};
	struct buf out = {0};
	char piece[7];
	size_t size;

	while ((size = edits_read(&rework->edits, &reader, rework->message, rework->size, piece,
		    sizeof(piece))) > 0)
		buf_append(&out, piece, size);
	assert_int_equal(out.size, edits_result_size(&rework->edits, rework->size));
	return out;
}

static struct rework
run(const char *message, const struct rework_order *order)
{
	struct rework rework = {.message = xstrdup(message), .size = strlen(message)};

	rework_run(&rework, order);
	return rework;
}

static void
check(const struct row *row, const struct rework_order *order)
{
	struct rework rework = run(row->before, order);
	struct buf result = result_of(&rework);
	const char *expected = row->after == NULL ? row->before : row->after;

	if (result.size != strlen(expected) || memcmp(result.bytes, expected, result.size) != 0)
		fail_msg("%s:\n%s\ninstead of\n%s\nremark %s", row->name, result.bytes, expected,
		    rework.remark == NULL ? "none" : rework.remark);
	if ((row->remark == NULL) != (rework.remark == NULL) ||
	    (row->remark != NULL && strcmp(row->remark, rework.remark) != 0))
		fail_msg(
		    "%s: remark %s", row->name, rework.remark == NULL ? "none" : rework.remark);
	buf_fini(&result);
	rework_fini(&rework);
}

static const struct sender_wishes nobody = {
    .name = "", .address = "", .reply_to = "", .envelope = "env@x.example"};

/* ---- signatures ---- */

static const char sealed[] = "it is signed or encrypted";
static const char broken[] = "its MIME structure is broken";

static const struct row signature_rows[] = {
    {"no MIME", "sig", NULL, HEAD "\r\nhi\r\n", HEAD "\r\nhi\r\n\r\nsig\r\n", NULL},
    {"no text", "sig", NULL, HEAD "\r\n", HEAD "\r\n\r\nsig\r\n", NULL},
    {"two lines, one end", "a\nb\n", NULL, HEAD "\r\nhi\r\n", HEAD "\r\nhi\r\n\r\na\r\nb\r\n",
	NULL},
    {"text that is not ASCII into ASCII", "\xc3\xbc", NULL, HEAD "\r\nhi\r\n",
	HEAD "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	     "Content-Transfer-Encoding: quoted-printable\r\n\r\nhi\r\n\r\n=C3=BC\r\n",
	NULL},
    {"latin-1, 8bit", "\xc3\xbc", NULL,
	MIME
	"Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	"\xe4\r\n",
	MIME
	"Content-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	"\xe4\r\n\r\n\xfc\r\n",
	NULL},
    {"latin-1 can't say it", "\xce\xb1", NULL,
	MIME "Content-Type: text/plain; charset=latin1\r\nContent-Transfer-Encoding: "
	     "8bit\r\n\r\n\xe4\r\n",
	MIME "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	     "\xc3\xa4\r\n\r\n\xce\xb1\r\n",
	NULL},
    {"latin-1, quoted", "\xc3\xbc-", NULL,
	MIME "Content-Type: text/plain; charset=iso-8859-1\r\n"
	     "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=E4 =\r\nx\r\n",
	MIME "Content-Type: text/plain; charset=iso-8859-1\r\n"
	     "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=E4 x\r\n\r\n=FC-\r\n",
	NULL},
    {"base64", "sig", NULL,
	MIME "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGkNCg==\r\n",
	MIME "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	     "aGkNCg0Kc2lnDQo=\r\n",
	NULL},
    {"parameters without sense", "\xc3\xbc", NULL,
	MIME
	"Content-Type: text/plain; for\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff=x; "
	"format=fixed\r\n\r\nhi\r\n",
	MIME "Content-Type: text/plain; format=fixed; charset=utf-8\r\n"
	     "Content-Transfer-Encoding: quoted-printable\r\n\r\nhi\r\n\r\n=C3=BC\r\n",
	NULL},
    {"ISO-2022-JP", "sig", NULL,
	MIME "Content-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\x1b$B$\"\x1b(B\r\n",
	MIME "Content-Type: text/plain; charset=ISO-2022-JP\r\n\r\n\x1b$B$\"\x1b(B\r\n\r\nsig\r\n",
	NULL},
    {"first part of several", "sig", NULL,
	MIXED "prologue\r\n--b\r\nContent-Type:text/plain\r\n\r\nhi\r\n" PNG,
	MIXED "prologue\r\n--b\r\nContent-Type:text/plain\r\n\r\nhi\r\n\r\nsig\r\n" PNG, NULL},
    {"a boundary for a line", "--b\nx", NULL, MIXED "--b\r\n\r\nhi\r\n" PNG,
	MIXED "--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGkNCg0KLS1iDQp4\r\n" PNG, NULL},
    {"alternatives", "sig", "<b>s</b>",
	ALTERNATIVE
	"--b\r\n\r\nhi\r\n--b\r\nContent-Type: text/html\r\n\r\n<body>hi</body>\r\n--b--\r\n",
	ALTERNATIVE
	"--b\r\n\r\nhi\r\n\r\nsig\r\n--b\r\nContent-Type: text/html\r\n\r\n<body>hi\r\n" DIV(
	    "<b>s</b>") "</body>\r\n--b--\r\n",
	NULL},
    {"HTML has text", "a <b> & \xc3\xbc", NULL,
	MIME "Content-Type: text/html\r\n\r\nhi</BODY >\r\n",
	MIME "Content-Type: text/html\r\n\r\nhi\r\n" DIV("a &lt;b&gt; &amp; &#252;") "</BODY >\r\n",
	NULL},
    {"the last body", NULL, "s",
	MIME "Content-Type: text/html\r\n\r\n<!--</body>-->x</body></html>\r\n",
	MIME "Content-Type: text/html\r\n\r\n<!--</body>-->x\r\n" DIV("s") "</body></html>\r\n",
	NULL},
    {"HTML without a body", NULL, "s", MIME "Content-Type: text/html\r\n\r\n<p>x\r\n",
	MIME "Content-Type: text/html\r\n\r\n<p>x\r\n" DIV("s"), NULL},
    {"plain text has no HTML", NULL, "s", HEAD "\r\nhi\r\n", NULL,
	"it has no text of a kind that has a signature"},
    {"related", NULL, "s",
	MIME
	"Content-Type: multipart/related; boundary=b; start=\"<r>\"\r\n\r\n--b\r\nContent-Type: "
	"image/png\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\nContent-ID: "
	"<r>\r\n\r\nhi\r\n--b--\r\n",
	MIME
	"Content-Type: multipart/related; boundary=b; start=\"<r>\"\r\n\r\n--b\r\nContent-Type: "
	"image/png\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\nContent-ID: <r>\r\n\r\nhi\r\n<div>"
	"<br>\r\ns\r\n</div>\r\n--b--\r\n",
	NULL},
    {"flowed", " a \n>b\nFrom c", NULL,
	MIME "Content-Type: text/plain; FORMAT=Flowed\r\n\r\nhi \r\nx\r\n",
	MIME
	"Content-Type: text/plain; FORMAT=Flowed\r\n\r\nhi \r\nx\r\n\r\n  a\r\n >b\r\n From c\r\n",
	NULL},
    {"a message within", "sig", NULL,
	MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x\r\n\r\nhi\r\n--b--\r\n", NULL,
	"it has no text of a kind that has a signature"},
    {"attached", "sig", NULL,
	MIME "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nhi\r\n", NULL,
	"it has no text of a kind that has a signature"},
    {"signed", "sig", NULL,
	MIME "Content-Type: multipart/signed; "
	     "boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\n\r\nx\r\n--b--\r\n",
	NULL, sealed},
    {"signed within", "sig", NULL,
	MIXED "--b\r\nContent-Type: multipart/signed; "
	      "boundary=c\r\n\r\n--c\r\n\r\nhi\r\n--c--\r\n--b--\r\n",
	NULL, sealed},
    {"armor", "sig", NULL, HEAD "\r\n-----BEGIN PGP MESSAGE-----\r\n", NULL, sealed},
    {"armor that is quoted", "sig", NULL, HEAD "\r\n> -----BEGIN PGP MESSAGE-----\r\n",
	HEAD "\r\n> -----BEGIN PGP MESSAGE-----\r\n\r\nsig\r\n", NULL},
    {"S/MIME", "sig", NULL, MIME "Content-Type: application/pkcs7-mime\r\n\r\nx\r\n", NULL, sealed},
    {"a report", "sig", NULL,
	MIME "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b--\r\n", NULL,
	"it is a report"},
    {"no boundary", "sig", NULL, MIME "Content-Type: multipart/mixed\r\n\r\nhi\r\n", NULL, broken},
    {"not closed", "sig", NULL, MIXED "--b\r\n\r\nhi\r\n", NULL, broken},
    {"a charset that nobody knows", "sig", NULL,
	MIME "Content-Type: text/plain; charset=x\r\n\r\nhi\r\n", NULL,
	"the charset of its text is not known"},
    {"an encoding that nobody knows", "sig", NULL,
	MIME "Content-Transfer-Encoding: x\r\n\r\nhi\r\n", NULL,
	"the encoding of its text is not known"},
    {"a charset that it isn't", "\xc3\xbc", NULL, HEAD "\r\n\xff\r\n", NULL,
	"its text is not in the charset that it names"},
};

static void
test_signatures(void **state)
{
	for (size_t i = 0; i < sizeof(signature_rows) / sizeof(signature_rows[0]); i++) {
		const struct row *row = &signature_rows[i];
		struct rework_order order = {.sender = nobody,
		    .signatures = {.text = bytes_of(row->text), .html = bytes_of(row->html)}};

		check(row, &order);
	}
}

/* The same again, in each encoding: decoded it is what it was, and the addition. */
static void
test_global_signature(void **state)
{
	const struct row row = {.name = "both",
	    .before = HEAD "\r\nhi\r\n",
	    .after = HEAD "\r\nhi\r\n\r\nown\r\n\r\nall\r\n"};
	struct rework_order order = {.sender = nobody,
	    .signatures = {.text = bytes_of("own"), .global_text = bytes_of("all")}};

	check(&row, &order);
}

/* ---- 7 bits ---- */

#define UTF8_8BIT                                                                                  \
	"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
#define UTF8_QP                                                                                    \
	"Content-Type: text/plain; charset=utf-8\r\n"                                              \
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n"

static const char cant_sign[] = "a part that is not ASCII is signed or encrypted";

static const struct row seven_rows[] = {
    {"ASCII", NULL, NULL, MIME "Content-Transfer-Encoding: 8bit\r\n\r\nhi\r\n", NULL, NULL},
    {"the header is not its business", NULL, NULL, "Subject: \xc3\xbc\r\n\r\nhi\r\n", NULL, NULL},
    {"UTF-8", NULL, NULL, MIME UTF8_8BIT "\xc3\xbc =\r\n", MIME UTF8_QP "=C3=BC =3D\r\n", NULL},
    {"no MIME, UTF-8", NULL, NULL, HEAD "\r\n\xc3\xbc\r\n",
	HEAD "MIME-Version: 1.0\r\n" UTF8_QP "=C3=BC\r\n", NULL},
    {"no MIME, who knows", NULL, NULL, HEAD "\r\n\xfc\r\n",
	HEAD "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
	     "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n",
	NULL},
    {"parts", NULL, NULL,
	MIME
	"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
	"8bit\r\n\r\n--b\r\n" UTF8_8BIT
	"\xc3\xbc\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: "
	"binary\r\n\r\n\x89PNG\r\n"
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nhi\r\n--b--\r\n",
	MIME
	"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: "
	"7bit\r\n\r\n--b\r\n" UTF8_QP
	"=C3=BC\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: "
	"base64\r\n\r\niVBORw==\r\n"
	"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhi\r\n--b--\r\n",
	NULL},
    {"a message within", NULL, NULL,
	MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" HEAD
	    UTF8_8BIT "\xc3\xbc\r\n--b--\r\n",
	MIXED "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" HEAD
	    UTF8_QP "=C3=BC\r\n--b--\r\n",
	NULL},
    {"a part's name", NULL, NULL,
	MIXED
	"--b\r\nContent-Disposition: attachment; filename=\"\xc3\xbc.txt\"\r\n\r\nhi\r\n--b--\r\n",
	MIXED "--b\r\nContent-Disposition: attachment; "
	      "filename*=iso-8859-1''%FC.txt\r\n\r\nhi\r\n--b--\r\n",
	NULL},
    {"a global message, 8bit", NULL, NULL,
	MIXED "--b\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	      "Subject: \xc3\xbc\r\n\r\nx\r\n--b--\r\n",
	MIXED
	"--b\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Subject: =C3=BC\r\n\r\nx\r\n--b--\r\n",
	NULL},
    {"a global message", NULL, NULL,
	MIXED "--b\r\nContent-Type: message/global\r\n\r\nSubject: \xc3\xbc\r\n\r\nx\r\n--b--\r\n",
	MIXED
	"--b\r\nContent-Type: message/global\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Subject: =C3=BC\r\n\r\nx\r\n--b--\r\n",
	NULL},
};

static const struct row cant_rows[] = {
    {"signed", NULL, NULL,
	MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n" UTF8_8BIT
	     "\xc3\xbc\r\n--b--\r\n",
	NULL, cant_sign},
    {"the header of a message within", NULL, NULL,
	MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: \xc3\xbc\r\n\r\nx\r\n--b--\r\n",
	NULL, "the header of a message within is not ASCII"},
    {"between the parts", NULL, NULL, MIXED "\xc3\xbc\r\n--b\r\n\r\nhi\r\n--b--\r\n", NULL,
	"what stands between its parts is not ASCII"},
    {"broken", NULL, NULL, MIXED "--b\r\n\r\n\xc3\xbc\r\n", NULL, broken},
    {"an encoding that nobody knows", NULL, NULL,
	MIME "Content-Transfer-Encoding: x\r\n\r\n\xc3\xbc\r\n", NULL,
	"the encoding of a part is not known"},
};

static void
test_seven_bits(void **state)
{
	const struct rework_order order = {.sender = nobody, .to_7bit = true};

	for (size_t i = 0; i < sizeof(seven_rows) / sizeof(seven_rows[0]); i++)
		check(&seven_rows[i], &order);
}

static void
test_what_cannot_be_seven_bits(void **state)
{
	const struct rework_order order = {.sender = nobody, .to_7bit = true};

	for (size_t i = 0; i < sizeof(cant_rows) / sizeof(cant_rows[0]); i++) {
		struct rework rework = run(cant_rows[i].before, &order);

		assert_int_equal(rework.outcome, REWORK_CANT_CONVERT);
		assert_string_equal(rework.remark, cant_rows[i].remark);
		rework_fini(&rework);
	}
}

static void
test_signature_and_seven_bits(void **state)
{
	const struct row row = {.name = "both",
	    .before = MIME UTF8_8BIT "\xc3\xa4\r\n",
	    .after = MIME UTF8_QP "=C3=A4\r\n\r\n=C3=BC\r\n"};
	const struct rework_order order = {
	    .sender = nobody, .signatures = {.text = bytes_of("\xc3\xbc")}, .to_7bit = true};

	check(&row, &order);
}

/* ---- senders ---- */

static void
test_senders(void **state)
{
	static const struct {
		enum from_policy policy;
		const char *name, *address, *reply_to, *before, *after;
	} rows[] = {
	    {FROM_SUPPLY, "", "o@p.example", "", "To: x\r\n", "To: x\r\nFrom: o@p.example\r\n"},
	    {FROM_SUPPLY, "N", "", "", "To: x\r\n", "To: x\r\nFrom: N <env@x.example>\r\n"},
	    {FROM_SUPPLY, "N", "o@p.example", "", "From: a@b\r\n", "From: N <a@b>\r\n"},
	    {FROM_SUPPLY, "N", "o@p.example", "", "From: M <a@b>\r\n", "From: M <a@b>\r\n"},
	    {FROM_SUPPLY, "N", "", "", "From: a@b, c@d\r\n", "From: a@b, c@d\r\n"},
	    {FROM_SUPPLY, "", "", "r@p.example", "From: a@b\r\n",
		"From: a@b\r\nReply-To: r@p.example\r\n"},
	    {FROM_SUPPLY, "", "", "r@p.example", "reply-to: q@b\r\n", "reply-to: q@b\r\n"},
	    {FROM_REPLACE, "", "o@p.example", "", "From: M\r\n <a@b>\r\nTo: x\r\n",
		"To: x\r\nFrom: M <o@p.example>\r\nReply-To: M\r\n <a@b>\r\nX-Original-From: M\r\n "
		"<a@b>\r\n"},
	    {FROM_REPLACE, "", "O@P.example", "", "From: M <o@p.example>\r\n",
		"From: M <o@p.example>\r\n"},
	    {FROM_REPLACE, "N", "o@p.example", "", "From: M <o@p.example>\r\n",
		"From: N <o@p.example>\r\nX-Original-From: M <o@p.example>\r\n"},
	    {FROM_REPLACE, "N", "", "", "From: M <a@b>\r\n",
		"From: N <a@b>\r\nX-Original-From: M <a@b>\r\n"},
	    {FROM_REPLACE, "N", "", "", "From: a@b, c@d\r\n", "From: a@b, c@d\r\n"},
	    {FROM_REPLACE, "", "o@p.example", "", "From: nonsense <\r\n",
		"From: o@p.example\r\nX-Original-From: nonsense <\r\n"},
	    {FROM_REPLACE, "", "o@p.example", "", "From: a@b\r\nFrom: c@d\r\n",
		"From: o@p.example\r\nX-Original-From: a@b\r\n"},
	    {FROM_REPLACE, "", "o@p.example", "r@p.example",
		"Reply-To: q@b\r\nFrom: a@b\r\nReply-To: z@b\r\n",
		"From: o@p.example\r\nX-Original-From: a@b\r\nReply-To: r@p.example\r\n"},
	    {FROM_REPLACE, "", "o@p.example", "", "Sender: s@b\r\nFrom: a@b\r\nReply-To: q@b\r\n",
		"Reply-To: q@b\r\nFrom: o@p.example\r\nX-Original-Sender: s@b\r\nX-Original-From: "
		"a@b\r\n"},
	    {FROM_REPLACE, "B\xc3\xbcro", "o@p.example", "", "From: a@b\r\n",
		"From: =?UTF-8?b?QsO8cm8=?= <o@p.example>\r\nReply-To: a@b\r\nX-Original-From: "
		"a@b\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct rework_order order = {
		    .sender = {rows[i].policy, rows[i].name, rows[i].address, rows[i].reply_to,
			"env@x.example"}};
		char *before = xasprintf("%s\r\nhi\r\n", rows[i].before);
		char *after = xasprintf("%s\r\nhi\r\n", rows[i].after);
		const struct row row = {.name = rows[i].before, .before = before, .after = after};

		check(&row, &order);
		free(before);
		free(after);
	}
}

/* ---- what there is too much of ---- */

static void
check_left_alone(struct buf *message, const char *remark)
{
	const struct rework_order order = {
	    .sender = nobody, .signatures = {.text = bytes_of("sig")}};
	struct rework rework = {.size = message->size};
	size_t size = message->size;

	rework.message = buf_give(message);
	rework_run(&rework, &order);
	assert_int_equal(edits_result_size(&rework.edits, rework.size), size);
	assert_string_equal(rework.remark, remark);
	rework_fini(&rework);
}

static const char too_much[] = "it has too many parts, parameters or groups of addresses";

static void
test_bombs(void **state)
{
	struct buf message = {0};

	for (unsigned i = 0; i < 100000; i++)
		buf_printf(
		    &message, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
	check_left_alone(&message, too_much);
	for (unsigned i = 0; i < 100000; i++)
		buf_text(&message, "content-type:\r\n\tmessage/rfc822\r\n\r\n");
	check_left_alone(&message, too_much);
	buf_text(&message, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (unsigned i = 0; i < 200000; i++)
		buf_text(&message, "--b\r\n\r\n");
	check_left_alone(&message, too_much);
}

/* Each group in another is a call within a call for GMime, each parameter is compared with all others. */
static void
test_deep_fields(void **state)
{
	static const char *const fields[] = {"From:", "to :", "REPLY-TO:\t", "Resent-Cc:\r\n "};
	struct buf message = {0};

	for (size_t i = 0; i < 4; i++) {
		buf_text(&message, fields[i]);
		for (unsigned group = 0; group < 60000; group++)
			buf_text(&message, group % 100 == 0 ? "a:\r\n " : "a:");
		buf_text(&message, "x@y.example\r\n\r\nhi\r\n");
		check_left_alone(&message, too_much);
	}
	buf_text(&message, MIXED "--b\r\nContent-Type : text/plain");
	for (unsigned i = 0; i < 12000; i++)
		buf_printf(&message, ";\r\n a%u=b", i);
	buf_text(&message, "\r\n\r\nhi\r\n--b--\r\n");
	check_left_alone(&message, too_much);
}

/* What people may have: many recipients, long names of files in pieces. */
static void
test_large_fields(void **state)
{
	const struct rework_order order = {
	    .sender = nobody, .signatures = {.text = bytes_of("sig")}};
	struct buf message = {0};
	struct rework rework = {0};

	buf_text(&message, MIME "To: team:");
	for (unsigned i = 0; i < 200; i++)
		buf_printf(&message, "u%u@[IPv6:2001:db8::1],\r\n ", i);
	buf_text(&message, "x@y.example;\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
			   "--b\r\n\r\nhi\r\n--b\r\nContent-Type: image/png");
	for (unsigned i = 0; i < 300; i++)
		buf_printf(&message, ";\r\n name*%u=b", i);
	buf_text(&message, "\r\n\r\nx\r\n--b--\r\n");
	rework.size = message.size;
	rework.message = buf_give(&message);
	rework_run(&rework, &order);
	assert_null(rework.remark);
	assert_int_equal(
	    edits_result_size(&rework.edits, rework.size), rework.size + strlen("\r\nsig\r\n"));
	rework_fini(&rework);
}

static void
test_a_huge_line(void **state)
{
	const struct rework_order order = {
	    .sender = nobody, .signatures = {.text = bytes_of("sig")}};
	struct buf message = {0}, result;
	struct rework rework = {0};

	buf_text(&message, MIME "Content-Type: text/plain\r\n\r\n");
	for (unsigned i = 0; i < 1u << 20; i++)
		buf_char(&message, 'x');
	buf_text(&message, "\r\n");
	rework.size = message.size;
	rework.message = buf_give(&message);
	rework_run(&rework, &order);
	result = result_of(&rework);
	assert_int_equal(result.size, rework.size + strlen("\r\nsig\r\n"));
	assert_string_equal(result.bytes + result.size - 9, "\r\n\r\nsig\r\n");
	assert_memory_equal(result.bytes, rework.message, rework.size);
	buf_fini(&result);
	rework_fini(&rework);
}

/* ---- the tools ---- */

static void
test_encodings_come_back(void **state)
{
	static const enum encoding encodings[] = {ENCODING_QUOTED_PRINTABLE, ENCODING_BASE64};
	struct buf content = {0};

	for (unsigned i = 0; i < 3000; i++)
		buf_char(&content, (char)(i * 7 % 256));
	buf_text(&content, "\r\n--b\r\n \r\ntab\t\r\nlast ");
	for (size_t i = 0; i < 2; i++) {
		struct buf encoded = {0}, decoded = {0};

		encoding_encode(encodings[i], content.bytes, content.size, &encoded);
		assert_false(encoding_has_8bit(encoded.bytes, encoded.size));
		assert_false(encoding_has_long_line(encoded.bytes, encoded.size));
		assert_null(strstr(encoded.bytes, "\n--b"));
		for (const char *at = encoded.bytes, *lf; (lf = strchr(at, '\n')) != NULL;
		     at = lf + 1)
			assert_true(lf - at <= 77 && lf[-1] == '\r');
		encoding_decode(encodings[i], encoded.bytes, encoded.size, &decoded);
		assert_int_equal(decoded.size, content.size);
		assert_memory_equal(decoded.bytes, content.bytes, content.size);
		buf_fini(&encoded);
		buf_fini(&decoded);
	}
	buf_fini(&content);
}

static void
test_charsets(void **state)
{
	struct buf out = {0};

	assert_null(charset_find("x-nobody"));
	assert_null(charset_find(""));
	assert_null(charset_find("ascii utf8"));
	assert_ptr_equal(charset_find("latin1"), charset_find("ISO-8859-1"));
	assert_ptr_equal(charset_find("Shift_JIS"), charset_find("cp932"));
	assert_true(charset_is_wide(charset_find("UTF-16")));
	assert_false(charset_is_plain(charset_find("iso-2022-jp")));
	assert_true(charset_to_utf8(charset_find("utf-16"), "\xff\xfe\xfc\0", 4, &out));
	assert_string_equal(out.bytes, "\xc3\xbc");
	buf_clear(&out);
	assert_true(charset_from_utf8(charset_find("iso-2022-jp"), "\xe3\x81\x82", 3, &out));
	assert_string_equal(out.bytes, "\x1b$B$\"\x1b(B");
	buf_clear(&out);
	assert_false(charset_from_utf8(charset_find("latin1"), "\xce\xb1", 2, &out));
	assert_false(charset_to_utf8(charset_find("us-ascii"), "\xff", 1, &out));
	buf_fini(&out);
}

static int
prepare(void **state)
{
	rework_prepare();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_signatures),
	    cmocka_unit_test(test_global_signature),
	    cmocka_unit_test(test_seven_bits),
	    cmocka_unit_test(test_what_cannot_be_seven_bits),
	    cmocka_unit_test(test_signature_and_seven_bits),
	    cmocka_unit_test(test_senders),
	    cmocka_unit_test(test_bombs),
	    cmocka_unit_test(test_deep_fields),
	    cmocka_unit_test(test_large_fields),
	    cmocka_unit_test(test_a_huge_line),
	    cmocka_unit_test(test_encodings_come_back),
	    cmocka_unit_test(test_charsets),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
