/*
 * window - the oldest ready messages of one flow, oldest first
 *
 * Owns     nothing: the links are in the entries
 * Context  loop
 * Units    milliseconds, wall clock; bytes
 */
#ifndef POSTERN_QUEUE_WINDOW_H
#define POSTERN_QUEUE_WINDOW_H

#include "common/chunk.h"
#include "common/list.h"
#include "daemon/queue/budget.h"
#include "daemon/queue/mail.h"

#include <stddef.h>

struct flow;
struct profile;

enum entry_state {
	ENTRY_READY,   /* in its flow's window */
	ENTRY_LOADING, /* chosen; its details come from disk */
	ENTRY_SENDING, /* given to relay */
	ENTRY_SETTLING /* its fate is being written */
};

/* A message that the scheduler has in mind. */
struct entry {
	uint64_t id, user_id;
	uint64_t attempt; /* 0: none yet */
	int64_t received_at_ms;
	struct budget_time charged; /* to its profile's budget; steady */
	int64_t began_at_ms;        /* of the attempt; 0: before this start of the queue */
	struct profile *profile;    /* once it was chosen; NULL: sent since before this start */
	struct flow *flow;          /* while ready; NULL: it waits for its own profile */
	struct list link;           /* in the flow's window, or among what is being sent */
	uint64_t size;
	uint32_t recipient_count; /* those that are not done */
	uint32_t given_count;     /* the first of those that are due: the attempt's; 0: not known */
	size_t footprint;         /* bytes of memory counted for it */
	struct mail *mail;        /* NULL: on disk only */
	struct slice *slices;     /* of the whole body; NULL: on disk only */
	uint32_t slice_count;
	uint8_t priority;
	uint8_t state;        /* enum entry_state */
	bool was_handed_over; /* relay has the whole body */
	bool is_listed;       /* by relay, on its new link */
	bool is_removed;      /* by an operator, while it was being sent */
	bool is_to_hold;      /* the same */
	bool has_broken_body;
	bool is_followed; /* at relay: its profile had more that may go */
};

struct window {
	struct list entries;
	uint32_t count;
};

void window_init(struct window *window);
/* By its age: most are the youngest. */
void window_insert(struct window *window, struct entry *entry);
void window_remove(struct window *window, struct entry *entry);
/* NULL: it is empty. */
struct entry *window_oldest(const struct window *window);
struct entry *window_youngest(const struct window *window);

#endif
