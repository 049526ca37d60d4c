/* settlement - from a report to what is written. */
#include "daemon/queue/settlement.h"

#include "common/xalloc.h"
#include "daemon/queue/backoff.h"

#include <stdlib.h>
#include <string.h>

/* After relay died with a message: soon, but not in the same breath. */
#define LOST_RETRY_MS 30000

struct settlement *
settlement_new(const struct msg_report *report)
{
	struct settlement *settlement = xcalloc(1, sizeof(*settlement));
	struct msg_list list = report->fates;
	struct rec_fate record;
	char *text;

	settlement->job.message_id = report->message_id;
	settlement->attempt = settlement->job.attempt = report->attempt;
	settlement->upstream = xstrdup(report->upstream);
	settlement->tls = xstrdup(report->tls);
	settlement->transcript = xstrdup(report->transcript);
	settlement->connect_ms = report->connect_ms;
	settlement->tls_ms = report->tls_ms;
	settlement->send_ms = report->send_ms;
	settlement->job.rows = xcalloc(list.count + 1, sizeof(*settlement->job.rows));
	/* The encoded records have more bytes than their texts. */
	text = settlement->texts = xmalloc(list.size + 3 * list.count + 1);
	while (message_list_next(&list, REC_FATE, &record)) {
		struct fate_row *row = &settlement->job.rows[settlement->job.row_count++];

		row->index = record.index;
		row->code = record.code;
		row->state = record.fate; /* enum fate until it is decided */
		row->has_dsn = record.has_dsn;
		row->enhanced = strcpy(text, record.enhanced);
		text += strlen(text) + 1;
		row->reply = strcpy(text, record.reply);
		text += strlen(text) + 1;
		row->rule = strcpy(text, record.rule);
		text += strlen(text) + 1;
		row->class = record.class < REPLY_CLASS_COUNT ? record.class : REPLY_NONE;
		row->wait =
		    (struct reply_wait){record.wait_s, record.wait_max_s, record.is_wait_exact};
	}
	return settlement;
}

void
settlement_free(struct settlement *settlement)
{
	notice_fini(&settlement->job.notice);
	free(settlement->told);
	free(settlement->job.rows);
	free(settlement->is_expired);
	free(settlement->actions);
	free(settlement->texts);
	buf_fini(&settlement->job.record);
	buf_fini(&settlement->job.transcript);
	free(settlement->transcript);
	free(settlement->profile);
	free(settlement->upstream);
	free(settlement->tls);
	timer_free(settlement->retry);
	free(settlement);
}

bool
settlement_is_reported(const struct settlement *settlement)
{
	return !settlement->is_lost && !settlement->is_overdue;
}

static struct fate_row *
find_row(struct fate_row *rows, uint32_t count, uint32_t guess, uint16_t index)
{
	if (guess < count && rows[guess].index == index)
		return &rows[guess];
	for (uint32_t i = 0; i < count; i++)
		if (rows[i].index == index)
			return &rows[i];
	return NULL;
}

/* Of a recipient that no report names. */
static const char *
describe_silence(const struct settlement *settlement)
{
	if (settlement->is_lost)
		return "the relay process ended before it could say what became of it";
	return settlement->is_overdue ? settlement->why
				      : "the attempt had no result for this recipient";
}

/* One row for each recipient of the attempt that was tried, in their order (without one, for each
 * that is pending); still with enum fate in `state`. */
static void
match_rows(struct settlement *settlement, const struct mail *mail)
{
	struct fate_row *rows = xcalloc(mail->recipient_count + 1, sizeof(*rows));
	uint32_t count = 0, seen = 0, round = mail_round(mail);

	for (uint32_t i = 0; i < mail->recipient_count; i++) {
		const struct recipient *recipient = &mail->recipients[i];
		const struct fate_row *found;

		if (!recipient_is_due(recipient, round) &&
		    !(settlement->is_overdue && recipient_is_pending(recipient)))
			continue;
		if (settlement->given_count != 0 && seen == settlement->given_count) {
			settlement->untried_count++;
			continue;
		}
		found = find_row(
		    settlement->job.rows, settlement->job.row_count, seen++, recipient->index);
		if (found != NULL && found->state == FATE_UNTRIED)
			settlement->untried_count++;
		else if (found != NULL)
			rows[count++] = *found;
		else
			rows[count++] = (struct fate_row){.index = recipient->index,
			    .state = settlement->is_lost ? FATE_UNCERTAIN : FATE_DEFERRED,
			    .enhanced = "",
			    .rule = "",
			    .reply = describe_silence(settlement)};
	}
	free(settlement->job.rows);
	settlement->job.rows = rows;
	settlement->job.row_count = count;
	settlement->is_expired = xcalloc(count + 1, sizeof(bool));
	settlement->actions = xcalloc(count + 1, sizeof(uint8_t));
}

/* What nobody knows the end of is tried again, or not: by the profile's policy. */
static enum recipient_state
decide_uncertain(const struct settlement_basis *basis)
{
	return basis->profile != NULL && basis->profile->is_uncertain_held ? RECIPIENT_UNDECIDED
									   : RECIPIENT_UNCERTAIN;
}

static enum recipient_state
decide_row(struct settlement *settlement, uint32_t at, const struct settlement_basis *basis,
    bool is_over_time)
{
	enum recipient_state state = RECIPIENT_PENDING;

	switch ((enum fate)settlement->job.rows[at].state) {
	case FATE_DELIVERED:
		return RECIPIENT_DELIVERED;
	case FATE_FAILED:
		return RECIPIENT_FAILED;
	case FATE_UNCERTAIN:
		state = decide_uncertain(basis);
		break;
	case FATE_HELD:
		settlement->is_to_hold = true;
		return RECIPIENT_PENDING;
	case FATE_DEFERRED:
	case FATE_UNTRIED:
		break;
	}
	if (!is_over_time || state == RECIPIENT_UNDECIDED ||
	    settlement->job.rows[at].class == REPLY_SENDER_DENIED)
		return state;
	settlement->is_expired[at] = true;
	return RECIPIENT_FAILED;
}

/* Counts how many recipients are in each state afterwards. */
static void
decide_rows(struct settlement *settlement, const struct mail *mail,
    const struct settlement_basis *basis, uint32_t counts[static RECIPIENT_STATES])
{
	struct telling telling = {.config = basis->config, .routes = basis->routes, .mail = mail};
	/* What relay died with is not expired. */
	bool is_over_time =
	    basis->now_ms - mail->begins_at_ms >= basis->config->queue.lifetime_ms &&
	    !settlement->is_lost;
	bool is_captured = *settlement->upstream == '\0';

	for (uint32_t i = 0; i < mail->recipient_count; i++)
		counts[mail->recipients[i].state]++;
	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		counts[recipient->state]--;
		row->state = (uint8_t)decide_row(settlement, i, basis, is_over_time);
		counts[row->state]++;
		settlement->actions[i] =
		    (uint8_t)telling_of_fate(&telling, recipient, row, is_captured);
		settlement->told_count += settlement->actions[i] != DSN_NONE;
	}
}

/* Who is denied is held for an operator, but for a second try if the rule allows that: some
 * upstreams say it now and then, of whom they know. */
static bool
is_denied(const struct settlement *settlement, const struct mail *mail)
{
	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		if (row->class != REPLY_SENDER_DENIED || row->state != RECIPIENT_PENDING)
			continue;
		if (row->wait.first_s == 0 ||
		    reply_class_parse(recipient->class) == REPLY_SENDER_DENIED)
			return true;
	}
	return false;
}

/* When the first of the recipients is due by its rule; 0: they have none, or not all of them. */
static int64_t
wait_of_rules(const struct settlement *settlement, const struct mail *mail)
{
	int64_t least_ms = 0;

	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);
		int64_t ms;

		if (row->state != RECIPIENT_PENDING)
			continue;
		ms = backoff_recipient_ms(row->wait, recipient->attempts + 1);
		if (ms == 0)
			return 0;
		if (least_ms == 0 || ms < least_ms)
			least_ms = ms;
	}
	return least_ms;
}

static int64_t
next_attempt(const struct settlement *settlement, const struct settlement_basis *basis)
{
	const struct config *config = basis->config;
	const struct profile *profile = basis->profile;
	uint32_t attempts = settlement->job.attempts;

	if (settlement->is_lost)
		return basis->now_ms + LOST_RETRY_MS;
	if (settlement->wait_ms > 0)
		return basis->now_ms + settlement->wait_ms;
	if (profile != NULL && profile->retry_count > 0)
		return basis->now_ms + backoff_message_ms(profile->retry_ms, profile->retry_count,
					   attempts, basis->chance);
	return basis->now_ms + backoff_message_ms(config->queue.retry_ms, config->queue.retry_count,
				   attempts, basis->chance);
}

void
settlement_decide(
    struct settlement *settlement, const struct mail *mail, const struct settlement_basis *basis)
{
	struct fate_job *job = &settlement->job;
	uint32_t counts[RECIPIENT_STATES] = {0};
	uint32_t pending, unclear;

	match_rows(settlement, mail);
	decide_rows(settlement, mail, basis, counts);
	settlement->is_denied = is_denied(settlement, mail);
	settlement->wait_ms = wait_of_rules(settlement, mail);
	pending = counts[RECIPIENT_PENDING] + counts[RECIPIENT_UNCERTAIN];
	unclear = counts[RECIPIENT_UNCERTAIN] + counts[RECIPIENT_UNDECIDED];
	job->attempts = mail->attempts + 1;
	job->has_wishes = mail->has_wishes;
	job->is_over = pending + unclear == 0;
	if (job->is_over)
		return;
	/* Whoever was tried needs no further look: the next ones may go at once. Not so if relay may
	 * have died of the message. */
	if (settlement->untried_count > 0 && job->row_count > 0 && !settlement->is_lost) {
		job->attempts = mail->attempts;
		return;
	}
	job->state = unclear > 0 ? MAIL_UNCERTAIN : MAIL_WAITING;
	/* Without a time nobody but an operator touches it again. */
	if (pending > 0)
		job->next_at_ms = next_attempt(settlement, basis);
}

void
settlement_apply(const struct settlement *settlement, struct mail *mail)
{
	const struct fate_job *job = &settlement->job;

	mail->last_attempt = job->attempt;
	mail->attempts = job->attempts;
	for (uint32_t i = 0; i < job->row_count; i++) {
		struct recipient *recipient = mail_recipient(mail, job->rows[i].index);

		if (recipient == NULL)
			continue;
		recipient->state = job->rows[i].state;
		recipient->attempts++;
	}
}
