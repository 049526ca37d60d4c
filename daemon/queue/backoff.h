/*
 * backoff - how long to wait: pure arithmetic, and the chance that it is given
 *
 * Units    milliseconds
 */
#ifndef POSTERN_QUEUE_BACKOFF_H
#define POSTERN_QUEUE_BACKOFF_H

#include "daemon/core/values.h"
#include "daemon/queue/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long a message waits after its n-th attempt: by the schedule, whose last step repeats, 10 %
 * more or less by chance, so that what failed together doesn't come back together. */
int64_t backoff_message_ms(
    const int64_t *schedule_ms, size_t count, uint32_t attempts, uint32_t chance);
/* How long a profile waits after its n-th trouble of this class in a row: as the rule says, or the
 * class, doubling, and a fifth more at the most. What the upstream named is waited for, and no more. */
int64_t backoff_profile_ms(
    enum reply_class class, struct reply_wait wait, uint32_t failures, uint32_t chance);
/* How long a recipient's rule wants it to wait after its n-th attempt; 0: by the schedule. */
int64_t backoff_recipient_ms(struct reply_wait wait, uint32_t attempts);
/* The longest that the first may be. */
int64_t backoff_longest_ms(const int64_t *schedule_ms, size_t count);
/* Whether a profile's time has passed, which was set at `set_at_ms`. If that is yet to come the clock
 * was set back, and nothing is known. */
bool backoff_is_over(int64_t until_ms, int64_t set_at_ms, int64_t now_ms);
/* A number by chance, for the first two. */
uint32_t backoff_chance(void);
/* The trouble as it is shown, `is_over`: its time has passed. While something waits it is being
 * tried just now; if nothing does, nothing stands in the way of the next message. */
enum profile_trouble backoff_shown(enum profile_trouble trouble, bool is_over, uint64_t waiting);

#endif
