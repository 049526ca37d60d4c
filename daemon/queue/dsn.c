/*
 * dsn - a failure notice in three parts (RFC 3462, 3464): words for people, a status for programs,
 * the header of what failed.
 */
#include "daemon/queue/dsn.h"

#include "common/clock.h"
#include "common/ident.h"

#include <stdio.h>
#include <string.h>

#define HEADER_MAX (32u * 1024)
#define WIDTH 76

/* What stands in a header or a status must stay on its line. */
static void
put_clean(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_char(out, (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text);
}

static void
put_header(const struct dsn *dsn, const char *boundary, struct buf *out)
{
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];

	buf_printf(out, "Date: %s\r\n", clock_rfc5322(dsn->now_ms, date, sizeof(date)));
	if (*dsn->from != '\0')
		buf_printf(out, "From: Mail Delivery <%s>\r\n", dsn->from);
	else
		buf_printf(out, "From: Mail Delivery <MAILER-DAEMON@%s>\r\n", dsn->hostname);
	buf_text(out, "To: <");
	put_clean(out, dsn->mail->sender);
	buf_text(out, ">\r\nSubject: Your message could not be delivered\r\n");
	buf_printf(
	    out, "Message-ID: <%s@%s>\r\n", ident_format(dsn->notice_id, ident), dsn->hostname);
	if (*dsn->mail->message_id != '\0') {
		buf_text(out, "In-Reply-To: ");
		put_clean(out, dsn->mail->message_id);
		buf_text(out, "\r\n");
	}
	buf_text(out, "Auto-Submitted: auto-replied\r\n"
		      "MIME-Version: 1.0\r\n"
		      "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	buf_printf(out, "\tboundary=\"%s\"\r\n\r\n", boundary);
}

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
				cut = WIDTH;
		}
		buf_text(out, indent);
		buf_append(out, text, cut);
		buf_text(out, "\r\n");
		text += cut;
		while (*text == ' ')
			text++;
	}
}

/* `550 5.1.1 no such user`, as far as there is something of each. */
static void
put_reply(struct buf *out, const struct dsn_failure *failure)
{
	if (failure->code != 0)
		buf_printf(out, "%u ", failure->code);
	if (failure->code != 0 && *failure->enhanced != '\0') {
		put_clean(out, failure->enhanced);
		buf_char(out, ' ');
	}
	put_clean(out, failure->reply);
}

static void
put_words_for(const struct dsn_failure *failure, struct buf *out)
{
	struct buf reply = {0};

	buf_text(out, "\r\n  <");
	put_clean(out, failure->address);
	buf_text(out, ">\r\n");
	if (failure->is_expired)
		buf_text(out, "    It was tried until its time was over. The last answer was:\r\n");
	else if (failure->code != 0)
		buf_text(out, "    The receiving server refused it:\r\n");
	put_reply(&reply, failure);
	if (reply.size > 0)
		put_folded(out, "    ", reply.bytes);
	buf_fini(&reply);
}

static void
put_words(const struct dsn *dsn, struct buf *out)
{
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];

	buf_printf(out, "This is the mail relay at %s.\r\n\r\n", dsn->hostname);
	buf_text(out, "Your message");
	if (*dsn->mail->subject != '\0') {
		buf_text(out, " \"");
		put_clean(out, dsn->mail->subject);
		buf_text(out, "\"");
	}
	buf_printf(
	    out, "\r\nof %s\r\n", clock_rfc5322(dsn->mail->received_at_ms, date, sizeof(date)));
	buf_text(out,
	    dsn->failure_count == 1
		? "could not be delivered to this recipient. It will not be tried again.\r\n"
		: "could not be delivered to these recipients. It will not be tried again.\r\n");
	for (size_t i = 0; i < dsn->failure_count; i++)
		put_words_for(&dsn->failures[i], out);
	buf_printf(out, "\r\nIf you ask for help, please name the id %s.\r\n",
	    ident_format(dsn->mail->id, ident));
}

static void
put_status_of(const struct dsn_failure *failure, struct buf *out)
{
	buf_text(out, "\r\nFinal-Recipient: rfc822; ");
	put_clean(out, failure->address);
	buf_text(out, "\r\nAction: failed\r\nStatus: ");
	/* RFC 3464 2.3.4: of a failure the class is 5; what expired is 4.4.7. */
	if (failure->is_expired)
		buf_text(out, "4.4.7");
	else
		put_clean(out, *failure->enhanced == '5' ? failure->enhanced : "5.0.0");
	buf_text(out, "\r\n");
	if (*failure->upstream != '\0') {
		size_t name = strcspn(failure->upstream, "[:");

		buf_printf(out, "Remote-MTA: dns; %.*s\r\n", (int)name, failure->upstream);
	}
	if (failure->code != 0) {
		buf_text(out, "Diagnostic-Code: smtp; ");
		put_reply(out, failure);
		buf_text(out, "\r\n");
	}
}

static void
put_status(const struct dsn *dsn, struct buf *out)
{
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];

	buf_printf(out, "Reporting-MTA: dns; %s\r\n", dsn->hostname);
	buf_printf(out, "X-Postern-Queue-ID: %s\r\n", ident_format(dsn->mail->id, ident));
	buf_printf(out, "Arrival-Date: %s\r\n",
	    clock_rfc5322(dsn->mail->received_at_ms, date, sizeof(date)));
	for (size_t i = 0; i < dsn->failure_count; i++)
		put_status_of(&dsn->failures[i], out);
}

/* Whole lines up to the empty one, cut at HEADER_MAX. */
static size_t
header_length(const struct dsn *dsn)
{
	size_t limit = dsn->header_size < HEADER_MAX ? dsn->header_size : HEADER_MAX;
	size_t whole = 0;

	for (size_t i = 0; i + 1 < limit; i++) {
		if (dsn->header[i] != '\r' || dsn->header[i + 1] != '\n')
			continue;
		if (whole == i)
			return whole;
		whole = i + 2;
	}
	return whole;
}

static bool
has_8bit(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)bytes[i] > 0x7f)
			return true;
	return false;
}

/* A boundary that stands nowhere in the parts. */
static void
make_boundary(const struct dsn *dsn, char *boundary, size_t size)
{
	char ident[IDENT_SIZE];

	(void)snprintf(boundary, size, "=_%s_%lld", ident_format(dsn->notice_id, ident),
	    (long long)dsn->now_ms);
}

bool
dsn_write(const struct dsn *dsn, struct buf *out)
{
	size_t start = out->size;
	size_t header = header_length(dsn);
	char boundary[64];

	make_boundary(dsn, boundary, sizeof(boundary));
	put_header(dsn, boundary, out);
	buf_text(out, "This is a report of mail delivery in MIME format.\r\n\r\n");
	buf_printf(out, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n", boundary);
	buf_text(out, "Content-Transfer-Encoding: 8bit\r\n\r\n");
	put_words(dsn, out);
	buf_printf(out, "\r\n--%s\r\nContent-Type: message/delivery-status\r\n\r\n", boundary);
	put_status(dsn, out);
	buf_printf(out, "\r\n--%s\r\nContent-Type: text/rfc822-headers\r\n\r\n", boundary);
	buf_append(out, dsn->header, header);
	buf_printf(out, "\r\n--%s--\r\n", boundary);
	return has_8bit(out->bytes + start, out->size - start);
}
