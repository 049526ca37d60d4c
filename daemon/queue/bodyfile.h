/*
 * bodyfile - bodies that are too large for rows: one file each, bodies/NN/ID
 *
 * Role     queue
 * Owns     the file descriptors of bodies that are being written
 * Context  jobs are filled on the loop; bodyfile_run() runs on the body threads, all jobs of one
 *          message on the same one; bodyfile_run_reads() on the reading thread, the rest before
 *          and after them
 * Units    bytes
 *
 * SQLite writes each byte twice and adds a checksum per page; a file is written once, as the
 * pieces arrive. It is flushed, and then its directory, before the commit that points to it, and
 * removed after the commit that deletes its message. What is left over by a crash between the two
 * is swept at start.
 */
#ifndef POSTERN_QUEUE_BODYFILE_H
#define POSTERN_QUEUE_BODYFILE_H

#include "common/chunk.h"
#include "common/err.h"
#include "daemon/queue/worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Bodies below this are rows: one flush instead of three at low load. */
#define BODY_FILE_BYTES (128u * 1024)

#define BODYFILE_DIRECTORIES 256
#define BODYFILE_PATH_SIZE 32
#define BODYFILE_SLICES_MAX 16

struct bodyfiles;

/* Where below `bodies` the file of that name is. */
void bodyfile_path(uint64_t name, char path[static BODYFILE_PATH_SIZE]);

enum bodyfile_job_kind { BODYFILE_WRITE, BODYFILE_SYNC, BODYFILE_READ, BODYFILE_REMOVE };

/* The file of a body that comes in. */
struct bodyfile {
	uint64_t name;
	int fd;          /* -1: not open; opened by the first write, closed by sync or remove */
	bool is_spare;   /* it was another message's, and its name is on disk */
	unsigned worker; /* the thread that has it */
	uint64_t size_before;
};

struct bodyfile_job {
	struct job job;
	uint64_t name;           /* read; remove, unless there is a file */
	struct bodyfile *file;   /* write, sync, remove: one that comes in; borrows */
	uint64_t offset;         /* sync: the size of the whole */
	uint32_t size;           /* read: how much at most */
	struct slice *slices;    /* write: one behind the other; borrows */
	uint32_t slice_count;    /* BODYFILE_SLICES_MAX at most */
	struct chunk *chunk_out; /* read: gives; NULL at the end of the file */
};

/* Whether there are bodies below `directory` (the state directory). */
bool bodyfile_are_any(const char *directory);
/* Makes what is missing of the directories below `directory` (the state directory). */
__attribute__((warn_unused_result)) int bodyfile_open(
    const char *directory, struct bodyfiles **files_out, struct err *err_out);
void bodyfile_close(struct bodyfiles *files);
/* Removes each file that has no message. Returns how many. */
unsigned bodyfile_sweep(
    struct bodyfiles *files, bool (*has_message)(void *ctx, uint64_t name), void *ctx);
/* worker_ops.run: the flushes of one batch share those of their directories. */
void bodyfile_run(struct list *batch, void *ctx);
/* The same for reads alone, on a thread of their own: a piece for relay doesn't wait for others'
 * flushes. */
void bodyfile_run_reads(struct list *batch, void *ctx);

#endif
