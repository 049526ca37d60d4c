/*
 * intake_partial - gathers one message's pieces.
 *
 * A small body waits in memory for its commit and becomes rows. From BODY_FILE_BYTES on the pieces
 * are written to a file as they come, and the smtpd's credit is given back as they are written, so
 * that a slow disk slows the client down. The commit then waits for the file's flush.
 */
#include "common/xalloc.h"
#include "daemon/queue/intake_private.h"

#include <stdlib.h>

/* More pieces than this go to a file, whatever their size. */
#define PIECES_MAX 256

struct link *
partial_link(const struct partial *partial)
{
	if (partial->from == NULL || partial->from->owner != partial->owner)
		return NULL;
	return partial->from->link;
}

/* ---- the end ---- */

static void
release_slices(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->slice_count; i++)
		slice_release(&partial->slices[i]);
	partial->slice_count = 0;
}

void
partial_free(struct partial *partial)
{
	release_slices(partial);
	free(partial->slices);
	free(partial->mail);
	free(partial);
}

static void
on_file_removed(struct job *job)
{
	partial_free(job->ctx);
}

/* Writes of its file may be under way: its removal comes behind them. */
void
partial_discard(struct partial *partial)
{
	if (!partial->is_in_file) {
		partial_free(partial);
		return;
	}
	partial->from = NULL;
	partial->file = (struct bodyfile_job){.job = {.on_done = on_file_removed, .ctx = partial},
	    .message_id = partial->id,
	    .fd = &partial->fd};
	storage_post_file(partial->intake->storage, BODYFILE_REMOVE, &partial->file);
}

/* ---- pieces ---- */

struct write_job {
	struct bodyfile_job file;
	struct partial *partial;
};

static void
on_written(struct job *job)
{
	struct write_job *write = (struct write_job *)(void *)job;
	struct partial *partial = write->partial;
	struct msg_credit credit = {.stream = partial->id, .bytes = write->file.slice.size};

	if (job->outcome != JOB_DONE && partial->outcome == JOB_DONE)
		partial->outcome = job->outcome;
	/* Also when it failed: the client may finish, and hears of it at its final dot. */
	if (partial_link(partial) != NULL)
		link_send(partial_link(partial), MSG_CREDIT, &credit);
	slice_release(&write->file.slice);
	free(write);
}

/* Takes the slice. */
static void
write_to_file(struct partial *partial, struct slice slice, uint64_t offset)
{
	struct write_job *write = xcalloc(1, sizeof(*write));

	write->partial = partial;
	write->file.job.on_done = on_written;
	write->file.message_id = partial->id;
	write->file.fd = &partial->fd;
	write->file.offset = offset;
	write->file.slice = slice;
	storage_post_file(partial->intake->storage, BODYFILE_WRITE, &write->file);
}

static void
move_to_file(struct partial *partial)
{
	uint64_t offset = 0;

	partial->is_in_file = true;
	for (uint32_t i = 0; i < partial->slice_count; i++) {
		uint32_t size = partial->slices[i].size;

		write_to_file(partial, partial->slices[i], offset);
		offset += size;
	}
	partial->slice_count = 0;
}

static void
add_slice(struct partial *partial, struct slice slice)
{
	if (partial->slice_count % 4 == 0)
		partial->slices =
		    xrealloc(partial->slices, partial->slice_count + 4, sizeof(*partial->slices));
	partial->slices[partial->slice_count++] = slice;
}

void
partial_add(struct partial *partial, struct slice slice)
{
	uint64_t offset = partial->size;

	partial->size += slice.size;
	if (partial->is_in_file) {
		write_to_file(partial, slice, offset);
		return;
	}
	add_slice(partial, slice);
	if (partial->size >= BODY_FILE_BYTES || partial->slice_count >= PIECES_MAX)
		move_to_file(partial);
}
