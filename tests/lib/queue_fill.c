/* queue_fill - thousands of messages a transaction. */
#include "tests/lib/queue_fill.h"

#include "common/xalloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES_A_COMMIT 2000
#define WAL_MAX (64u << 20)
#define HALF_HOUR_MS INT64_C(1800000)

/* splitmix64: the same number always gives the same one. */
static uint64_t
mix(uint64_t n)
{
	n += UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ^ (n >> 31);
}

/* The first users have most of it. */
static const struct fill_user *
user_of(const struct fill_options *options, uint64_t random)
{
	double share = (double)(random >> 11) / (double)(UINT64_C(1) << 53);

	return &options->users[(size_t)(share * share * share * options->user_count)];
}

static void
set_state(struct mail *mail, const struct fill_options *options, uint64_t random)
{
	static const struct {
		unsigned per_mille;
		enum mail_state state;
		bool has_time;
	} rows[] = {{700, MAIL_WAITING, false}, {180, MAIL_WAITING, true}, {90, MAIL_HELD, false},
	    {20, MAIL_SCHEDULED, true}, {10, MAIL_UNCERTAIN, true}};
	unsigned left = (unsigned)(random % 1000);
	size_t at = 0;

	while (left >= rows[at].per_mille)
		left -= rows[at++].per_mille;
	mail->state = (uint8_t)rows[at].state;
	if (rows[at].has_time)
		mail->next_at_ms =
		    options->now_ms + HALF_HOUR_MS + (int64_t)(random >> 32) % HALF_HOUR_MS;
}

struct mail *
fill_mail(const struct fill_options *options, uint64_t n, uint64_t id)
{
	static const uint8_t priorities[] = {1, 2, 3, 3, 3, 3, 3, 3, 4, 5};
	uint64_t random = mix(n);
	const struct fill_user *user = user_of(options, mix(random));
	struct mail *mail = mail_new(1, 512);
	char text[128];

	mail->id = id;
	mail->user_id = user->id;
	mail->priority = priorities[random % 10];
	mail->received_at_ms = options->now_ms - (int64_t)(options->count - n);
	if (options->due_at_ms != 0)
		mail->next_at_ms = options->due_at_ms;
	else if (!options->is_all_ready)
		set_state(mail, options, random >> 8);
	mail->begins_at_ms =
	    mail->state == MAIL_SCHEDULED ? mail->next_at_ms : mail->received_at_ms;
	mail->login = mail_text(mail, user->login);
	mail->list = mail_text(mail, user->list);
	mail->sender = mail_text(mail, "news@example.org");
	mail->header_from = mail_text(mail, "News <news@example.org>");
	(void)snprintf(text, sizeof(text), "<%" PRIx64 "@example.org>", random);
	mail->message_id = mail_text(mail, text);
	(void)snprintf(text, sizeof(text), "Issue %" PRIu64, n);
	mail->subject = mail_text(mail, text);
	mail->client = mail_text(mail, "127.0.0.1:5000");
	mail->wishes.envid = mail_text(mail, "");
	(void)snprintf(text, sizeof(text), "r%" PRIu64 "@example.net", n);
	mail->recipients[0].address = mail_text(mail, text);
	mail->recipients[0].orcpt = mail_text(mail, "");
	mail->recipients[0].enhanced = mail->recipients[0].reply = mail_text(mail, "");
	return mail;
}

/* A header by which a sink knows the message, and a body of x. */
static struct chunk *
body_of(const struct fill_options *options, uint64_t id)
{
	uint32_t size = options->body_bytes < 64 ? 64 : options->body_bytes;
	struct chunk *chunk = chunk_new(size);
	int used =
	    snprintf((char *)chunk->bytes, size, "Message-ID: <%016" PRIx64 "@fill>\r\n\r\n", id);

	memset(chunk->bytes + used, 'x', size - (uint32_t)used);
	memcpy(chunk->bytes + size - 2, "\r\n", 2);
	chunk->size = size;
	return chunk;
}

static enum store_result
insert(struct store *store, const struct fill_options *options, uint64_t n, uint64_t id)
{
	struct mail *mail = fill_mail(options, n, id);
	struct chunk *chunk = body_of(options, id);
	struct slice slice = slice_of(chunk, 0, chunk->size);
	struct insert_job job = {
	    .job = {.kind = STORE_INSERT}, .mail = mail, .slices = &slice, .slice_count = 1};
	enum store_result result;

	mail->size = chunk->size;
	result = store_run(store, &job.job);
	slice_release(&slice);
	chunk_release(chunk);
	free(mail);
	return result;
}

static enum store_result
fill_part(struct store *store, const struct fill_options *options, uint64_t first_id, uint64_t from)
{
	uint64_t to =
	    options->count - from < MESSAGES_A_COMMIT ? options->count : from + MESSAGES_A_COMMIT;
	enum store_result result = store_begin(store);

	for (uint64_t n = from; n < to && result == STORE_OK; n++)
		result = insert(store, options, n, first_id + n);
	if (result == STORE_OK)
		result = store_commit(store);
	if (result == STORE_OK && store_wal_bytes(store) > WAL_MAX)
		result = store_checkpoint(store);
	return result;
}

/* What has been waiting for a minute has been entered. */
static enum store_result
enter_ages(struct store *store)
{
	struct enter_ages_job job = {.job = {.kind = STORE_ENTER_AGES}};
	enum store_result result = STORE_OK;

	while (result == STORE_OK && !job.is_end_out) {
		result = store_begin(store);
		if (result == STORE_OK)
			result = store_run(store, &job.job);
		if (result == STORE_OK)
			result = store_commit(store);
		if (result == STORE_OK && store_wal_bytes(store) > WAL_MAX)
			result = store_checkpoint(store);
	}
	return result;
}

int
fill_queue(const char *path, const struct fill_options *options, uint64_t *first_id_out,
    struct err *err_out)
{
	struct reserve_job reserve = {.job = {.kind = STORE_RESERVE}};
	enum store_result result;
	struct store *store;

	if (store_open(path, &store, err_out) != 0)
		return -1;
	*first_id_out = store_next_id(store);
	reserve.next_id = *first_id_out + options->count;
	result = store_begin(store);
	if (result == STORE_OK)
		result = store_run(store, &reserve.job);
	if (result == STORE_OK)
		result = store_commit(store);
	for (uint64_t n = 0; n < options->count && result == STORE_OK; n += MESSAGES_A_COMMIT)
		result = fill_part(store, options, *first_id_out, n);
	if (result == STORE_OK)
		result = enter_ages(store);
	if (result == STORE_OK)
		result = store_checkpoint(store);
	if (result != STORE_OK)
		(void)err_set(err_out, "filling %s: %s", path, store_problem(store));
	store_close(store);
	return result == STORE_OK ? 0 : -1;
}
