/* trace - what smtpd writes above a message's body. */
#include "daemon/smtpd/trace.h"

#include "common/clock.h"
#include "common/domain.h"
#include "common/ident.h"
#include "common/mailaddr.h"
#include "common/octet.h"

#include <string.h>
#include <strings.h>

#define HELO_MAX 100 /* as much of it as is written */

/* For a comment: nothing that ends it, nothing that folds. */
static void
write_sanitised(struct buf *out, const char *text)
{
	for (size_t i = 0; i < HELO_MAX && text[i] != '\0'; i++) {
		bool is_plain =
		    octet_is_alphanumeric(text[i]) || strchr(".-_:[]@/+=", text[i]) != NULL;

		buf_char(out, is_plain ? text[i] : '_');
	}
}

static void
write_client(struct buf *out, const struct trace *trace)
{
	char address[NETADDR_TEXT_SIZE];
	const char *tag = netaddr_is_ipv4(&trace->client) ? "" : "IPv6:";
	size_t helo_length = strlen(trace->helo);

	(void)netaddr_format(&trace->client, address);
	if (helo_length <= HELO_MAX && (domain_is_ascii(trace->helo, helo_length) ||
					   mailaddr_is_literal(trace->helo, helo_length))) {
		buf_printf(out, "%s ([%s%s])", trace->helo, tag, address);
		return;
	}
	buf_printf(out, "[%s%s] (helo=", tag, address);
	write_sanitised(out, trace->helo);
	buf_char(out, ')');
}

/* RFC 3848, RFC 6531 3.7.3; HELO has no keyword but SMTP. */
static void
write_protocol(struct buf *out, const struct trace *trace)
{
	if (!trace->is_esmtp)
		buf_text(out, "SMTP");
	else
		buf_text(out, trace->is_smtputf8 ? "UTF8SMTP" : "ESMTP");
	if (trace->is_esmtp && trace->tls_version[0] != '\0')
		buf_char(out, 'S');
	if (trace->is_esmtp && trace->is_authenticated)
		buf_char(out, 'A');
}

static void
write_received(struct buf *out, const struct trace *trace)
{
	char id[IDENT_SIZE], date[CLOCK_RFC5322_SIZE];

	buf_text(out, "Received: from ");
	write_client(out, trace);
	buf_printf(out, "\r\n\tby %s with ", trace->hostname);
	write_protocol(out, trace);
	if (trace->tls_version[0] != '\0')
		buf_printf(out, " (%s)", trace->tls_version);
	buf_printf(out, "\r\n\tid %s; %s\r\n", ident_format(trace->message_id, id),
	    clock_rfc5322(trace->now_ms, date, sizeof(date)));
}

void
trace_message_id(struct buf *out, const struct trace *trace)
{
	char id[IDENT_SIZE];

	buf_printf(out, "<%s.%lld@%s>", ident_format(trace->message_id, id),
	    (long long)trace->now_ms, trace->hostname);
}

static bool
is_in_drop_headers(const struct header_changes *changes, const char *field_name)
{
	char *const *name = changes->drop_headers;

	for (; name != NULL && *name != NULL; name++)
		if (strcasecmp(*name, field_name) == 0)
			return true;
	return false;
}

bool
trace_makes_message_id(const struct header *header, const struct header_changes *changes)
{
	return !header->has_message_id || is_in_drop_headers(changes, "Message-ID");
}

static void
write_missing(struct buf *out, const struct trace *trace, const struct header_changes *changes,
    const struct header *header)
{
	char date[CLOCK_RFC5322_SIZE];

	if (!header->has_date || is_in_drop_headers(changes, "Date"))
		buf_printf(out, "Date: %s\r\n", clock_rfc5322(trace->now_ms, date, sizeof(date)));
	if (!trace_makes_message_id(header, changes))
		return;
	buf_text(out, "Message-ID: ");
	trace_message_id(out, trace);
	buf_text(out, "\r\n");
}

static bool
is_dropped(const struct header_changes *changes, const struct header_field *field)
{
	char *const *name = changes->drop_headers;

	if (changes->stamp_priority != 0 && priority_is_field(field->bytes, field->name_length))
		return true;
	for (; name != NULL && *name != NULL; name++)
		if (header_field_is(field, *name))
			return true;
	return false;
}

static void
write_fields(struct buf *out, const struct header_changes *changes, const char *bytes, size_t size)
{
	const char *at = bytes;
	struct header_field field;

	while (header_next_field(&at, bytes + size, &field)) {
		if (is_dropped(changes, &field))
			continue;
		buf_append(out, field.bytes, field.size);
		if (field.bytes[field.size - 1] != '\n')
			buf_text(out, "\r\n");
	}
}

void
trace_write_header(struct buf *out, const struct trace *trace, const struct header_changes *changes,
    const struct header *header, const char *bytes, size_t size)
{
	write_received(out, trace);
	write_missing(out, trace, changes, header);
	write_fields(out, changes, bytes, size);
	if (changes->stamp_priority != 0)
		buf_printf(out, "X-Priority: %u\r\nImportance: %s\r\n", changes->stamp_priority,
		    priority_importance(changes->stamp_priority));
	buf_text(out, "\r\n");
}
