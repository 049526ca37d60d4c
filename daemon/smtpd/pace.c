/*
 * pace - how long a session may take for what: silence, slow messages, the session as a whole.
 *
 * The deadline of a state is the nearest of the ends that hold in it. A command line has to be
 * complete within the time that may pass between two commands, for nothing but a whole command
 * starts that time anew; a message that comes in octet by octet is held against limits.data_rate.
 */
#include "daemon/smtpd/session_private.h"

#define STALL_DEADLINE_MS 60000 /* queue took no bytes for so long */
#define SLOW_MS 60000           /* a message may be slow for so long */
#define NEVER INT64_MAX

static const unsigned between_messages =
    STATE_START | STATE_READY | STATE_AUTH | STATE_TLS | STATE_FAILED;
static const unsigned inside_message = STATE_DATA | STATE_CHUNKS;

static int64_t
nearest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
age_ms(const struct session *session)
{
	return session->setup.ports->now_ms(session->setup.ctx) - session->began_at_ms;
}

/* What waits for another role has that role's deadline, not one of the client's. */
static int64_t
silence_ms(const struct session *session, enum session_state state)
{
	switch (state) {
	case STATE_START:
	case STATE_READY:
	case STATE_MAIL:
	case STATE_RCPT:
	case STATE_AUTH:
	case STATE_REFUSED:
		return session->setup.config->limits.command_timeout_ms;
	case STATE_TLS:
		return session->setup.config->limits.tls_timeout_ms;
	case STATE_DATA:
	case STATE_CHUNKS:
	case STATE_FAILED:
	case STATE_SKIP:
		return session->setup.config->limits.data_timeout_ms;
	case STATE_STALL:
		return STALL_DEADLINE_MS;
	case STATE_PENALTY:
		return session->penalty_ms;
	default:
		return NEVER;
	}
}

/* A transaction may still be finished, but not for ever. */
static int64_t
session_end_ms(const struct session *session, enum session_state state)
{
	int64_t left_ms = session->setup.config->limits.session_time_ms - age_ms(session);

	if (state & between_messages)
		return left_ms;
	if (state & (STATE_MAIL | STATE_RCPT | STATE_SKIP))
		return left_ms + session->setup.config->limits.command_timeout_ms;
	return NEVER;
}

/* What the octets that have come allow. */
static int64_t
slowness_ms(const struct session *session, enum session_state state)
{
	uint64_t rate = session->setup.config->limits.data_rate_bytes;
	const struct transaction *transaction = session->transaction;

	if ((state & inside_message) == 0 || rate == 0 || transaction == NULL)
		return NEVER;
	return SLOW_MS + (int64_t)(transaction->text_size * 1000 / rate) - transaction->reading_ms;
}

int64_t
pace_deadline_ms(const struct session *session, enum session_state state)
{
	int64_t after_ms = nearest(silence_ms(session, state), session_end_ms(session, state));

	after_ms = nearest(after_ms, slowness_ms(session, state));
	if (after_ms == NEVER)
		return 0;
	return after_ms > 0 ? after_ms : 1;
}

/* Time in which queue takes nothing is not the client's. */
void
pace_note_state(struct session *session)
{
	int64_t now_ms = session->setup.ports->now_ms(session->setup.ctx);

	if (session->state & inside_message && session->transaction != NULL)
		session->transaction->reading_ms += now_ms - session->entered_at_ms;
	session->entered_at_ms = now_ms;
}

bool
pace_is_over(const struct session *session)
{
	return session->state & between_messages &&
	       age_ms(session) >= session->setup.config->limits.session_time_ms;
}

const char *
pace_reason(const struct session *session)
{
	if (session_end_ms(session, session->state) <= 0)
		return "The session has lasted too long";
	if (slowness_ms(session, session->state) <=
	    session->setup.ports->now_ms(session->setup.ctx) - session->entered_at_ms)
		return "The message comes in too slowly";
	return "Timeout";
}

bool
pace_allows_command(struct session *session)
{
	if (++session->idle_commands <= session->setup.config->limits.idle_commands)
		return true;
	session_hang_up(session, "4.7.0", "Too many commands without a message");
	return false;
}
