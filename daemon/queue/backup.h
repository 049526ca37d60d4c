/*
 * backup - copies the queue while it runs: to keep the copy, or to look whether it is whole
 *
 * Role     queue
 * Owns     one run at a time
 * Context  loop
 * Fails    through on_end: the verdict, and what was wrong in words
 *
 * The database is copied on the storage thread, a part between commits (store.h); the rest happens
 * on a thread of its own (copy.h); the history's thread copies history.db likewise. A backup holds every message, so that a restored one sends
 * nothing by itself.
 */
#ifndef POSTERN_QUEUE_BACKUP_H
#define POSTERN_QUEUE_BACKUP_H

#include "daemon/core/role.h"
#include "daemon/queue/history.h"
#include "daemon/queue/storage.h"

struct backups;

struct backups *backups_new(
    struct role_context *role, struct storage *storage, struct history *history);
/* What runs ends as failed, and nothing is begun. Before storage_close(). */
void backups_stop(struct backups *backups);
/* After storage_close() and history_free(). */
void backups_free(struct backups *backups);

/* Begins, and calls on_end later; it borrows the job. `name` "": only a look. False: one is under
 * way. */
typedef void backup_end_fn(const struct copy_job *copy, void *ctx);
__attribute__((warn_unused_result)) bool backup_start(
    struct backups *backups, const char *name, backup_end_fn *on_end, void *ctx);

#endif
