/*
 * fate - writes down what became of a message's recipients
 *
 * Role     queue; called for REPORT from relay, and for what relay lost by dying
 * Owns     a report until it is on disk; then relay hears REPORT_ACK
 * Context  loop
 * Units    milliseconds; *_at_ms are wall clock
 *
 * A report is kept by relay until it is acknowledged, and an attempt's number is stored with its
 * fate: a report that comes twice is applied once.
 */
#ifndef POSTERN_QUEUE_FATE_H
#define POSTERN_QUEUE_FATE_H

#include "daemon/queue/notices.h"
#include "daemon/queue/scheduler.h"

struct fates;

struct fates *fates_new(struct role_context *role, struct storage *storage,
    struct scheduler *scheduler, struct notices *notices);
/* After storage_close(). */
void fates_free(struct fates *fates);

/* Without room on the disk transcripts are not kept. */
void fates_set_room(struct fates *fates, bool has_room);

void fate_report(struct fates *fates, const struct msg_report *report);
/* Relay died between the message's last byte and its report. */
void fate_lost(struct fates *fates, struct entry *entry);
/* The message waited beyond its lifetime without an attempt: its recipients fail, unless it was put
 * off or held meanwhile. The entry is from scheduler_claim(). */
void fate_overdue(struct fates *fates, struct entry *entry);
/* Fates that are being written. */
size_t fates_under_way(const struct fates *fates);

#endif
