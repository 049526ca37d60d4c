/*
 * family - the processes of all roles: started, linked, watched, restarted, drained
 *
 * Role     parent
 * Owns     the processes and the parent's ends of their links; borrows what family_give() is given
 *          until it is given something else
 * Context  loop
 * Units    milliseconds
 *
 * A role that dies is started again, after a delay that doubles while it keeps dying and starts
 * anew once it has lived for a minute. Its peers get new links to it.
 */
#ifndef POSTERN_PARENT_FAMILY_H
#define POSTERN_PARENT_FAMILY_H

#include "common/buf.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"
#include "daemon/parent/files.h"

#include <sys/types.h>

struct family;
struct loop;

/* What every role is told; files that a role may not see are not sent to it. */
struct family_gift {
	uint32_t generation;
	bool is_verbose;
	const char *config_text;
	const struct files *files;
};

struct family_callbacks {
	/* Every role has started for the first time. */
	void (*on_all_ready)(void *ctx);
	/* A role could not start, before all were ready. */
	void (*on_start_failed)(enum role role, const char *problem, void *ctx);
	/* A role that listens is ready, or was started again: send it its sockets. */
	void (*give_sockets)(enum role role, struct link *link, void *ctx);
	/* A call of the API. */
	void (*on_call)(struct link *link, const struct link_message *message, void *ctx);
	/* The drain is over: no process is left. */
	void (*on_drained)(void *ctx);
};

struct family *family_new(struct loop *loop, int program_fd, int log_fd, unsigned smtpd_count,
    const struct family_callbacks *callbacks, void *ctx);
void family_free(struct family *family);

/* For what is started from now on; with family_start() or family_tell_all() it takes effect. */
void family_give(struct family *family, const struct family_gift *gift);
/* -1 and *err_out: a process could not be made. */
__attribute__((warn_unused_result)) int family_start(struct family *family, struct err *err_out);
/* A reload: config, files and sockets again, to all. */
void family_tell_all(struct family *family);
/* What there is of one file now, to who may see it. */
void family_tell_file(struct family *family, enum file_kind kind);
/* SIGCHLD came. */
void family_reap(struct family *family);

/* smtpd and control, then relay, then queue and mime, then accounts finish what they have; in all it takes
 * at most `within_ms` and a few seconds, then what is left is killed. */
void family_drain(struct family *family, int64_t within_ms);
/* Kills every process at once; for a start that failed. */
void family_kill(struct family *family);

struct family_member {
	enum role role;
	unsigned index;
	pid_t pid;        /* 0: waits to be started again */
	int64_t since_ms; /* wall clock */
	unsigned restarts;
	bool is_ready;
};
/* Calls `each` for every process there should be. */
void family_each(const struct family *family,
    void (*each)(const struct family_member *member, void *ctx), void *ctx);

#endif
