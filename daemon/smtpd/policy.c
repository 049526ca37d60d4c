/* policy - the questions about a message, each asked in one place. */
#include "daemon/smtpd/policy.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/smtpd/authorize.h"
#include "daemon/smtpd/priority.h"
#include "daemon/smtpd/session_private.h"
#include "daemon/smtpd/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_FROM_MAX 1000 /* as much of it as queue is told */

static void
set_refusal(struct session *session, unsigned code, const char *enhanced, const char *text)
{
	struct refusal *refusal = &session->transaction->refusal;

	refusal->code = code;
	refusal->enhanced = enhanced;
	(void)snprintf(refusal->text, sizeof(refusal->text), "%s", text);
}

/* ---- who may send as whom ---- */

static struct sender_rights
rights_of(const struct grant *grant)
{
	return (struct sender_rights){
	    .domains = &grant->domains,
	    .senders = &grant->senders,
	    .check = grant->check,
	    .action = grant->unauthorized,
	};
}

static void
raise_alert(struct session *session, const struct grant *grant,
    const struct authorize_verdict *verdict, const char *text)
{
	struct msg_alert alert = {
	    .kind = "unauthorized-sender",
	    .user = grant->login,
	    .list = grant->list,
	    .address = verdict->address,
	    .detail = text,
	};

	session->setup.ports->alert(session->setup.ctx, &alert);
}

static void
log_blocked(struct session *session, const struct grant *grant,
    const struct authorize_verdict *verdict, const char *text)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_BLOCKED, session->transaction->id))
		return;
	session_log(session, &line);
	log_text(&line, KEY_LIST, grant->list);
	log_mailbox(&line, KEY_FROM, session->transaction->sender.text);
	log_mailbox(&line, KEY_ADDRESS, verdict->address);
	log_number(&line, KEY_CODE, 550);
	log_text(&line, KEY_REASON, text);
	log_end(&line);
}

/* An unauthorized sender is always an operator's business; the message goes on or it doesn't. */
static bool
passes(struct session *session, const struct grant *grant, const struct authorize_verdict *verdict)
{
	char text[REPLY_TEXT_SIZE];

	if (verdict->outcome == AUTHORIZE_YES)
		return true;
	(void)authorize_format(verdict, grant->login, text, sizeof(text));
	raise_alert(session, grant, verdict, text);
	if (verdict->outcome == AUTHORIZE_ALERT)
		return true;
	log_blocked(session, grant, verdict, text);
	session_count_refusal(session, grant, true);
	set_refusal(session, 550, "5.7.1", text);
	session->transaction->refusal.is_logged = true;
	return false;
}

bool
policy_passes_envelope(struct session *session, const struct grant *grant)
{
	struct sender_rights rights = rights_of(grant);
	const struct refusal *refusal = &session->transaction->refusal;
	struct authorize_verdict verdict =
	    authorize_envelope(&rights, session->transaction->sender.text);

	if (passes(session, grant, &verdict))
		return true;
	session->errors++;
	session_reply(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	return false;
}

/* ---- the header ---- */

static bool
passes_limits(struct session *session, const struct header *header)
{
	const struct config *config = session->setup.config;

	if (header->field_count > config->limits.header_fields)
		set_refusal(session, 554, "5.6.0", "Malformed message (too many header fields)");
	else if (header->longest_line > config->limits.header_line_length)
		set_refusal(session, 554, "5.6.0", "Malformed message (header line too long)");
	else
		return true;
	return false;
}

static bool
passes_loop(struct session *session, const struct header *header)
{
	if (header->received_count <= session->setup.config->limits.received_headers)
		return true;
	set_refusal(session, 554, "5.4.6", "Mail loop");
	return false;
}

static bool
passes_senders(struct session *session, const struct header *header)
{
	const struct transaction *transaction = session->transaction;
	struct sender_rights rights = rights_of(transaction->grant);
	struct authorize_verdict verdict =
	    authorize_header(&rights, transaction->sender.text, header);

	return passes(session, transaction->grant, &verdict);
}

/* MT-PRIORITY= says it for the header. */
static unsigned
own_priority(const struct transaction *transaction, const struct header *header)
{
	const struct smtp_mail_parameters *wishes = &transaction->wishes;

	return wishes->has_mt_priority ? priority_from_mt(wishes->mt_priority)
				       : priority_own(&header->hints);
}

static void
note_header(struct transaction *transaction, const struct header *header)
{
	const struct grant *grant = transaction->grant;

	transaction->priority = priority_effective(
	    own_priority(transaction, header), grant->priority, grant->priority_max);
	transaction->header_from = xstrndup(header->from.text, HEADER_FROM_MAX);
	if (header->from.outcome == HEADER_PARSED && header->from.addresses.count == 1)
		transaction->from_address =
		    xstrndup(header->from.addresses.items[0], HEADER_FROM_MAX);
	transaction->message_id = xstrdup(header->message_id);
	transaction->subject = xstrdup(header->subject);
}

/* What an operator will look for is what the message leaves with. */
static void
note_message_id(struct transaction *transaction, const struct trace *trace)
{
	struct buf id;

	buf_init(&id);
	trace_message_id(&id, trace);
	free(transaction->message_id);
	transaction->message_id = buf_give(&id);
}

static void
write_header(struct session *session, const struct header *header, struct buf *out)
{
	struct transaction *transaction = session->transaction;
	const struct config *config = session->setup.config;
	struct trace trace = {
	    .hostname = config->hostname,
	    .helo = session->helo,
	    .client = session->setup.address,
	    .message_id = transaction->id,
	    .is_esmtp = session->is_esmtp,
	    .is_authenticated = session->is_authenticated,
	    .is_smtputf8 = transaction->wishes.is_smtputf8,
	    .tls_version = session->tls_version,
	    .now_ms = session->setup.ports->wall_ms(session->setup.ctx),
	};
	struct header_changes changes = {.drop_headers = config->drop_headers};

	if (trace_makes_message_id(header, &changes))
		note_message_id(transaction, &trace);
	if (transaction->grant->has_stamp_priority)
		changes.stamp_priority = transaction->priority;
	trace_write_header(out, &trace, &changes, header, transaction->header.bytes,
	    transaction->header_end.fields_size);
}

static bool
is_ascii(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)bytes[i] >= 0x80)
			return false;
	return true;
}

bool
policy_passes_header(struct session *session, struct buf *out)
{
	struct transaction *transaction = session->transaction;
	const char *bytes = transaction->header.bytes == NULL ? "" : transaction->header.bytes;
	size_t size = transaction->header_end.fields_size;
	struct header header;
	bool is_passed;

	if (transaction->wishes.is_smtputf8)
		header_scan_utf8(&header, bytes, size);
	else
		header_scan(&header, bytes, size);
	is_passed = passes_limits(session, &header) && passes_loop(session, &header) &&
		    passes_senders(session, &header);
	if (is_passed) {
		note_header(transaction, &header);
		write_header(session, &header, out);
		transaction->has_utf8_header =
		    transaction->wishes.is_smtputf8 && !is_ascii(out->bytes, out->size);
	}
	header_fini(&header);
	return is_passed;
}
