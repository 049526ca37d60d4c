/* fate_log - delivered, deferred, bounced, expired, uncertain: a line each. */
#include "daemon/queue/fate_log.h"

#include "common/format.h"
#include "common/log.h"

static enum log_event
event_of(const struct settlement *settlement, uint32_t at)
{
	switch ((enum recipient_state)settlement->job.rows[at].state) {
	case RECIPIENT_DELIVERED:
		return EVENT_DELIVERED;
	case RECIPIENT_FAILED:
		return settlement->is_expired[at] ? EVENT_EXPIRED : EVENT_BOUNCED;
	case RECIPIENT_UNCERTAIN:
	case RECIPIENT_UNDECIDED:
		return EVENT_UNCERTAIN;
	case RECIPIENT_PENDING:
		break;
	}
	return settlement->is_denied ? EVENT_HELD : EVENT_DEFERRED;
}

/* Since it was taken, or the time its client named: what a sender waited. Clocks may be set
 * meanwhile. */
static void
log_delay(struct log_line *line, const struct entry *entry, int64_t now_ms)
{
	int64_t delay_ms = now_ms - entry->mail->begins_at_ms;

	log_seconds(line, KEY_DELAY, delay_ms < 0 ? 0 : delay_ms);
}

int64_t
fate_queue_ms(const struct settlement *settlement, const struct entry *entry, int64_t now_ms)
{
	int64_t begins_ms = entry->mail->begins_at_ms;
	int64_t work_ms =
	    (int64_t)settlement->connect_ms + settlement->tls_ms + settlement->send_ms;
	int64_t queue_ms =
	    entry->began_at_ms != 0 ? entry->began_at_ms - begins_ms : now_ms - begins_ms - work_ms;

	return queue_ms < 0 ? 0 : queue_ms;
}

/* In the queue, connecting, TLS and AUTH, sending; in seconds, as Postfix has them. */
static void
log_delays(struct log_line *line, const struct settlement *settlement, const struct entry *entry,
    int64_t now_ms)
{
	char text[4 * FORMAT_SECONDS_SIZE];
	char queue[FORMAT_SECONDS_SIZE], connect[FORMAT_SECONDS_SIZE];
	char tls[FORMAT_SECONDS_SIZE], send[FORMAT_SECONDS_SIZE];

	(void)format_text(text, sizeof(text), "%s/%s/%s/%s",
	    format_seconds(fate_queue_ms(settlement, entry, now_ms), queue),
	    format_seconds(settlement->connect_ms, connect),
	    format_seconds(settlement->tls_ms, tls), format_seconds(settlement->send_ms, send));
	log_text(line, KEY_DELAYS, text);
}

static void
log_row(const struct settlement *settlement, const struct entry *entry, int64_t now_ms, uint32_t at)
{
	const struct fate_row *row = &settlement->job.rows[at];
	const struct recipient *recipient = mail_recipient(entry->mail, row->index);
	enum log_event event = event_of(settlement, at);
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, event, entry->id))
		return;
	log_text(&line, KEY_USER, entry->mail->login);
	log_text(&line, KEY_LIST, entry->mail->list);
	log_text(&line, KEY_PROFILE, settlement->profile);
	log_mailbox(&line, KEY_TO, recipient == NULL ? "" : recipient->address);
	if (*settlement->upstream != '\0')
		log_text(&line, KEY_UPSTREAM, settlement->upstream);
	if (*settlement->tls != '\0')
		log_text(&line, KEY_TLS, settlement->tls);
	if (row->code != 0)
		log_number(&line, KEY_CODE, row->code);
	if (*row->enhanced != '\0')
		log_text(&line, KEY_ENHANCED, row->enhanced);
	log_text(&line, KEY_REPLY, row->reply);
	if (event != EVENT_DELIVERED && row->class != REPLY_NONE) {
		log_text(&line, KEY_CLASS, reply_class_name(row->class));
		log_text(&line, KEY_RULE, row->rule);
	}
	if (row->state == RECIPIENT_UNDECIDED ||
	    (event == EVENT_DEFERRED && settlement->job.state == MAIL_HELD))
		log_text(&line, KEY_REASON, "waits for an operator");
	else if (event == EVENT_HELD && row->class == REPLY_SENDER_DENIED)
		log_text(
		    &line, KEY_REASON, "the upstream does not let the profile send as this sender");
	else if ((event == EVENT_DEFERRED || event == EVENT_UNCERTAIN) &&
		 settlement->job.next_at_ms != 0) /* 0: others of the message go on at once */
		log_time(&line, KEY_UNTIL, settlement->job.next_at_ms);
	log_number(&line, KEY_SIZE, (int64_t)entry->mail->size);
	log_delay(&line, entry, now_ms);
	log_delays(&line, settlement, entry, now_ms);
	log_end(&line);
}

void
fate_log(const struct settlement *settlement, const struct entry *entry, int64_t now_ms)
{
	for (uint32_t i = 0; i < settlement->job.row_count; i++)
		log_row(settlement, entry, now_ms, i);
}
