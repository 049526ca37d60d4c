/*
 * statistics - what is counted of a user's mail in an hour, and how it is stored
 *
 * Context  any; no I/O
 * Units    messages, recipients, bytes, milliseconds
 *
 * Of messages:    accepted = sent + bounced + removed + what is in the queue
 * Of recipients:  recipients = delivered + failed + removed_recipients + what is in the queue
 */
#ifndef POSTERN_QUEUE_STATISTICS_H
#define POSTERN_QUEUE_STATISTICS_H

#include "common/buf.h"
#include "daemon/queue/latency.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As stored: a new one goes behind the last. */
enum statistic {
	STATISTIC_ACCEPTED, /* messages, our own notices among them */
	STATISTIC_NOTICES,
	STATISTIC_RECIPIENTS,
	STATISTIC_BYTES,   /* of accepted messages */
	STATISTIC_SENT,    /* messages: every recipient was delivered */
	STATISTIC_BOUNCED, /* messages: some recipient failed */
	STATISTIC_REMOVED, /* messages: by an operator */
	STATISTIC_DELIVERED,
	STATISTIC_FAILED, /* recipients, the expired among them */
	STATISTIC_EXPIRED,
	STATISTIC_REMOVED_RECIPIENTS,
	STATISTIC_DEFERRED, /* recipients of attempts after which they had to wait */
	STATISTIC_UNCERTAIN,
	STATISTIC_BYTES_SENT,
	STATISTIC_BLOCKED,    /* messages of a sender that was not authorized */
	STATISTIC_REJECTED,   /* messages and recipients that were refused for something else */
	STATISTIC_LATENCY_MS, /* the sum over the delivered, from when on they might go */
	STATISTIC_COUNT
};

struct statistics {
	uint64_t counts[STATISTIC_COUNT];
	uint64_t latency[LATENCY_BUCKETS];
};

/* Whose they are, and of which hour since 1970. */
struct statistics_key {
	int64_t hour;
	const char *list, *login, *profile;
};
typedef void (*statistics_fn)(
    const struct statistics_key *key, const struct statistics *statistics, void *ctx);

const char *statistic_name(enum statistic which);

void statistics_add(struct statistics *sum, const struct statistics *more);

/* Appends how many counters there are and the counters, zeroes at the end left out; likewise the
 * buckets. */
void statistics_write(struct buf *out, const struct statistics *statistics);
/* False: the bytes are none of ours. Counters that were not known when they were written are 0. */
__attribute__((warn_unused_result)) bool statistics_read(
    const void *bytes, size_t size, struct statistics *statistics_out);

#endif
