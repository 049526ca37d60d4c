/*
 * logpipe - where every role's lines come together and leave
 *
 * Role     parent
 * Owns     the pipe and the connection to stderr, syslog or the journal
 * Context  loop
 * Fails    never towards the roles: what cannot be written is dropped and counted
 *
 * The parent's own lines go through the pipe too, so that all leave in order.
 */
#ifndef POSTERN_PARENT_LOGPIPE_H
#define POSTERN_PARENT_LOGPIPE_H

#include "common/err.h"
#include "daemon/config/config.h"

struct logpipe;
struct loop;

/* Opens the pipe and points common/log at it. */
struct logpipe *logpipe_new(struct loop *loop, struct err *err_out);
/* Writes what is left, points common/log back at stderr. */
void logpipe_free(struct logpipe *pipe);

/* The end that roles inherit as stdout and stderr. */
int logpipe_fd(const struct logpipe *pipe);
void logpipe_set_target(struct logpipe *pipe, enum log_target target);

#endif
