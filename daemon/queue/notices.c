/*
 * notices - reads the original back as far as it is needed, and makes a message of what dsn.c writes;
 * counts, so that a newsletter that fails doesn't become as many notices.
 */
#include "daemon/queue/notices.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* A header, or a small message whole. */
#define READ_BYTES (64u * 1024)
/* A body goes to relay, and back from disk, in pieces of which each fits into its credit. */
#define PIECE_BYTES (48u * 1024)
#define SWEEP_EVERY_MS (10 * USAGE_MINUTE_MS)

struct notices {
	struct role_context *role;
	struct storage *storage;
	const struct routes *routes;
	struct intake *intake;
	struct idmap users;  /* struct sent, by user */
	int64_t swept_at_ms; /* monotonic */
};

/* To the senders of one user. */
struct sent {
	uint64_t user_id;
	struct usage usage;
};

/* ---- how many ---- */

/* Forgets users that nothing was sent to for a day. */
static void
forget_idle(struct notices *notices)
{
	struct sent **idle = xcalloc(notices->users.count + 1, sizeof(struct sent *));
	size_t count = 0;

	IDMAP_EACH(&notices->users, slot)
	{
		struct sent *sent = slot->object;

		usage_move(&sent->usage, loop_wall_ms(notices->role->loop));
		if (sent->usage.day.messages == 0)
			idle[count++] = sent;
	}
	for (size_t i = 0; i < count; i++) {
		(void)idmap_remove(&notices->users, idle[i]->user_id);
		free(idle[i]);
	}
	free(idle);
}

static void
sweep(struct notices *notices)
{
	int64_t now_ms = loop_now_ms(notices->role->loop);

	if (now_ms - notices->swept_at_ms < SWEEP_EVERY_MS)
		return;
	notices->swept_at_ms = now_ms;
	forget_idle(notices);
}

static struct sent *
take_user(struct notices *notices, uint64_t user_id)
{
	struct sent *sent = idmap_get(&notices->users, user_id);

	if (sent != NULL)
		return sent;
	sent = xcalloc(1, sizeof(*sent));
	sent->user_id = user_id;
	idmap_put(&notices->users, user_id, sent);
	return sent;
}

/* False: one more would be too many. */
static bool
take_place(struct notices *notices, const struct mail *about)
{
	struct usage_caps caps = {.messages = notices->role->config->queue.notices};
	struct usage_count one = {.messages = 1};
	int64_t now_ms = loop_wall_ms(notices->role->loop);
	struct sent *sent;

	sweep(notices);
	sent = take_user(notices, FLOW_USER(about->user_id));
	usage_move(&sent->usage, now_ms);
	if (usage_fits(&sent->usage, &caps, one)) {
		usage_add(&sent->usage, now_ms, one);
		return true;
	}
	role_alert(notices->role, "notices-limited", about->login, about->list, "",
	    "more notices to this user's senders than queue.notices allows: these were not sent");
	return false;
}

/* ---- the message ---- */

static struct mail *
address_notice(const struct dsn *dsn, struct dsn_needs needs, size_t size)
{
	const struct mail *about = dsn->mail;
	struct mail *notice = mail_new(
	    1, strlen(about->login) + strlen(about->list) + 2 * strlen(about->sender) + 128);

	notice->id = dsn->notice_id;
	notice->user_id = about->user_id | NOTICE_FLOW;
	notice->priority = about->priority;
	notice->received_at_ms = notice->begins_at_ms = dsn->now_ms;
	notice->age = AGE_DELAYED;
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
	notice->recipients[0].class = notice->recipients[0].rule = notice->sender;
	notice->recipients[0].orcpt = notice->sender;
	/* Whatever its envelope sender becomes. */
	notice->recipients[0].notify = NOTIFY_NEVER;
	return notice;
}

static void
cut_into_slices(struct notice *notice, const struct buf *text)
{
	struct chunk *chunk = chunk_from(text->bytes, (uint32_t)text->size);
	uint32_t count = (chunk->size + PIECE_BYTES - 1) / PIECE_BYTES;

	notice->slices = xcalloc(count, sizeof(*notice->slices));
	for (uint32_t offset = 0; offset < chunk->size; offset += PIECE_BYTES) {
		uint32_t left = chunk->size - offset;

		notice->slices[notice->slice_count++] =
		    slice_of(chunk, offset, left < PIECE_BYTES ? left : PIECE_BYTES);
	}
	chunk_release(chunk);
}

static void
write_notice(struct notice_order *order, const void *bytes, size_t size)
{
	struct notices *notices = order->notices;
	const struct profile *profile = routes_of_notices(notices->routes, order->mail->user_id);
	struct dsn dsn = {
	    .hostname = notices->role->config->hostname,
	    .from = profile == NULL ? "" : profile->bounce_sender,
	    .mail = order->mail,
	    .recipients = order->told,
	    .recipient_count = order->told_count,
	    .why = order->why,
	    .original = bytes,
	    .original_size = size,
	    .notice_id = intake_take_id(notices->intake),
	    .retry_until_ms = order->mail->begins_at_ms + notices->role->config->queue.lifetime_ms,
	    .now_ms = loop_wall_ms(notices->role->loop),
	};
	struct buf text = {0};
	struct dsn_needs needs;

	if (dsn.notice_id == 0) {
		role_alert(notices->role, "notice-failed", order->mail->login, order->mail->list,
		    order->mail->sender, "no notice could be written: no id could be reserved");
		return;
	}
	needs = dsn_write(&dsn, &text);
	cut_into_slices(order->notice, &text);
	order->notice->mail = address_notice(&dsn, needs, text.size);
	order->notice->profile = xstrdup(profile == NULL ? "" : profile->name);
	buf_fini(&text);
}

/* ---- the original ---- */

/* Takes the chunk; NULL: nothing could be read. */
static void
write_from_chunk(struct notice_order *order, struct chunk *chunk)
{
	write_notice(order, chunk == NULL ? "" : (const char *)chunk->bytes,
	    chunk == NULL ? 0 : chunk->size);
	chunk_release(chunk);
	order->on_made(order);
}

static void
on_row(struct job *job)
{
	struct notice_order *order = job->ctx;

	write_from_chunk(order, order->body.chunk_out);
}

static void
on_file(struct job *job)
{
	struct notice_order *order = job->ctx;

	write_from_chunk(order, order->file.chunk_out);
}

static void
write_from_memory(struct notice_order *order)
{
	struct buf bytes = {0};

	for (uint32_t i = 0; i < order->slice_count && bytes.size < READ_BYTES; i++)
		buf_append(&bytes, slice_bytes(&order->slices[i]), order->slices[i].size);
	write_notice(order, bytes.bytes == NULL ? "" : bytes.bytes,
	    bytes.size < READ_BYTES ? bytes.size : READ_BYTES);
	buf_fini(&bytes);
}

static void
read_file(struct notice_order *order)
{
	order->file = (struct bodyfile_job){.job = {.on_done = on_file, .ctx = order},
	    .name = order->mail->body_file,
	    .size = READ_BYTES};
	storage_post_file(order->notices->storage, BODYFILE_READ, &order->file);
}

static void
read_rows(struct notice_order *order)
{
	order->body =
	    (struct body_job){.job = {.on_done = on_row, .ctx = order, .urgency = JOB_READS},
		.message_id = order->mail->id,
		.limit_bytes = READ_BYTES};
	storage_post(order->notices->storage, STORE_BODY, &order->body.job);
}

bool
notices_make(struct notices *notices, struct notice_order *order)
{
	order->notices = notices;
	if (!take_place(notices, order->mail))
		return true;
	if (order->slice_count > 0) {
		write_from_memory(order);
		return true;
	}
	if (order->mail->body_file != 0)
		read_file(order);
	else
		read_rows(order);
	return false;
}

struct notices *
notices_new(struct role_context *role, struct storage *storage, const struct routes *routes,
    struct intake *intake)
{
	struct notices *notices = xcalloc(1, sizeof(*notices));

	notices->role = role;
	notices->storage = storage;
	notices->routes = routes;
	notices->intake = intake;
	return notices;
}

void
notices_free(struct notices *notices)
{
	IDMAP_EACH(&notices->users, slot)
	free(slot->object);
	idmap_fini(&notices->users);
	free(notices);
}
