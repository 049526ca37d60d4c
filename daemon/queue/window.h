/*
 * window - the messages of one profile and priority that can go next, oldest first: a heap
 *
 * Owns     its array, never the entries
 * Context  loop
 */
#ifndef POSTERN_QUEUE_WINDOW_H
#define POSTERN_QUEUE_WINDOW_H

#include "common/chunk.h"
#include "daemon/queue/mail.h"

#include <stddef.h>

struct profile;

enum entry_state {
	ENTRY_READY,   /* in its profile's window */
	ENTRY_LOADING, /* chosen; its details come from disk */
	ENTRY_SENDING, /* given to relay */
	ENTRY_SETTLING /* its fate is being written */
};

/* A message that the scheduler has in mind. */
struct entry {
	uint64_t id, user_id;
	uint64_t attempt; /* 0: none yet */
	int64_t received_at_ms;
	int64_t began_at_ms;     /* of the attempt; 0: before this start of the queue */
	struct profile *profile; /* NULL: sent since before this start of the queue */
	size_t window_at;        /* place in the window, while ready */
	size_t footprint;        /* bytes of memory counted for it */
	struct mail *mail;       /* NULL: on disk only */
	struct slice *slices;    /* of the whole body; NULL: on disk only */
	uint32_t slice_count;
	uint8_t priority;
	uint8_t state;        /* enum entry_state */
	bool was_handed_over; /* relay has the whole body */
	bool is_listed;       /* by relay, on its new link */
	bool is_removed;      /* by an operator, while it was being sent */
	bool is_to_hold;      /* the same */
	bool has_broken_body;
};

struct window {
	struct entry **entries;
	size_t count, capacity;
};

void window_fini(struct window *window);
void window_push(struct window *window, struct entry *entry);
/* The oldest, taken out, or NULL. */
struct entry *window_pop(struct window *window);
void window_remove(struct window *window, struct entry *entry);

#endif
