/* dsn_status - the part of a notice that programs read (RFC 3464 section 2, RFC 6533 section 4). */
#include "common/clock.h"
#include "common/ident.h"
#include "common/utf8.h"
#include "common/xtext.h"
#include "daemon/queue/dsn.h"

#include <string.h>
#include <strings.h>

/* A value may be longer than any line that the client gave it on, never shorter. */
#define VALUE_MAX 2048

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7f)
			return false;
	return true;
}

/* What comes from outside stays on its line, and in ASCII unless the part may have more. */
static void
put_value(struct buf *out, const char *text, bool is_global)
{
	if (is_global) {
		utf8_append_clean(out, text, strlen(text));
		return;
	}
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		buf_char(out, c > 0x7e ? '?' : c < 0x20 ? ' ' : (char)c);
	}
}

void
dsn_write_reply(const struct dsn_recipient *recipient, struct buf *out)
{
	if (recipient->code != 0)
		buf_printf(out, "%u ", recipient->code);
	if (recipient->code != 0 && *recipient->enhanced != '\0') {
		utf8_append_clean(out, recipient->enhanced, strlen(recipient->enhanced));
		buf_char(out, ' ');
	}
	utf8_append_clean(out, recipient->reply, strlen(recipient->reply));
}

/* ---- addresses ---- */

static bool
is_utf8_type(const char *orcpt)
{
	return strncasecmp(orcpt, "utf-8;", 6) == 0;
}

/* The address in an ORCPT of type utf-8; false if it isn't one. */
static bool
decode_utf8(const char *orcpt, char *value, size_t size)
{
	return is_utf8_type(orcpt) &&
	       xtext_decode_utf8(orcpt + 6, strlen(orcpt + 6), true, value, size);
}

bool
dsn_is_global(const struct dsn *dsn)
{
	char value[VALUE_MAX];

	for (size_t i = 0; i < dsn->recipient_count; i++) {
		const struct dsn_recipient *recipient = &dsn->recipients[i];

		if (!is_ascii(recipient->address))
			return true;
		if (decode_utf8(recipient->orcpt, value, sizeof(value)) && !is_ascii(value))
			return true;
	}
	return false;
}

/* An address of type utf-8 stays in its 7-bit form where UTF-8 may not stand. */
static void
put_original(const char *orcpt, bool is_global, struct buf *out)
{
	const char *end = strchr(orcpt, ';');
	char value[VALUE_MAX];
	bool is_decoded;

	if (end == NULL)
		return;
	if (is_utf8_type(orcpt))
		is_decoded = is_global && decode_utf8(orcpt, value, sizeof(value));
	else
		is_decoded = xtext_decode(end + 1, strlen(end + 1), value, sizeof(value));
	buf_text(out, "Original-Recipient: ");
	for (const char *at = orcpt; at < end; at++)
		buf_char(out, *at > ' ' && *at < 0x7f ? *at : '?');
	buf_text(out, "; ");
	put_value(out, is_decoded ? value : end + 1, is_global);
	buf_text(out, "\r\n");
}

/* ---- fields ---- */

static void
put_status(const struct dsn_recipient *recipient, struct buf *out)
{
	char class = recipient->action == DSN_FAILED    ? '5'
		     : recipient->action == DSN_DELAYED ? '4'
							: '2';

	/* RFC 3464 2.3.4: of a failure the class is 5; what expired is 4.4.7. */
	if (recipient->is_expired)
		buf_text(out, "4.4.7");
	else if (*recipient->enhanced == class)
		put_value(out, recipient->enhanced, false);
	else
		buf_printf(out, "%c.0.0", class);
}

/* RFC 3464 2.3.7, 2.3.9. */
static void
put_dates(const struct dsn *dsn, const struct dsn_recipient *recipient, struct buf *out)
{
	char date[CLOCK_RFC5322_SIZE];

	if (recipient->attempted_at_ms != 0)
		buf_printf(out, "Last-Attempt-Date: %s\r\n",
		    clock_rfc5322(recipient->attempted_at_ms, date, sizeof(date)));
	if (recipient->action == DSN_DELAYED)
		buf_printf(out, "Will-Retry-Until: %s\r\n",
		    clock_rfc5322(dsn->retry_until_ms, date, sizeof(date)));
}

static void
put_recipient(
    const struct dsn *dsn, const struct dsn_recipient *recipient, bool is_global, struct buf *out)
{
	static const char *const actions[DSN_ACTION_COUNT] = {[DSN_NONE] = "",
	    [DSN_FAILED] = "failed",
	    [DSN_DELAYED] = "delayed",
	    [DSN_RELAYED] = "relayed",
	    [DSN_DELIVERED] = "delivered"};

	buf_text(out, "\r\n");
	put_original(recipient->orcpt, is_global, out);
	buf_printf(out, "Final-Recipient: %s; ", is_ascii(recipient->address) ? "rfc822" : "utf-8");
	put_value(out, recipient->address, is_global);
	buf_printf(out, "\r\nAction: %s\r\nStatus: ", actions[recipient->action]);
	put_status(recipient, out);
	buf_text(out, "\r\n");
	if (*recipient->upstream != '\0') {
		size_t name = strcspn(recipient->upstream, "[:");

		buf_printf(out, "Remote-MTA: dns; %.*s\r\n", (int)name, recipient->upstream);
	}
	if (recipient->code != 0) {
		struct buf reply = {0};

		dsn_write_reply(recipient, &reply);
		buf_text(out, "Diagnostic-Code: smtp; ");
		put_value(out, reply.bytes, is_global);
		buf_text(out, "\r\n");
		buf_fini(&reply);
	}
	put_dates(dsn, recipient, out);
}

static void
put_envelope_id(const char *envid, bool is_global, struct buf *out)
{
	char value[VALUE_MAX];

	if (*envid == '\0')
		return;
	buf_text(out, "Original-Envelope-Id: ");
	put_value(out, xtext_decode(envid, strlen(envid), value, sizeof(value)) ? value : envid,
	    is_global);
	buf_text(out, "\r\n");
}

void
dsn_write_status(const struct dsn *dsn, bool is_global, struct buf *out)
{
	char date[CLOCK_RFC5322_SIZE], ident[IDENT_SIZE];

	put_envelope_id(dsn->mail->wishes.envid, is_global, out);
	buf_printf(out, "Reporting-MTA: dns; %s\r\n", dsn->hostname);
	buf_printf(out, "X-Postern-Queue-ID: %s\r\n", ident_format(dsn->mail->id, ident));
	buf_printf(out, "Arrival-Date: %s\r\n",
	    clock_rfc5322(dsn->mail->received_at_ms, date, sizeof(date)));
	for (size_t i = 0; i < dsn->recipient_count; i++)
		put_recipient(dsn, &dsn->recipients[i], is_global, out);
}
