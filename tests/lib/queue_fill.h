/*
 * queue_fill - fills a queue with messages by the thousand, through the store itself
 *
 * Owns     nothing between calls; the store is open while it fills
 * Fails    -1 and *err_out
 *
 * Message n is the same each time for the same options: who, which priority and state. Users have
 * unequal shares; states and priorities are as in a queue that has seen better days.
 */
#ifndef POSTERN_TESTS_QUEUE_FILL_H
#define POSTERN_TESTS_QUEUE_FILL_H

#include "daemon/queue/store.h"

struct fill_user {
	uint64_t id;
	const char *login, *list;
};

struct fill_options {
	const struct fill_user *users;
	unsigned user_count;
	uint64_t count;
	uint32_t body_bytes;
	bool is_all_ready; /* otherwise some are deferred, held, scheduled, uncertain */
	int64_t due_at_ms; /* all are deferred until then; 0: as above */
	int64_t
	    now_ms; /* the newest is as old as this; the time of deferred ones is half an hour to an hour behind it */
};

/* The n-th message, with this id; the caller frees it. */
struct mail *fill_mail(const struct fill_options *options, uint64_t n, uint64_t id);
/* Puts them behind what is there; gives the id of the first. */
__attribute__((warn_unused_result)) int fill_queue(const char *path,
    const struct fill_options *options, uint64_t *first_id_out, struct err *err_out);

#endif
