/*
 * reply - what the client hears, and the log of it: ordinary replies, refusals, and the last words of
 * a session.
 */
#include "daemon/smtpd/session_private.h"

#include "common/clock.h"
#include "common/format.h"
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
session_log(const struct session *session, struct log_line *line)
{
	if (session->login != NULL)
		log_text(line, KEY_USER, session->login);
	log_text(line, KEY_CLIENT, session->client);
	log_number(line, KEY_LISTENER, session->setup.listener_port);
	if (session->helo != NULL)
		log_text(line, KEY_HELO, session->helo);
	if (session_has_tls(session))
		log_text(line, KEY_TLS, session->tls_version);
}

void
session_write(struct session *session, const struct buf *bytes)
{
	session->setup.ports->write(session->setup.ctx, bytes->bytes, bytes->size);
}

static void
write_reply(struct session *session, unsigned code, const char *enhanced, const char *text)
{
	struct buf out;

	buf_init(&out);
	buf_printf(&out, "%u %s%s%s\r\n", code, enhanced, enhanced[0] != '\0' ? " " : "", text);
	session_write(session, &out);
	buf_fini(&out);
}

void
session_reply(struct session *session, unsigned code, const char *enhanced, const char *format, ...)
{
	char text[REPLY_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)format_arguments(text, sizeof(text), format, args);
	va_end(args);
	write_reply(session, code, enhanced, text);
}

void
session_count_refusal(struct session *session, const struct grant *grant, bool is_blocked)
{
	struct msg_refused refused = {.user_id = grant->user_id,
	    .login = grant->login,
	    .list = grant->list,
	    .is_blocked = is_blocked};

	session->setup.ports->refused(session->setup.ctx, &refused);
}

static void
log_refusal(struct session *session, const char *reason, unsigned code, const char *enhanced,
    const char *text)
{
	struct log_line line;
	uint64_t id = session->transaction == NULL ? 0 : session->transaction->id;

	if (session->transaction != NULL && session->transaction->grant != NULL)
		session_count_refusal(session, session->transaction->grant, false);
	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, id))
		return;
	session_log(session, &line);
	if (session->transaction != NULL)
		log_mailbox(&line, KEY_FROM, session->transaction->sender.text);
	log_number(&line, KEY_CODE, code);
	log_text(&line, KEY_ENHANCED, enhanced);
	log_text(&line, KEY_REPLY, text);
	if (reason[0] != '\0')
		log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

void
session_refuse_because(struct session *session, const char *reason, unsigned code,
    const char *enhanced, const char *text)
{
	log_refusal(session, reason, code, enhanced, text);
	if (code >= 500)
		session->errors++;
	write_reply(session, code, enhanced, text);
}

void
session_refuse(
    struct session *session, unsigned code, const char *enhanced, const char *format, ...)
{
	char text[REPLY_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	(void)format_arguments(text, sizeof(text), format, args);
	va_end(args);
	session_refuse_because(session, "", code, enhanced, text);
}

/* ---- the end ---- */

/* An idle client that is sent away is nothing to tell of. */
void
session_hang_up(struct session *session, const char *enhanced, const char *text)
{
	if (session->transaction != NULL || strcmp(enhanced, "4.7.0") == 0)
		log_refusal(session, "", 421, enhanced, text);
	write_reply(session, 421, enhanced, text);
	session_end(session);
}

void
session_drop(struct session *session, const char *reason)
{
	struct log_line line;

	if (log_begin(&line, LOG_INFO, EVENT_REJECTED, 0)) {
		session_log(session, &line);
		log_text(&line, KEY_REASON, reason);
		log_end(&line);
	}
	session_end(session);
}

void
session_refuse_shut_out(struct session *session, int64_t until_ms)
{
	char text[REPLY_TEXT_SIZE], until[CLOCK_RFC3339_SIZE];

	(void)snprintf(text, sizeof(text),
	    "Too many failed logins from your address, again after %s",
	    clock_rfc3339(until_ms, until, sizeof(until)));
	session_hang_up(session, "4.7.0", text);
}

void
session_refuse_user(struct session *session, const char *login)
{
	char text[REPLY_TEXT_SIZE];

	(void)snprintf(text, sizeof(text), "Too many connections of user %.200s", login);
	session_hang_up(session, "4.7.0", text);
}
