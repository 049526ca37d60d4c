/*
 * parent_state - what the files of the parent share: its state, and what its API may ask of it
 *
 * Role     parent
 */
#ifndef POSTERN_PARENT_PARENT_STATE_H
#define POSTERN_PARENT_PARENT_STATE_H

#include "common/buf.h"
#include "daemon/config/config.h"
#include "daemon/core/link.h"
#include "daemon/parent/bind.h"
#include "daemon/parent/dirs.h"
#include "daemon/parent/family.h"
#include "daemon/parent/files.h"
#include "daemon/parent/parent.h"

#define SIGNAL_COUNT 4

/* A config, and what was read because it says so. */
struct setup {
	struct config *config;
	char *text;
	struct files files;
};

struct parent {
	const struct parent_options *options;
	struct loop *loop;
	struct logpipe *logpipe;
	struct family *family;
	struct bind_set *sockets;
	struct event *signals[SIGNAL_COUNT];
	struct setup setup;
	uint32_t generation;
	int64_t started_at_ms;
	int lock_fds[DIRS_LOCKS];
	int control_fd, program_fd;
	int exit_status;
	struct timer *look, *rotation; /* upkeep.c */
	int64_t rotated_at_ms;         /* monotonic */
};

/* -1 and *err_out: nothing has changed. */
int parent_reload(struct parent *parent, struct err *err_out);
/* upkeep.c: once the family runs; after a reload. It warns of what should be known. */
void upkeep_begin(struct parent *parent);
void upkeep_reload(struct parent *parent);
void upkeep_end(struct parent *parent);
/* Begins the drain. */
void parent_stop(struct parent *parent);
/* Answers a CALL: GET /v1/status and /v1/tls/ca, POST /v1/reload, /v1/stop and /v1/backups/NAME. */
void parent_answer_call(
    struct parent *parent, struct link *link, const struct link_message *message);

#endif
