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
	settlement->connect_ms = report->connect_ms;
	settlement->tls_ms = report->tls_ms;
	settlement->send_ms = report->send_ms;
	settlement->job.rows = xcalloc(list.count + 1, sizeof(*settlement->job.rows));
	/* The encoded records have more bytes than their texts. */
	text = settlement->texts = xmalloc(list.size + 2 * list.count + 1);
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
	}
	return settlement;
}

void
settlement_free(struct settlement *settlement)
{
	for (uint32_t i = 0; i < settlement->job.notice_slice_count; i++)
		slice_release(&settlement->job.notice_slices[i]);
	free(settlement->job.notice_slices);
	free(settlement->job.notice);
	free(settlement->job.rows);
	free(settlement->is_expired);
	free(settlement->actions);
	free(settlement->texts);
	buf_fini(&settlement->job.record);
	free(settlement->profile);
	free(settlement->upstream);
	free(settlement->tls);
	timer_free(settlement->retry);
	free(settlement);
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

/* One row for each recipient of the attempt that was tried, in their order; still with enum fate in
 * `state`. */
static void
match_rows(struct settlement *settlement, const struct mail *mail)
{
	struct fate_row *rows = xcalloc(mail->recipient_count + 1, sizeof(*rows));
	uint32_t count = 0, seen = 0, round = mail_round(mail);

	for (uint32_t i = 0; i < mail->recipient_count; i++) {
		const struct recipient *recipient = &mail->recipients[i];
		const struct fate_row *found;

		if (!recipient_is_due(recipient, round))
			continue;
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
			    .reply = settlement->is_lost
					 ? "the relay process ended before it could say what "
					   "became of it"
					 : "the attempt had no result for this recipient"};
	}
	free(settlement->job.rows);
	settlement->job.rows = rows;
	settlement->job.row_count = count;
	settlement->is_expired = xcalloc(count + 1, sizeof(bool));
	settlement->actions = xcalloc(count + 1, sizeof(uint8_t));
}

static enum recipient_state
decide_row(struct settlement *settlement, uint32_t at, bool is_over_time)
{
	switch ((enum fate)settlement->job.rows[at].state) {
	case FATE_DELIVERED:
		return RECIPIENT_DELIVERED;
	case FATE_FAILED:
		return RECIPIENT_FAILED;
	case FATE_DEFERRED:
	case FATE_UNCERTAIN:
	case FATE_UNTRIED:
		break;
	}
	if (is_over_time) {
		settlement->is_expired[at] = true;
		return RECIPIENT_FAILED;
	}
	return settlement->job.rows[at].state == FATE_UNCERTAIN ? RECIPIENT_UNCERTAIN
								: RECIPIENT_PENDING;
}

/* RFC 3461 4.1, 5.2.2, 5.2.3. Of failures a sender hears unless he said otherwise, of success only
 * if he wants to and nobody further on will tell him. Nobody is told what became of a notice. */
static enum dsn_action
decide_notice(const struct settlement *settlement, uint32_t at, const struct mail *mail,
    const struct config *config)
{
	const struct fate_row *row = &settlement->job.rows[at];
	uint8_t notify = mail_recipient(mail, row->index)->notify;

	if (mail->is_notice || *mail->sender == '\0')
		return DSN_NONE;
	if (row->state == RECIPIENT_FAILED && config->queue.has_bounces &&
	    (notify == NOTIFY_UNSAID || (notify & NOTIFY_FAILURE) != 0))
		return DSN_FAILED;
	if (row->state != RECIPIENT_DELIVERED || (notify & NOTIFY_SUCCESS) == 0 || row->has_dsn)
		return DSN_NONE;
	/* Without an upstream it was captured: in a mailbox. */
	return *settlement->upstream == '\0' ? DSN_DELIVERED : DSN_RELAYED;
}

static uint32_t
count_pending(const struct mail *mail)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < mail->recipient_count; i++)
		count += recipient_is_pending(&mail->recipients[i]);
	return count;
}

void
settlement_decide(struct settlement *settlement, const struct mail *mail,
    const struct config *config, int64_t now_ms, uint32_t chance)
{
	/* What nobody knows the end of is not expired. */
	bool is_over_time =
	    now_ms - mail->begins_at_ms >= config->queue.lifetime_ms && !settlement->is_lost;
	struct fate_job *job = &settlement->job;
	uint32_t left;

	match_rows(settlement, mail);
	left = count_pending(mail) - job->row_count;
	for (uint32_t i = 0; i < job->row_count; i++) {
		job->rows[i].state = (uint8_t)decide_row(settlement, i, is_over_time);
		settlement->actions[i] = (uint8_t)decide_notice(settlement, i, mail, config);
		settlement->told_count += settlement->actions[i] != DSN_NONE;
		settlement->failed_count += job->rows[i].state == RECIPIENT_FAILED;
		settlement->is_uncertain |= job->rows[i].state == RECIPIENT_UNCERTAIN;
		left += job->rows[i].state == RECIPIENT_PENDING ||
			job->rows[i].state == RECIPIENT_UNCERTAIN;
	}
	job->attempts = mail->attempts + 1;
	job->has_wishes = mail->has_wishes;
	job->is_over = left == 0;
	if (job->is_over)
		return;
	/* Whoever was tried needs no further look: the next ones may go at once. */
	if (settlement->untried_count > 0 && job->row_count > 0) {
		job->attempts = mail->attempts;
		return;
	}
	job->state = settlement->is_uncertain ? MAIL_UNCERTAIN : MAIL_WAITING;
	job->next_at_ms =
	    now_ms + (settlement->is_lost ? LOST_RETRY_MS
					  : backoff_message_ms(config->queue.retry_ms,
						config->queue.retry_count, job->attempts, chance));
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
