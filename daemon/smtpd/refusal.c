/*
 * refusal - messages that won't be stored: the text is read to its end and forgotten, then the
 * client hears why.
 */
#include "daemon/smtpd/session_private.h"

#include <stdio.h>

/* The message won't be stored, and queue may forget what it has of it. */
void
receive_stop_storing(struct session *session)
{
	struct transaction *transaction = session->transaction;

	transaction->is_discarded = true;
	if (transaction->is_open)
		session->setup.ports->message_abort(session->setup.ctx);
	transaction->is_open = false;
	buf_fini(&transaction->header);
	chunk_release(transaction->unsent);
	transaction->unsent = NULL;
}

/* The first refusal stands. */
static void
discard(struct session *session, unsigned code, const char *enhanced, const char *text)
{
	struct transaction *transaction = session->transaction;

	if (transaction->is_discarded)
		return;
	transaction->refusal.code = code;
	transaction->refusal.enhanced = enhanced;
	(void)snprintf(transaction->refusal.text, sizeof(transaction->refusal.text), "%s", text);
	receive_stop_storing(session);
}

void
receive_discard_malformed(struct session *session, const char *what)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "Malformed message (%s)", what);
	discard(session, 554, "5.6.0", text);
}

void
receive_discard_too_big(struct session *session)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "Message too big (limit %llu bytes)",
	    (unsigned long long)session->setup.config->limits.message_size_bytes);
	discard(session, 552, "5.3.4", text);
}

void
receive_discard_lost(struct session *session)
{
	discard(session, 451, "4.3.0", "Storage failed, try again later");
}

/* Chunks behind a refused one hear the same, but it is one error and one line in the log: a client
 * may have had them under way already. */
void
receive_reply_refusal(struct session *session)
{
	struct refusal *refusal = &session->transaction->refusal;

	if (refusal->is_logged) {
		session->errors += refusal->is_said ? 0 : 1;
		session_reply(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	} else {
		session_refuse(session, refusal->code, refusal->enhanced, "%s", refusal->text);
	}
	refusal->is_logged = refusal->is_said = true;
}

void
receive_end_transaction(struct session *session)
{
	session_abandon_transaction(session);
	session_enter(session, STATE_READY);
}
