/*
 * fate_private - the fates' inside, for the files that make it up
 *
 * fate.c follows a report from relay to disk, fate_notice.c writes the notice of what became of
 * recipients, fate_record.c what the journal keeps of it. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_FATE_PRIVATE_H
#define POSTERN_QUEUE_FATE_PRIVATE_H

#include "daemon/queue/fate.h"
#include "daemon/queue/settlement.h"

struct fates {
	struct role_context *role;
	struct storage *storage;
	struct scheduler *scheduler;
	struct notices *notices;
	struct idmap settling; /* by message */
	bool has_room;         /* for transcripts */
};

/* Writes the settlement to disk. */
void fate_post(struct settlement *settlement);
/* Fills in what the journal is to have of it. */
void fate_write_record(struct settlement *settlement, const struct entry *entry);
/* The attempt did not happen, the profile had a problem: has the journal keep that. */
void fate_note_trouble(struct fates *fates, const struct entry *entry,
    const struct profile *profile, const struct msg_report *report);
/* Makes the notice of a settlement. False: that takes a moment, and does fate_post() in the end. */
bool fate_make_notice(struct settlement *settlement, const struct entry *entry);

#endif
