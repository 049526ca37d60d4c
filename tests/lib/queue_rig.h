/*
 * queue_rig - a loop, a state directory and messages for the tests of daemon/queue
 *
 * Owns     its directory, removed at the end
 */
#ifndef POSTERN_TESTS_QUEUE_RIG_H
#define POSTERN_TESTS_QUEUE_RIG_H

#include "daemon/core/loop.h"
#include "daemon/queue/storage.h"
#include "tests/lib/scratch.h"

#include <stdbool.h>

struct queue_rig {
	struct loop *loop;
	struct storage *storage;
	char directory[SCRATCH_SIZE];
	bool is_broken;
	char reason[256];
};

void rig_init(struct queue_rig *rig);
void rig_fini(struct queue_rig *rig);
/* False, and the reason in rig->reason, when it can't be opened. */
bool rig_open(struct queue_rig *rig);
void rig_close(struct queue_rig *rig);

/* Posts the job and turns the loop until it is done. */
enum job_outcome rig_do(
    struct queue_rig *rig, enum store_job_kind kind, enum urgency urgency, void *job);
enum job_outcome rig_do_file(
    struct queue_rig *rig, enum bodyfile_job_kind kind, struct bodyfile_job *job);
/* Turns the loop until *is_done, at most so long; whether it came. */
bool rig_wait(struct queue_rig *rig, const bool *is_done, int64_t limit_ms);

/* A message of `count` recipients r0@example.net …; the caller frees it. */
struct mail *rig_mail(uint64_t id, unsigned count);
enum job_outcome rig_insert(struct queue_rig *rig, struct mail *mail, const char *body);

#endif
