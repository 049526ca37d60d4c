/*
 * channel_pop3 - POP-before-SMTP for a channel: before its way begins, and once more if the upstream
 * asks for it all the same, since a login holds for no longer than the upstream says.
 */
#include "daemon/relay/channel_private.h"
#include "daemon/relay/pop3_asked.h"
#include "daemon/relay/pop3_keeper.h"

static void
on_step(const struct channel_step *step, void *ctx)
{
	struct channel *channel = ctx;

	channel->step_at_ms = loop_now_ms(channel->loop);
	if (channel->callbacks->on_step != NULL)
		channel->callbacks->on_step(channel, step, channel->ctx);
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct channel *channel = ctx;

	if (channel->callbacks->on_line != NULL)
		channel->callbacks->on_line(is_sent, line, channel->ctx);
}

static void
on_end(const struct client_end *end, unsigned families, void *ctx)
{
	struct channel *channel = ctx;

	channel->pop3 = NULL;
	channel->step_at_ms = loop_now_ms(channel->loop);
	if (end != NULL && channel->has_turned) {
		/* What was wrong before says more. */
		channel_end_early(channel, channel->dial.furthest, channel->dial.problem);
		return;
	}
	if (end != NULL) {
		channel_end_with(channel, end);
		return;
	}
	/* The upstream knows us by the address that the POP3 server saw. */
	dial_choose(&channel->dial, channel->pop3_families);
	if ((channel->pop3_families & families) != 0)
		dial_choose(&channel->dial, families);
	channel_connect(channel);
}

static const struct pop3_wait_callbacks callbacks = {
    .on_step = on_step,
    .on_line = on_line,
    .on_end = on_end,
};

/* A login that began no earlier (0: one that holds). */
static void
want(struct channel *channel, unsigned families, int64_t since_ms)
{
	const struct pop3_wish wish = {
	    .families = families, .since_ms = since_ms, .is_test = channel->profile->is_tested};

	channel->pop3_families = families;
	channel->pop3 =
	    pop3_wait(channel->profile->pop3_keeper, channel->profile, &wish, &callbacks, channel);
}

static int64_t
any_or_new(const struct channel *channel)
{
	return channel->profile->is_tested ? channel->started_at_ms : 0;
}

void
channel_want_pop3(struct channel *channel)
{
	want(channel, dial_families(&channel->dial), any_or_new(channel));
}

bool
channel_turns(struct channel *channel)
{
	unsigned others = dial_families(&channel->dial) & ~channel->dial.families;

	if (channel->profile->pop3 == NULL || others == 0 || channel->has_turned)
		return false;
	channel->has_turned = true;
	channel_leave_conn(channel);
	want(channel, others, any_or_new(channel));
	return true;
}

void
channel_end_pop3(struct channel *channel)
{
	if (channel->pop3 != NULL)
		pop3_wait_end(channel->pop3);
	channel->pop3 = NULL;
}

/* On a new connection, behind a login that is newer than this one. */
static void
begin_anew(struct channel *channel)
{
	channel->has_asked_pop3 = true;
	channel_leave_conn(channel);
	want(channel, channel->pop3_families, channel->connected_at_ms + 1);
}

static bool
may_begin_anew(const struct channel *channel, const struct reply *reply)
{
	return channel->profile->pop3 != NULL && !channel->has_asked_pop3 && reply->code >= 400 &&
	       pop3_is_asked(reply->text);
}

bool
channel_retries_end(struct channel *channel)
{
	if (!may_begin_anew(channel, &client_end(channel->client)->reply))
		return false;
	begin_anew(channel);
	return true;
}

bool
channel_retries_transaction(struct channel *channel)
{
	struct client_transaction *transaction = channel->transaction;

	if (transaction->phase >= PHASE_BODY || !may_begin_anew(channel, &transaction->reply)) {
		channel->has_asked_pop3 &= transaction->phase < PHASE_DOT;
		return false;
	}
	client_transaction_reset(transaction);
	channel->resends = true;
	begin_anew(channel);
	return true;
}

void
channel_fail_transaction(struct channel *channel)
{
	struct client_transaction *transaction = channel->transaction;

	channel->resends = false;
	transaction->verdict = channel->end.verdict;
	transaction->reply = channel->end.reply;
	transaction->phase = channel->end.phase;
	/* Of one that waited for its body nothing was said. */
	transaction->is_answered = transaction->phase != PHASE_MAIL;
	channel->callbacks->on_done(channel, channel->ctx);
}
