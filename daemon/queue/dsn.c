/*
 * dsn - a notice in three parts (RFC 3462, 3464): words for people, a status for programs, the
 * header of what it is about, or all of it.
 */
#include "daemon/queue/dsn.h"

#include "common/clock.h"
#include "common/ident.h"
#include "common/utf8.h"
#include "daemon/core/values.h"

#include <stdio.h>
#include <string.h>

#define HEADER_MAX (32u * 1024)
#define WIDTH 76

static bool
has_8bit(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)bytes[i] > 0x7f)
			return true;
	return false;
}

/* What stands in a header must stay on its line. */
static void
put_clean(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_char(out, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

/* ---- the header ---- */

static bool
has_action(const struct dsn *dsn, enum dsn_action action)
{
	for (size_t i = 0; i < dsn->recipient_count; i++)
		if (dsn->recipients[i].action == action)
			return true;
	return false;
}

const char *
dsn_subject(const struct dsn *dsn)
{
	if (has_action(dsn, DSN_FAILED))
		return "Your message could not be delivered";
	if (has_action(dsn, DSN_DELAYED))
		return "Your message is delayed";
	if (has_action(dsn, DSN_RELAYED))
		return "Your message was handed on";
	return "Your message was delivered";
}

static void
put_header(const struct dsn *dsn, const char *boundary, struct buf *out)
{
	const char *message_id = dsn->mail->message_id;
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];

	buf_printf(out, "Date: %s\r\n", clock_rfc5322(dsn->now_ms, date, sizeof(date)));
	if (*dsn->from != '\0')
		buf_printf(out, "From: Mail Delivery <%s>\r\n", dsn->from);
	else
		buf_printf(out, "From: Mail Delivery <MAILER-DAEMON@%s>\r\n", dsn->hostname);
	buf_text(out, "To: <");
	put_clean(out, dsn->mail->sender);
	buf_printf(out, ">\r\nSubject: %s\r\n", dsn_subject(dsn));
	buf_printf(
	    out, "Message-ID: <%s@%s>\r\n", ident_format(dsn->notice_id, ident), dsn->hostname);
	/* Not worth a header that not every upstream takes. */
	if (*message_id != '\0' && !has_8bit(message_id, strlen(message_id))) {
		buf_text(out, "In-Reply-To: ");
		put_clean(out, message_id);
		buf_text(out, "\r\n");
	}
	buf_text(out, "Auto-Submitted: auto-replied\r\n"
		      "MIME-Version: 1.0\r\n"
		      "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	buf_printf(out, "\tboundary=\"%s\"\r\n\r\n", boundary);
}

/* ---- words ---- */

/* Folds a clean text at blanks, each line behind `indent`. */
static void
put_folded(struct buf *out, const char *indent, const char *text)
{
	while (*text != '\0') {
		size_t length = strlen(text);
		size_t cut = length;

		if (length > WIDTH) {
			for (cut = WIDTH; cut > 0 && text[cut] != ' '; cut--)
				;
			if (cut == 0)
				cut = utf8_cut(text, length, WIDTH);
		}
		buf_text(out, indent);
		buf_append(out, text, cut);
		buf_text(out, "\r\n");
		text += cut;
		while (*text == ' ')
			text++;
	}
}

static void
put_words_for(const struct dsn_recipient *recipient, struct buf *out)
{
	struct buf reply = {0};

	buf_text(out, "\r\n  <");
	utf8_append_clean(out, recipient->address, strlen(recipient->address));
	buf_text(out, ">\r\n");
	if (recipient->is_expired && recipient->attempted_at_ms == 0)
		buf_text(out, "    Its time was over before it could be sent:\r\n");
	else if (recipient->is_expired)
		buf_text(out, "    It was tried until its time was over. The last answer was:\r\n");
	else if (recipient->code != 0 && recipient->action == DSN_FAILED)
		buf_text(out, "    The receiving server refused it:\r\n");
	else if (recipient->code != 0 && recipient->action == DSN_DELAYED)
		buf_text(out, "    The last answer was:\r\n");
	dsn_write_reply(recipient, &reply);
	if (reply.size > 0 && (recipient->action == DSN_FAILED || recipient->action == DSN_DELAYED))
		put_folded(out, "    ", reply.bytes);
	buf_fini(&reply);
}

/* One kind of fate, and whom it met. */
static void
put_section(const struct dsn *dsn, enum dsn_action action, const char *before, struct buf *out)
{
	static const struct {
		const char *verb, *after;
	} sentences[DSN_ACTION_COUNT] = {
	    [DSN_FAILED] = {"could not be delivered to", "It will not be tried again."},
	    [DSN_DELAYED] = {"has not yet been delivered to", "You need not send it again."},
	    [DSN_RELAYED] = {"was handed to the mail server in charge of",
		"That server does not say what becomes of it."},
	    [DSN_DELIVERED] = {"was delivered to", "It was written down here, not sent on."},
	};
	size_t count = 0;

	for (size_t i = 0; i < dsn->recipient_count; i++)
		count += dsn->recipients[i].action == action;
	if (count == 0)
		return;
	buf_printf(out, "%s%s %s. %s\r\n", before, sentences[action].verb,
	    count == 1 ? "this recipient" : "these recipients", sentences[action].after);
	for (size_t i = 0; i < dsn->recipient_count; i++)
		if (dsn->recipients[i].action == action)
			put_words_for(&dsn->recipients[i], out);
}

static void
put_words(const struct dsn *dsn, struct buf *out)
{
	const char *subject = dsn->mail->subject;
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];
	size_t start;

	buf_printf(out, "This is the mail relay at %s.\r\n\r\n", dsn->hostname);
	buf_text(out, "Your message");
	if (*subject != '\0') {
		buf_text(out, " \"");
		utf8_append_clean(out, subject, strlen(subject));
		buf_text(out, "\"");
	}
	buf_printf(
	    out, "\r\nof %s\r\n", clock_rfc5322(dsn->mail->received_at_ms, date, sizeof(date)));
	start = out->size;
	for (int action = DSN_FAILED; action < DSN_ACTION_COUNT; action++)
		put_section(dsn, (enum dsn_action)action, out->size == start ? "" : "\r\nIt ", out);
	if (dsn->why != NULL && *dsn->why != '\0') {
		buf_text(out, "\r\n");
		put_folded(out, "", dsn->why);
	}
	if (has_action(dsn, DSN_DELAYED))
		buf_printf(out, "\r\nIt is tried until %s.\r\n",
		    clock_rfc5322(dsn->retry_until_ms, date, sizeof(date)));
	buf_printf(out, "\r\nIf you ask for help, please name the id %s.\r\n",
	    ident_format(dsn->mail->id, ident));
}

/* ---- the original ---- */

/* Whole lines up to the empty one, cut at HEADER_MAX. */
static size_t
header_length(const struct dsn *dsn)
{
	size_t limit = dsn->original_size < HEADER_MAX ? dsn->original_size : HEADER_MAX;
	size_t whole = 0;

	for (size_t i = 0; i + 1 < limit; i++) {
		if (dsn->original[i] != '\r' || dsn->original[i + 1] != '\n')
			continue;
		if (whole == i)
			return whole;
		whole = i + 2;
	}
	return whole;
}

/* RFC 3461 4.3: only of failures, and only if the client said so; what was not read whole is too
 * large for a notice. */
static bool
is_returned_whole(const struct dsn *dsn)
{
	return dsn->mail->wishes.ret == RET_FULL && has_action(dsn, DSN_FAILED) &&
	       dsn->original_size == dsn->mail->size;
}

static void
put_original(const struct dsn *dsn, struct buf *out)
{
	size_t header = header_length(dsn);
	bool is_whole = is_returned_whole(dsn);
	size_t size = is_whole ? dsn->original_size : header;
	bool is_global = has_8bit(dsn->original, header) && utf8_is_valid(dsn->original, header);

	if (is_whole)
		buf_printf(
		    out, "Content-Type: %s\r\n", is_global ? "message/global" : "message/rfc822");
	else
		buf_printf(out, "Content-Type: %s\r\n",
		    is_global ? "message/global-headers" : "text/rfc822-headers");
	if (has_8bit(dsn->original, size))
		buf_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_text(out, "\r\n");
	buf_append(out, dsn->original, size);
}

/* A boundary that stands nowhere in the parts. */
static void
make_boundary(const struct dsn *dsn, char *boundary, size_t size)
{
	char ident[IDENT_SIZE];

	(void)snprintf(boundary, size, "=_%s_%lld", ident_format(dsn->notice_id, ident),
	    (long long)dsn->now_ms);
}

struct dsn_needs
dsn_write(const struct dsn *dsn, struct buf *out)
{
	size_t start = out->size;
	bool is_global = dsn_is_global(dsn);
	struct dsn_needs needs;
	char boundary[64];

	make_boundary(dsn, boundary, sizeof(boundary));
	put_header(dsn, boundary, out);
	needs.has_utf8_header = has_8bit(out->bytes + start, out->size - start);
	buf_text(out, "This is a report of mail delivery in MIME format.\r\n\r\n");
	buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n", boundary);
	buf_text(out, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	put_words(dsn, out);
	buf_printf(out, "\r\n--%s\r\nContent-Type: message/%sdelivery-status\r\n", boundary,
	    is_global ? "global-" : "");
	buf_printf(out, "%s\r\n", is_global ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	dsn_write_status(dsn, is_global, out);
	buf_printf(out, "\r\n--%s\r\n", boundary);
	put_original(dsn, out);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	needs.has_8bit = has_8bit(out->bytes + start, out->size - start);
	return needs;
}
