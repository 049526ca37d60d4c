/*
 * fake_storage - a clock that the test moves, its timers, and a store in memory behind storage.h
 *
 * Owns     the messages that are "on disk", until fake_fini()
 *
 * It stands in for daemon/core/loop and daemon/queue/storage: whoever links it drives what is above
 * them without a disk and without waiting. Jobs are done in batches as by the storage thread: those
 * that gathered while one was under way are the next one, its writes come before its reads, and
 * what they found is told when the batch is over, some time later.
 */
#ifndef POSTERN_TESTS_FAKE_STORAGE_H
#define POSTERN_TESTS_FAKE_STORAGE_H

#include "daemon/core/loop.h"
#include "daemon/queue/storage.h"

#ifndef FAKE_MESSAGES_MAX
#define FAKE_MESSAGES_MAX 1024
#endif
#define FAKE_FIRST_ID 1000

struct fake_message {
	uint64_t id, user_id;
	int64_t received_at_ms;
	int64_t next_at_ms; /* 0: ready */
	uint64_t size;
	uint32_t recipient_count;
	uint8_t priority;
	bool is_there, is_held;
};

/* A write of the test's own: `run` is called in its place among the others. */
struct fake_write {
	struct job job;
	void (*run)(struct fake_write *write);
};

void fake_init(uint32_t (*chance)(uint32_t below), int64_t wall_ms, int64_t latency_most_ms);
void fake_fini(void);

struct loop *fake_loop(void);
struct storage *fake_storage(void);
/* Lets time pass: timers fire and batches end, in order. */
void fake_pass(int64_t ms);
void fake_set_wall(int64_t ms_more);
/* Whether no job is under way. */
bool fake_is_quiet(void);
/* As storage_close(): all that was posted ends; what is posted meanwhile fails. */
void fake_close(void);
void fake_reopen(void);

void fake_post(struct fake_write *write);
/* The row of a profile that was written last; zeroes: none was. */
const struct profile_row *fake_profile(void);
/* By its id: FAKE_FIRST_ID and up. */
struct fake_message *fake_message(uint64_t id);
/* Who runs the batches in place of the store in memory, a real store say; gives how long that takes. */
void fake_run_batches(int64_t (*run_batch)(struct list *batch));
/* Called with each message that a wake made ready, before the scheduler hears of it. */
void fake_on_woken(void (*on_woken)(uint64_t id));

#endif
