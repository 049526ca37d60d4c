/*
 * intake_partial - gathers one message's pieces.
 *
 * A small body waits in memory for its commit and becomes rows. From BODY_FILE_BYTES on the pieces
 * are written to a file, some at a time, and the smtpd's credit is given back as they are written, so
 * that a slow disk slows the client down. The commit then waits for the file's flush. Such a body
 * stays in memory beside its file, for relay, while it is of moderate size and all of them together
 * are within their budget.
 */
#include "common/xalloc.h"
#include "daemon/queue/intake_private.h"

#include <stdlib.h>

/* More pieces than this go to a file, whatever their size. */
#define PIECES_MAX 256
/* Of a body in a file: kept in memory up to this size, and so much of all that come in at a time. */
#define KEPT_BODY_MAX (2u << 20)
#define KEPT_TOTAL_MAX (24u << 20)
/* Of all that are not in files; beyond it every body becomes a file. */
#define SMALL_TOTAL_MAX (64u << 20)
/* So much is written at a time: half of the credit, so that the smtpd has the other
 * half meanwhile. */
#define GATHERED_BYTES (STREAM_CREDIT / 2)

/* Pieces that are written in one go: each go wakes a thread, and this one again. */
struct write_job {
	struct bodyfile_job file;
	struct partial *partial;
	uint32_t size;
	struct slice slices[BODYFILE_SLICES_MAX];
};

static void
free_write(struct write_job *write)
{
	for (uint32_t i = 0; i < write->file.slice_count; i++)
		slice_release(&write->slices[i]);
	free(write);
}

struct link *
partial_link(const struct partial *partial)
{
	if (partial->from == NULL || partial->from->owner != partial->owner)
		return NULL;
	return partial->from->link;
}

/* ---- the end ---- */

static void
drop_gathered(struct partial *partial)
{
	if (partial->gathered != NULL)
		free_write(partial->gathered);
	partial->gathered = NULL;
}

static void
release_slices(struct partial *partial)
{
	for (uint32_t i = 0; i < partial->slice_count; i++)
		slice_release(&partial->slices[i]);
	partial->slice_count = 0;
	partial->intake->kept_bytes -= partial->kept_bytes;
	partial->intake->small_bytes -= partial->small_bytes;
	partial->kept_bytes = partial->small_bytes = 0;
}

void
partial_free(struct partial *partial)
{
	release_slices(partial);
	drop_gathered(partial);
	partial->intake->commit_count -= partial->is_committing;
	free(partial->slices);
	free(partial->mail);
	free(partial->from_address);
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
	drop_gathered(partial);
	partial->from = NULL;
	partial->file = (struct bodyfile_job){
	    .job = {.on_done = on_file_removed, .ctx = partial}, .file = &partial->body};
	storage_post_file(partial->intake->storage, BODYFILE_REMOVE, &partial->file);
}

/* ---- pieces ---- */

static void
on_written(struct job *job)
{
	struct write_job *write = (struct write_job *)(void *)job;
	struct partial *partial = write->partial;
	struct msg_credit credit = {.stream = partial->id, .bytes = write->size};

	if (job->outcome != JOB_DONE && partial->outcome == JOB_DONE)
		partial->outcome = job->outcome;
	/* Also when it failed: the client may finish, and hears of it at its final dot. */
	partial->uncredited -= credit.bytes;
	if (partial_link(partial) != NULL)
		link_send(partial_link(partial), MSG_CREDIT, &credit);
	free_write(write);
}

static struct write_job *
new_write(struct partial *partial, uint64_t offset)
{
	struct write_job *write = xcalloc(1, sizeof(*write));

	write->partial = partial;
	write->file.job.on_done = on_written;
	write->file.file = &partial->body;
	write->file.offset = offset;
	write->file.slices = write->slices;
	return write;
}

void
partial_write_gathered(struct partial *partial)
{
	struct write_job *write = partial->gathered;

	partial->gathered = NULL;
	if (write != NULL)
		storage_post_file(partial->intake->storage, BODYFILE_WRITE, &write->file);
}

static void
write_to_file(struct partial *partial, const struct slice *slice, uint64_t offset)
{
	struct write_job *write = partial->gathered;

	if (write == NULL)
		write = partial->gathered = new_write(partial, offset);
	write->slices[write->file.slice_count++] =
	    slice_of(slice->chunk, slice->offset, slice->size);
	write->size += slice->size;
	if (write->size >= GATHERED_BYTES || write->file.slice_count == BODYFILE_SLICES_MAX)
		partial_write_gathered(partial);
}

/* Takes the slice. */
static void
add_slice(struct partial *partial, struct slice slice)
{
	if (partial->slice_count % 4 == 0)
		partial->slices =
		    xrealloc(partial->slices, partial->slice_count + 4, sizeof(*partial->slices));
	partial->slices[partial->slice_count++] = slice;
}

static void
move_to_file(struct partial *partial)
{
	uint64_t offset = 0;

	partial->is_in_file = true;
	storage_take_file(partial->intake->storage, partial->id, &partial->body);
	for (uint32_t i = 0; i < partial->slice_count; i++) {
		write_to_file(partial, &partial->slices[i], offset);
		offset += partial->slices[i].size;
	}
	partial->intake->small_bytes -= partial->small_bytes;
	partial->small_bytes = 0;
	partial->kept_bytes = offset;
	partial->intake->kept_bytes += offset;
	if (partial->intake->kept_bytes > KEPT_TOTAL_MAX)
		release_slices(partial);
}

/* What is no longer whole in memory is no longer there at all. Takes the slice. */
static void
keep(struct partial *partial, struct slice slice)
{
	struct intake *intake = partial->intake;
	bool is_whole = partial->kept_bytes + slice.size == partial->size;

	if (!is_whole || partial->size > KEPT_BODY_MAX || partial->slice_count >= PIECES_MAX ||
	    intake->kept_bytes + slice.size > KEPT_TOTAL_MAX) {
		release_slices(partial);
		slice_release(&slice);
		return;
	}
	partial->kept_bytes += slice.size;
	intake->kept_bytes += slice.size;
	add_slice(partial, slice);
}

bool
partial_add(struct partial *partial, struct slice slice)
{
	uint64_t offset = partial->size;

	if (slice.size > STREAM_CREDIT - partial->uncredited) {
		slice_release(&slice);
		return false;
	}
	partial->uncredited += slice.size;
	partial->size += slice.size;
	if (partial->is_in_file) {
		write_to_file(partial, &slice, offset);
		keep(partial, slice);
		return true;
	}
	add_slice(partial, slice);
	partial->small_bytes += slice.size;
	partial->intake->small_bytes += slice.size;
	if (partial->size >= BODY_FILE_BYTES || partial->slice_count >= PIECES_MAX ||
	    partial->intake->small_bytes > SMALL_TOTAL_MAX)
		move_to_file(partial);
	return true;
}
