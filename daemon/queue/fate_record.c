/* fate_record - an attempt and what became of its recipients, as a record of the journal. */
#include "daemon/queue/fate_log.h"
#include "daemon/queue/fate_private.h"
#include "daemon/queue/journal.h"

static enum journal_fate
fate_of(const struct settlement *settlement, uint32_t at)
{
	switch ((enum recipient_state)settlement->job.rows[at].state) {
	case RECIPIENT_DELIVERED:
		return JOURNAL_DELIVERED;
	case RECIPIENT_FAILED:
		return settlement->is_expired[at] ? JOURNAL_EXPIRED : JOURNAL_FAILED;
	case RECIPIENT_UNCERTAIN:
	case RECIPIENT_UNDECIDED:
		return JOURNAL_UNCERTAIN;
	case RECIPIENT_PENDING:
		break;
	}
	return JOURNAL_DEFERRED;
}

/* Of the earlier attempts the message itself knows. */
static bool
has_failures(const struct settlement *settlement, const struct mail *mail)
{
	for (uint32_t i = 0; i < settlement->job.row_count; i++)
		if (settlement->job.rows[i].state == RECIPIENT_FAILED)
			return true;
	for (uint32_t i = 0; i < mail->recipient_count; i++)
		if (mail->recipients[i].state == RECIPIENT_FAILED)
			return true;
	return false;
}

static enum journal_end
end_of(const struct settlement *settlement, const struct entry *entry)
{
	if (entry->is_removed)
		return JOURNAL_WAS_REMOVED;
	if (!settlement->job.is_over)
		return JOURNAL_GOES_ON;
	return has_failures(settlement, entry->mail) ? JOURNAL_SOME_FAILED : JOURNAL_ALL_DELIVERED;
}

static void
add_rows(const struct settlement *settlement, const struct mail *mail, struct buf *out)
{
	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		journal_add_row(out, JOURNAL_ATTEMPT,
		    &(struct journal_row){.index = row->index,
			.fate = fate_of(settlement, i),
			.code = row->code,
			.address = recipient == NULL ? "" : recipient->address,
			.enhanced = row->enhanced,
			.reply = row->reply,
			.class = reply_class_name(row->class),
			.rule = row->rule});
	}
}

static void
write_transcript(struct settlement *settlement, const struct journal_record *attempt)
{
	struct journal_record record = *attempt;

	buf_clear(&settlement->job.transcript);
	if (*settlement->transcript == '\0' || !settlement->fates->has_room)
		return;
	record.kind = JOURNAL_TRANSCRIPT;
	record.transcript = settlement->transcript;
	journal_write(&settlement->job.transcript, &record);
}

void
fate_write_record(struct settlement *settlement, const struct entry *entry)
{
	const struct mail *mail = entry->mail;
	int64_t now_ms = loop_wall_ms(settlement->fates->role->loop);
	struct journal_record record = {
	    .kind = JOURNAL_ATTEMPT,
	    .message_id = entry->id,
	    .at_ms = now_ms,
	    .received_at_ms = mail->received_at_ms,
	    .login = mail->login,
	    .list = mail->list,
	    .profile = settlement->profile,
	    .sender = mail->sender,
	    .size = mail->size,
	    .begins_at_ms = mail->begins_at_ms,
	    .attempt = settlement->attempt,
	    .end = end_of(settlement, entry),
	    .next_at_ms = settlement->job.is_over ? 0 : settlement->job.next_at_ms,
	    .upstream = settlement->upstream,
	    .tls = settlement->tls,
	    .queue_ms = (uint64_t)fate_queue_ms(settlement, entry, now_ms),
	    .connect_ms = settlement->connect_ms,
	    .tls_ms = settlement->tls_ms,
	    .send_ms = settlement->send_ms,
	    .row_count = settlement->job.row_count,
	};

	buf_clear(&settlement->job.record);
	journal_write(&settlement->job.record, &record);
	add_rows(settlement, mail, &settlement->job.record);
	write_transcript(settlement, &record);
}

void
fate_note_trouble(struct fates *fates, const struct entry *entry, const struct profile *profile,
    const struct msg_report *report)
{
	const struct mail *mail = entry->mail;
	struct journal_record record = {
	    .kind = JOURNAL_ATTEMPT,
	    .message_id = entry->id,
	    .at_ms = loop_wall_ms(fates->role->loop),
	    .received_at_ms = mail->received_at_ms,
	    .login = mail->login,
	    .list = mail->list,
	    .profile = profile->name,
	    .sender = mail->sender,
	    .size = mail->size,
	    .begins_at_ms = mail->begins_at_ms,
	    .attempt = report->attempt,
	    .end = JOURNAL_GOES_ON,
	    .upstream = report->upstream,
	    .tls = report->tls,
	    .transcript = report->transcript,
	    .row_count = 1,
	};
	struct buf bytes = {0};

	journal_write(&bytes, &record);
	journal_add_row(&bytes, JOURNAL_ATTEMPT,
	    &(struct journal_row){.fate = JOURNAL_NOT_SENT,
		.code = report->code,
		.enhanced = report->enhanced,
		.reply = report->reason,
		.class = reply_class_name((enum reply_class)report->class),
		.rule = report->rule});
	storage_note(fates->storage, &bytes);
	if (*report->transcript == '\0')
		return;
	record.kind = JOURNAL_TRANSCRIPT;
	journal_write(&bytes, &record);
	storage_note(fates->storage, &bytes);
}
