/*
 * role - how any role begins, hears of changes, and ends
 *
 * A role is started with one socket, its link to the parent. Over it come the config, the files
 * it may see, its sockets and its links to other roles; then READY. The role then gives up its
 * rights (user, chroot, dumpable), calls start() and answers READY. Later a new config, new
 * files, sockets and links may come at any time.
 *
 * Context  loop
 */
#ifndef POSTERN_CORE_ROLE_H
#define POSTERN_CORE_ROLE_H

#include "common/err.h"
#include "daemon/config/config.h"
#include "daemon/core/link.h"
#include "daemon/core/loop.h"
#include "daemon/core/values.h"

struct role_context {
	enum role role;
	unsigned index; /* of several smtpds */
	struct loop *loop;
	const struct config
	    *config; /* the one in force; an older one stays until config_release() */
	bool is_draining;
	void *state; /* the role's own */
};

struct role_ops {
	/* Before the rights are given up: loads what a library would want to open later. May be
	 * NULL. */
	int (*prepare)(struct role_context *role, struct err *err_out);
	/* Opens what the role owns. -1 ends the role; the parent logs err_out and tries again. */
	int (*start)(struct role_context *role, struct err *err_out);
	/* role->config or the files are new. */
	void (*reload)(struct role_context *role);
	/* A file came, at any time, also ahead of a reload. May be NULL. */
	void (*on_file)(struct role_context *role, enum file_kind kind);
	/* A link is there. One that was replaced has been lost before. */
	void (*on_link)(struct role_context *role, struct link *link);
	/* The link is gone; role_link() does not find it any more. */
	void (*on_link_lost)(struct role_context *role, struct link *link);
	void (*on_message)(
	    struct role_context *role, struct link *link, const struct link_message *message);
	/* Takes the socket. Called for each socket of a set; role_listen_done() ends the set. */
	void (*on_listen)(struct role_context *role, unsigned listener, int fd);
	void (*on_listen_done)(struct role_context *role);
	/* Finish within so many ms, then call role_drained(). */
	void (*drain)(struct role_context *role, int64_t within_ms);
	/* The parent link has closed after the drain: close what is open, free everything. */
	void (*stop)(struct role_context *role);
};

/* Runs the role over the parent's socket until it ends; returns the exit status. */
int role_run(enum role role, unsigned index, int parent_fd, const struct role_ops *ops);

/* The link to a role, or NULL while there is none. */
struct link *role_link(const struct role_context *role, enum role peer, unsigned index);
/* A file that the parent sent, or size 0. Borrowed until the next reload. */
struct msg_bytes role_file(const struct role_context *role, enum file_kind kind);
/* Of several of a kind. */
struct msg_bytes role_file_at(const struct role_context *role, enum file_kind kind, unsigned index);
unsigned role_file_count(const struct role_context *role, enum file_kind kind);
/* Wipes what there is of it: a reload brings it again. */
void role_forget_file(struct role_context *role, enum file_kind kind);
void role_drained(struct role_context *role);
/* Sends ALERT to accounts if it is there, and logs it here if it isn't. NULL fields are "". */
void role_alert(struct role_context *role, const char *kind, const char *user, const char *list,
    const char *address, const char *detail);

#endif
