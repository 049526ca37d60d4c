/*
 * fate_log - one line for each recipient whose fate is on disk
 */
#ifndef POSTERN_QUEUE_FATE_LOG_H
#define POSTERN_QUEUE_FATE_LOG_H

#include "daemon/queue/settlement.h"
#include "daemon/queue/window.h"

void fate_log(const struct settlement *settlement, const struct entry *entry, int64_t now_ms);

/* How long the message waited for this attempt. */
int64_t fate_queue_ms(
    const struct settlement *settlement, const struct entry *entry, int64_t now_ms);

#endif
