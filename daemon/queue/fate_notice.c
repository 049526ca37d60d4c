/*
 * fate_notice - the notice of a settlement: reads the original back as far as it is needed, and makes
 * a message of what dsn.c writes. It is stored in the commit of the fates that it tells of.
 */
#include "common/xalloc.h"
#include "daemon/queue/dsn.h"
#include "daemon/queue/fate_private.h"

#include <stdlib.h>
#include <string.h>

/* A header, or a small message whole. */
#define READ_BYTES (64u * 1024)
/* A body goes to relay, and back from disk, in pieces of which each fits into its credit. */
#define PIECE_BYTES (48u * 1024)

static struct dsn_recipient *
list_told(const struct settlement *settlement, const struct mail *mail)
{
	struct dsn_recipient *told = xcalloc(settlement->told_count + 1, sizeof(*told));
	size_t count = 0;

	for (uint32_t i = 0; i < settlement->job.row_count; i++) {
		const struct fate_row *row = &settlement->job.rows[i];
		const struct recipient *recipient = mail_recipient(mail, row->index);

		if (settlement->actions[i] == DSN_NONE || recipient == NULL)
			continue;
		told[count++] = (struct dsn_recipient){.address = recipient->address,
		    .orcpt = recipient->orcpt,
		    .enhanced = row->enhanced,
		    .reply = row->reply,
		    .upstream = settlement->upstream,
		    .code = row->code,
		    .is_expired = settlement->is_expired[i],
		    .action = settlement->actions[i]};
	}
	return told;
}

static struct mail *
address_notice(const struct dsn *dsn, struct dsn_needs needs, size_t size)
{
	const struct mail *about = dsn->mail;
	struct mail *notice = mail_new(
	    1, strlen(about->login) + strlen(about->list) + 2 * strlen(about->sender) + 128);

	notice->id = dsn->notice_id;
	notice->user_id = about->user_id;
	notice->priority = about->priority;
	notice->received_at_ms = notice->begins_at_ms = dsn->now_ms;
	notice->size = size;
	notice->is_notice = true;
	notice->has_8bit = needs.has_8bit;
	/* It has the header of what it tells of, to be kept as safe (RFC 8689 5). */
	notice->wishes.requires_tls = about->wishes.requires_tls;
	notice->has_wishes = needs.has_utf8_header || about->wishes.requires_tls;
	notice->wishes.is_smtputf8 = notice->wishes.has_utf8_header = needs.has_utf8_header;
	notice->login = mail_text(notice, about->login);
	notice->list = mail_text(notice, about->list);
	notice->sender = notice->header_from = notice->message_id = mail_text(notice, "");
	notice->client = notice->wishes.envid = notice->sender;
	notice->subject = mail_text(notice, dsn_subject(dsn));
	notice->recipients[0].address = mail_text(notice, about->sender);
	notice->recipients[0].enhanced = notice->recipients[0].reply = notice->sender;
	notice->recipients[0].orcpt = notice->sender;
	/* Whatever its envelope sender becomes. */
	notice->recipients[0].notify = NOTIFY_NEVER;
	return notice;
}

static void
cut_into_slices(struct fate_job *job, const struct buf *text)
{
	struct chunk *chunk = chunk_from(text->bytes, (uint32_t)text->size);
	uint32_t count = (chunk->size + PIECE_BYTES - 1) / PIECE_BYTES;

	job->notice_slices = xcalloc(count, sizeof(*job->notice_slices));
	for (uint32_t offset = 0; offset < chunk->size; offset += PIECE_BYTES) {
		uint32_t left = chunk->size - offset;

		job->notice_slices[job->notice_slice_count++] =
		    slice_of(chunk, offset, left < PIECE_BYTES ? left : PIECE_BYTES);
	}
	chunk_release(chunk);
}

static void
write_notice(struct settlement *settlement, struct entry *entry, const void *bytes, size_t size)
{
	struct fates *fates = settlement->fates;
	const struct mail *mail = entry->mail;
	struct dsn_recipient *told = list_told(settlement, mail);
	struct dsn dsn = {
	    .hostname = fates->role->config->hostname,
	    .from = entry->profile == NULL ? "" : entry->profile->bounce_sender,
	    .mail = mail,
	    .recipients = told,
	    .recipient_count = settlement->told_count,
	    .original = bytes,
	    .original_size = size,
	    .notice_id = intake_take_id(fates->intake),
	    .now_ms = loop_wall_ms(fates->role->loop),
	};
	struct buf text = {0};

	if (dsn.notice_id == 0) {
		role_alert(fates->role, "notice-failed", mail->login, mail->list, mail->sender,
		    "no notice could be written: no id could be reserved");
	} else {
		struct dsn_needs needs = dsn_write(&dsn, &text);

		cut_into_slices(&settlement->job, &text);
		settlement->job.notice = address_notice(&dsn, needs, text.size);
	}
	buf_fini(&text);
	free(told);
	fate_post(settlement);
}

static void
notice_from_chunk(struct settlement *settlement, struct chunk *chunk)
{
	struct entry *entry =
	    scheduler_find(settlement->fates->scheduler, settlement->job.message_id);

	write_notice(settlement, entry, chunk == NULL ? "" : (const char *)chunk->bytes,
	    chunk == NULL ? 0 : chunk->size);
	chunk_release(chunk);
}

static void
on_row(struct job *job)
{
	struct settlement *settlement = job->ctx;

	notice_from_chunk(settlement, settlement->body.chunk_out);
}

static void
on_file(struct job *job)
{
	struct settlement *settlement = job->ctx;

	notice_from_chunk(settlement, settlement->file.chunk_out);
}

static void
notice_from_memory(struct settlement *settlement, struct entry *entry)
{
	struct buf bytes = {0};

	for (uint32_t i = 0; i < entry->slice_count && bytes.size < READ_BYTES; i++)
		buf_append(&bytes, slice_bytes(&entry->slices[i]), entry->slices[i].size);
	write_notice(settlement, entry, bytes.bytes == NULL ? "" : bytes.bytes,
	    bytes.size < READ_BYTES ? bytes.size : READ_BYTES);
	buf_fini(&bytes);
}

void
fate_begin_notice(struct settlement *settlement, struct entry *entry)
{
	struct storage *storage = settlement->fates->storage;

	if (entry->slice_count > 0) {
		notice_from_memory(settlement, entry);
	} else if (entry->mail->is_in_file) {
		settlement->file =
		    (struct bodyfile_job){.job = {.on_done = on_file, .ctx = settlement},
			.message_id = entry->id,
			.size = READ_BYTES};
		storage_post_file(storage, BODYFILE_READ, &settlement->file);
	} else {
		settlement->body = (struct body_job){
		    .job = {.on_done = on_row, .ctx = settlement, .urgency = JOB_READS},
		    .message_id = entry->id,
		    .limit_bytes = READ_BYTES};
		storage_post(storage, STORE_BODY, &settlement->body.job);
	}
}
