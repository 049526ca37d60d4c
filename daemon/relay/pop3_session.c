/* pop3_session - finds an address that greets, and drives the automaton from the socket. */
#include "daemon/relay/pop3_session.h"

#include "common/xalloc.h"
#include "daemon/core/conn.h"
#include "daemon/core/loop.h"
#include "daemon/relay/logins.h"
#include "daemon/relay/other_protocol.h"
#include "daemon/relay/pop3_client.h"
#include "daemon/relay/pop3_settings.h"
#include "daemon/relay/silence.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pop3_session {
	struct loop *loop;
	struct profile *profile;
	const struct pop3_session_callbacks *callbacks;
	void *ctx;
	unsigned families;

	struct dns_query *query;
	struct dial dial;
	struct conn *conn;
	struct silence *silence; /* of a test's server; NULL: it isn't watched */
	struct pop3_client_settings settings;
	struct pop3_client *client; /* from the connection on */
	struct login *login;        /* NULL: it is not at that */
	unsigned step;              /* of the automaton, that the deadline is for */
	bool is_handshake;          /* of implicit TLS, before the greeting */
	bool is_closed;
	enum phase phase;   /* of the step under way */
	int64_t step_at_ms; /* loop_now_ms() */
};

/* ---- the end ---- */

static void
drop_client(struct pop3_session *session)
{
	pop3_client_free(session->client);
	session->client = NULL;
}

static void
session_free(void *object)
{
	struct pop3_session *session = object;

	drop_client(session);
	silence_free(session->silence);
	profile_release(session->profile);
	free(session);
}

static void
end_login(struct pop3_session *session, enum login_result result, const char *words)
{
	if (session->login != NULL)
		login_end(session->login, result, words);
	session->login = NULL;
}

void
pop3_session_close(struct pop3_session *session)
{
	if (session->is_closed)
		return;
	session->is_closed = true;
	if (session->query != NULL)
		dns_cancel(session->query);
	session->query = NULL;
	end_login(session, LOGIN_UNDECIDED, "");
	silence_end(session->silence);
	if (session->conn != NULL)
		conn_close(session->conn);
	session->conn = NULL;
	loop_free_later(session->loop, session_free, session);
}

static void
tell_end(struct pop3_session *session, const struct client_end *end)
{
	if (session->is_closed)
		return;
	pop3_session_close(session);
	session->callbacks->on_end(session, end, session->ctx);
}

static void
end_with(
    struct pop3_session *session, enum phase phase, enum attempt_outcome outcome, const char *text)
{
	struct client_end end = {
	    .phase = phase,
	    .verdict = classify_own(outcome),
	};

	reply_set(&end.reply, 0, "", "%s", text);
	tell_end(session, &end);
}

static void
step_done(struct pop3_session *session, enum phase phase, const char *detail)
{
	int64_t now_ms = loop_now_ms(session->loop);
	struct channel_step step = {
	    .phase = phase, .took_ms = now_ms - session->step_at_ms, .detail = detail};

	session->step_at_ms = now_ms;
	session->callbacks->on_step(&step, session->ctx);
}

/* ---- the automaton ---- */

static void act(struct pop3_session *session, enum pop3_event event);

static void
on_turn(const char *problem, void *ctx)
{
	struct pop3_session *session = ctx;

	/* As it was, see logins.h. */
	if (problem != NULL)
		end_with(session, PHASE_POP3_LOGIN, ATTEMPT_AUTH_REFUSED, problem);
	else
		act(session, pop3_client_login(session->client));
}

static void
become_done(struct pop3_session *session)
{
	const char *method = pop3_method_name(&session->profile->pop3->method);

	end_login(
	    session, pop3_client_is_logged_in(session->client) ? LOGIN_GOOD : LOGIN_UNDECIDED, "");
	step_done(session, PHASE_POP3_LOGIN, *method != '\0' ? method : "no login");
	tell_end(session, NULL);
}

static void
become_over(struct pop3_session *session)
{
	const struct client_end *end = pop3_client_end(session->client);

	end_login(session,
	    pop3_client_is_refused(session->client) ? LOGIN_REFUSED : LOGIN_UNDECIDED,
	    end->reply.text);
	tell_end(session, end);
}

static void
flush(struct pop3_session *session)
{
	struct buf *output = pop3_client_output(session->client);

	if (session->conn == NULL)
		return;
	if (output->size > 0)
		conn_write(session->conn, output->bytes, output->size);
	buf_clear(output);
	/* What comes in drops is no reason for more time. */
	if (pop3_client_step(session->client) == session->step)
		return;
	session->step = pop3_client_step(session->client);
	conn_set_deadline(session->conn, pop3_client_deadline_ms(session->client));
}

static void
act(struct pop3_session *session, enum pop3_event event)
{
	enum phase phase = pop3_client_phase(session->client);

	flush(session);
	if (session->phase == PHASE_POP3_GREETING && phase > PHASE_POP3_GREETING &&
	    event != POP3_IS_OVER)
		step_done(session, PHASE_POP3_GREETING, "");
	session->phase = phase;
	switch (event) {
	case POP3_WAITS:
		break;
	case POP3_WANTS_TLS:
		conn_start_tls_client(session->conn, session->profile->pop3->tls_context,
		    session->profile->pop3->host);
		break;
	case POP3_WANTS_TURN:
		session->login =
		    login_wait(session->profile->logins, session->profile, false, on_turn, session);
		break;
	case POP3_IS_DONE:
		become_done(session);
		break;
	case POP3_IS_OVER:
		become_over(session);
		break;
	}
}

/* ---- the socket ---- */

static void connect_next(struct pop3_session *session, const char *problem);

static void
on_input(struct conn *conn, void *ctx)
{
	struct pop3_session *session = ctx;
	struct evbuffer *input = conn_input(conn);
	size_t size = evbuffer_get_length(input), used;
	enum pop3_event event;

	if (session->client == NULL)
		return;
	silence_end(session->silence);
	event = pop3_client_input(session->client, evbuffer_pullup(input, -1), size, &used);
	(void)evbuffer_drain(input, used);
	act(session, event);
}

static void
begin_dialogue(struct pop3_session *session, bool has_tls)
{
	session->client = pop3_client_new(&session->settings, has_tls);
	session->phase = PHASE_POP3_GREETING;
	session->step = pop3_client_step(session->client);
	conn_set_deadline(session->conn, session->profile->timeout_ms);
}

static void
on_tls_behind_silence(void *ctx)
{
	struct pop3_session *session = ctx;

	if (session->phase == PHASE_POP3_GREETING)
		end_with(session, PHASE_POP3_GREETING, ATTEMPT_UNREACHABLE, OTHER_PROTOCOL_TLS);
}

static void
watch_silence(struct pop3_session *session)
{
	if (!session->profile->is_tested)
		return;
	if (session->silence == NULL)
		session->silence = silence_new(session->loop, on_tls_behind_silence, session);
	silence_watch(session->silence, session->conn);
}

static void
on_connected(struct conn *conn, void *ctx)
{
	struct pop3_session *session = ctx;
	const struct pop3_settings *pop3 = session->profile->pop3;

	step_done(session, PHASE_POP3_CONNECT, dial_name_server(&session->dial, conn));
	session->is_handshake = pop3->tls == PROFILE_IMPLICIT;
	if (!session->is_handshake) {
		begin_dialogue(session, false);
		watch_silence(session);
		return;
	}
	session->phase = PHASE_POP3_TLS;
	conn_set_deadline(conn, session->profile->timeout_ms);
	conn_start_tls_client(conn, pop3->tls_context, pop3->host);
}

static void
on_secured(struct conn *conn, void *ctx)
{
	struct pop3_session *session = ctx;

	step_done(session, PHASE_POP3_TLS, conn_tls_version(conn));
	if (!session->is_handshake) {
		act(session, pop3_client_secured(session->client));
		return;
	}
	session->is_handshake = false;
	begin_dialogue(session, true);
}

static void
on_drained(struct conn *conn, void *ctx)
{
	/* a login is short */
}

static void
end_tls(struct pop3_session *session, const struct conn *conn, const char *detail)
{
	struct client_end end = {.phase = PHASE_POP3_TLS, .verdict = classify_own(ATTEMPT_TLS)};

	reply_set(&end.reply, 0, "", "%s", detail);
	(void)snprintf(
	    end.fingerprint, sizeof(end.fingerprint), "%s", conn_tls_refused_fingerprint(conn));
	tell_end(session, &end);
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct pop3_session *session = ctx;
	enum phase phase = session->phase;

	session->conn = NULL; /* it frees itself */
	if (phase == PHASE_POP3_TLS || dial_is_about_tls(end)) {
		end_tls(session, conn, detail);
	} else if (phase == PHASE_POP3_CONNECT || phase == PHASE_POP3_GREETING) {
		drop_client(session);
		connect_next(session, detail);
	} else {
		act(session, pop3_client_lost(session->client, detail));
	}
}

static const struct conn_callbacks conn_callbacks = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_secured = on_secured,
    .on_drained = on_drained,
    .on_closed = on_closed,
};

static void
connect_next(struct pop3_session *session, const char *problem)
{
	silence_end(session->silence);
	dial_note_problem(&session->dial, session->phase, problem);
	session->phase = PHASE_POP3_CONNECT;
	session->conn = dial_next(
	    &session->dial, session->loop, session->profile->timeout_ms, &conn_callbacks, session);
	if (session->conn == NULL)
		end_with(
		    session, session->dial.furthest, ATTEMPT_UNREACHABLE, session->dial.problem);
}

static void
on_addresses(const struct dns_answer *answer, void *ctx)
{
	struct pop3_session *session = ctx;
	struct err words;

	session->query = NULL;
	if (dial_take_addresses(&session->dial, answer, &words) != 0) {
		end_with(session, PHASE_POP3_NAME, ATTEMPT_UNREACHABLE, words.text);
		return;
	}
	dial_choose(&session->dial, session->families);
	step_done(session, PHASE_POP3_NAME, words.text);
	connect_next(session, "");
}

/* ---- the calls of pop3_session.h ---- */

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct pop3_session *session = ctx;

	session->callbacks->on_line(is_sent, line, session->ctx);
}

struct pop3_session *
pop3_session_open(struct loop *loop, struct dns *dns, struct profile *profile, unsigned families,
    const struct pop3_session_callbacks *callbacks, void *ctx)
{
	struct pop3_session *session = xcalloc(1, sizeof(*session));
	const struct pop3_settings *pop3 = profile->pop3;

	session->loop = loop;
	session->profile = profile_hold(profile);
	session->families = families;
	session->callbacks = callbacks;
	session->ctx = ctx;
	session->settings = (struct pop3_client_settings){
	    .tls = pop3->tls,
	    .method = pop3->method,
	    .username = pop3->username,
	    .password = pop3->password,
	    .classifier = {.rules = profile->rules, .provider = profile->provider},
	    .timeout_ms = profile->timeout_ms,
	    .on_line = on_line,
	    .line_ctx = session,
	};
	session->phase = PHASE_POP3_NAME;
	dial_init(&session->dial, pop3->host, pop3->port);
	session->step_at_ms = loop_now_ms(loop);
	session->query = dns_resolve(dns, pop3->host, pop3->port, on_addresses, session);
	return session;
}

unsigned
pop3_session_family(const struct pop3_session *session)
{
	return dial_family(&session->dial);
}

int64_t
pop3_session_login_delay_ms(const struct pop3_session *session)
{
	return session->client != NULL ? pop3_client_login_delay_ms(session->client) : 0;
}

const char *
pop3_session_server(const struct pop3_session *session)
{
	return session->dial.server;
}
