/*
 * spares - body files whose messages are gone, kept to be written anew
 *
 * Role     queue
 * Owns     the names; the files are bodyfile's
 * Context  loop
 * Units    bytes, milliseconds of the monotonic clock
 *
 * To make a file, flush its directory and remove it costs more than to write one that is there:
 * inode, blocks and pages in memory are found, not made, and its name is on disk already. So files
 * are taken again, the newest first; one that nobody takes for some seconds goes.
 */
#ifndef POSTERN_QUEUE_SPARES_H
#define POSTERN_QUEUE_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPARES_MAX 64
#define SPARES_BYTES_MAX (128u << 20)
/* What was in them is to be gone soon, and so is a flood's share of the disk. */
#define SPARE_KEPT_MS 3000

struct spare {
	uint64_t name;
	uint64_t bytes;
	int64_t since_ms;
};

struct spares {
	struct spare files[SPARES_MAX]; /* the oldest first */
	size_t count;
	uint64_t bytes;
	uint64_t limit_bytes; /* 0, as at the start: none is kept */
};

/* At most SPARES_BYTES_MAX; what is beyond it is then due. */
void spares_limit(struct spares *spares, uint64_t bytes);
/* False: there is no room for it, it is to be removed. */
__attribute__((warn_unused_result)) bool spares_add(
    struct spares *spares, uint64_t name, uint64_t bytes, int64_t now_ms);
/* The newest one, which is no spare any more; 0: there is none. */
uint64_t spares_take(struct spares *spares);
/* One that is to be removed, and is no spare any more; 0: none is. With INT64_MAX all are. */
uint64_t spares_take_due(struct spares *spares, int64_t now_ms);

#endif
