/* policy - the questions about a message, each asked in one place. */
#include "daemon/smtpd/policy.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/smtpd/session_private.h"

#include <stdio.h>
#include <string.h>

/* ---- unauthorized senders ---- */

static void
log_blocked(struct session *session, const struct grant *grant, const char *address)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_BLOCKED, session->transaction->id))
		return;
	session_log(session, &line);
	log_text(&line, KEY_LIST, grant->list);
	log_mailbox(&line, KEY_ADDRESS, address);
	log_mailbox(&line, KEY_FROM, session->transaction->sender.text);
	log_end(&line);
}

static void
raise_alert(struct session *session, const struct grant *grant, const char *address)
{
	bool is_blocked = grant->unauthorized == UNAUTHORIZED_BLOCK;
	struct msg_alert alert = {
	    .kind = "unauthorized-sender",
	    .user = grant->login,
	    .list = grant->list,
	    .address = address,
	    .detail = is_blocked ? "refused" : "let through",
	};

	session->setup.ports->alert(session->setup.ctx, &alert);
}

static void
make_refusal(struct refusal *refusal, const struct grant *grant, const char *address)
{
	refusal->code = 550;
	refusal->enhanced = "5.7.1";
	refusal->is_logged = true;
	(void)snprintf(refusal->text, sizeof(refusal->text),
	    "<%.320s>: sender not authorized for user %.80s", address, grant->login);
}

/* Says it to the operator; true when the message goes on nevertheless. */
static bool
passes_unauthorized(struct session *session, const struct grant *grant, const char *address)
{
	raise_alert(session, grant, address);
	if (grant->unauthorized == UNAUTHORIZED_ALERT)
		return true;
	log_blocked(session, grant, address);
	make_refusal(&session->transaction->refusal, grant, address);
	return false;
}

/* ---- the envelope ---- */

bool
policy_passes_envelope(struct session *session, const struct grant *grant)
{
	const struct mailaddr *sender = &session->transaction->sender;
	const struct refusal *refusal = &session->transaction->refusal;

	if (grant->check == CHECK_HEADER || mailaddr_is_null(sender) ||
	    sender_rules_allow(&grant->domains, &grant->senders, sender->text) ||
	    passes_unauthorized(session, grant, sender->text))
		return true;
	session->errors++;
	session_reply(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	return false;
}

/* ---- the header ---- */

bool
policy_passes_header(struct session *session, size_t length, struct buf *out)
{
	struct transaction *transaction = session->transaction;

	transaction->priority = transaction->grant->priority;
	transaction->header_from = xstrdup("");
	transaction->message_id = xstrdup("");
	transaction->subject = xstrdup("");
	buf_append(out, transaction->header.bytes, length);
	return true;
}
