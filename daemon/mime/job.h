/*
 * job - one message on its way through the role: taken in, reworked, given back
 *
 * Role     mime
 * Owns     the message
 * Context  loop
 * Units    bytes
 *
 * Both ways go by credit (STREAM_CREDIT). A message stands in memory until relay has taken the last
 * of it; relay sees to it that these aren't too many.
 */
#ifndef POSTERN_MIME_JOB_H
#define POSTERN_MIME_JOB_H

#include "common/list.h"
#include "daemon/core/link.h"

struct job;

/* Into `jobs`. NULL: it is larger than `limit_bytes`. */
struct job *job_new(
    struct list *jobs, struct link *link, const struct link_message *message, uint64_t limit_bytes);
void job_free(struct job *job);
void jobs_free_all(struct list *jobs);
struct job *job_find(struct list *jobs, uint64_t stream);

/* A piece came. With the last one the message is reworked, and the answer given. False: it is more
 * than was announced, or less. */
__attribute__((warn_unused_result)) bool job_take(struct job *job, const struct msg_body *body);
/* Relay takes so much more. Frees the job when all has gone. */
void job_give_credit(struct job *job, uint32_t bytes);

#endif
