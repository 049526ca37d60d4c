/* queue_rig - what the tests of daemon/queue stand on. */
#include "tests/lib/queue_rig.h"

#include "common/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
rig_init(struct queue_rig *rig)
{
	*rig = (struct queue_rig){0};
	rig->loop = loop_new();
	assert(scratch_make(rig->directory, "queue"));
}

void
rig_fini(struct queue_rig *rig)
{
	char command[128];

	rig_close(rig);
	loop_free(rig->loop);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", rig->directory);
	assert(system(command) == 0);
}

static void
on_broken(const char *reason, void *ctx)
{
	struct queue_rig *rig = ctx;

	rig->is_broken = true;
	(void)snprintf(rig->reason, sizeof(rig->reason), "%s", reason);
}

static void
on_space(uint64_t free_bytes, void *ctx)
{
}

bool
rig_open(struct queue_rig *rig)
{
	struct storage_options options = {.directory = rig->directory,
	    .wal_limit_bytes = 1u << 20,
	    .reserve_bytes = 1u << 20,
	    .on_broken = on_broken,
	    .on_space = on_space,
	    .ctx = rig};
	struct err err;

	rig->is_broken = false;
	if (storage_open(rig->loop, &options, &rig->storage, &err) == 0)
		return true;
	(void)snprintf(rig->reason, sizeof(rig->reason), "%.255s", err.text);
	return false;
}

void
rig_close(struct queue_rig *rig)
{
	storage_close(rig->storage);
	rig->storage = NULL;
}

bool
rig_wait(struct queue_rig *rig, const bool *is_done, int64_t limit_ms)
{
	int64_t until_ms = clock_monotonic_ms() + limit_ms;

	while (!*is_done && clock_monotonic_ms() < until_ms)
		loop_turn(rig->loop, 20);
	return *is_done;
}

static void
on_done(struct job *job)
{
	*(bool *)job->ctx = true;
}

enum job_outcome
rig_do(struct queue_rig *rig, enum store_job_kind kind, enum urgency urgency, void *at)
{
	struct job *job = at;
	bool is_done = false;

	job->urgency = urgency;
	job->on_done = on_done;
	job->ctx = &is_done;
	storage_post(rig->storage, kind, job);
	assert(rig_wait(rig, &is_done, 10000));
	return job->outcome;
}

enum job_outcome
rig_do_file(struct queue_rig *rig, enum bodyfile_job_kind kind, struct bodyfile_job *job)
{
	bool is_done = false;

	job->job.on_done = on_done;
	job->job.ctx = &is_done;
	storage_post_file(rig->storage, kind, job);
	assert(rig_wait(rig, &is_done, 10000));
	return job->job.outcome;
}

struct mail *
rig_mail(uint64_t id, unsigned count)
{
	struct mail *mail = mail_new(count, 256 + count * 32);
	const char *none = mail_text(mail, "");

	mail->id = id;
	mail->user_id = 7;
	mail->priority = 3;
	mail->received_at_ms = mail->begins_at_ms = 1700000000000 + (int64_t)id;
	mail->login = mail_text(mail, "shop");
	mail->list = mail_text(mail, "web");
	mail->sender = mail_text(mail, "shop@example.org");
	mail->header_from = mail_text(mail, "Shop <shop@example.org>");
	mail->message_id = mail_text(mail, "<1@example.org>");
	mail->subject = mail_text(mail, "Your order");
	mail->client = mail_text(mail, "192.0.2.1:5000");
	mail->wishes.envid = none;
	for (unsigned i = 0; i < count; i++) {
		char address[32];

		(void)snprintf(address, sizeof(address), "r%u@example.net", i);
		mail->recipients[i].index = (uint16_t)i;
		mail->recipients[i].address = mail_text(mail, address);
		mail->recipients[i].enhanced = mail->recipients[i].reply = none;
		mail->recipients[i].orcpt = none;
	}
	return mail;
}

enum job_outcome
rig_insert(struct queue_rig *rig, struct mail *mail, const char *body)
{
	struct chunk *chunk = chunk_from(body, (uint32_t)strlen(body));
	struct slice slice = slice_of(chunk, 0, chunk->size);
	struct insert_job job = {.mail = mail, .slices = &slice, .slice_count = 1};
	enum job_outcome outcome;

	mail->size = chunk->size;
	outcome = rig_do(rig, STORE_INSERT, JOB_WRITES, &job);
	slice_release(&slice);
	chunk_release(chunk);
	return outcome;
}
