/*
 * aging - looks at what has been waiting for long: tells senders of a delay, and decides on what waits
 * beyond its lifetime for a profile that takes nothing
 *
 * Role     queue
 * Owns     the look at the disk that is under way, and the warnings that are being written
 * Context  loop
 * Units    milliseconds; *_at_ms are wall clock
 *
 * A message that is tried is a fate's business, also when its lifetime ends. But one whose profile is
 * limited, stopped, paused or gone is not tried, and is not in memory: an index on disk finds those
 * that began before a time and of which nothing was said yet, some at a time. The times follow from
 * the config at each look, so that a changed one holds for what is queued.
 */
#ifndef POSTERN_QUEUE_AGING_H
#define POSTERN_QUEUE_AGING_H

#include "daemon/queue/fate.h"

struct aging;

struct aging *aging_new(struct role_context *role, struct storage *storage,
    struct scheduler *scheduler, struct fates *fates, struct notices *notices);
/* After storage_close(). */
void aging_free(struct aging *aging);
/* The config is new: look again soon. */
void aging_reload(struct aging *aging);

#endif
