/*
 * family_private - the family's inside, for the files that make it up
 *
 * family.c starts the roles, hears them and starts again what dies; family_tell.c tells a role what
 * it needs and ties it to the others; family_drain.c ends them, stage by stage. Nobody else includes
 * this.
 */
#ifndef POSTERN_PARENT_FAMILY_PRIVATE_H
#define POSTERN_PARENT_FAMILY_PRIVATE_H

#include "daemon/core/loop.h"
#include "daemon/parent/family.h"

#define MEMBERS_MAX 80
#define KILL_GRACE_MS 3000

struct member {
	struct family *family;
	struct family_member seen;
	struct link *link;
	struct timer *restart; /* when it has died; when it is to end: to kill it */
	int64_t delay_ms;
	int64_t started_at_ms; /* monotonic */
	bool is_asked_to_drain;
};

struct family {
	struct loop *loop;
	int program_fd, log_fd;
	struct family_callbacks callbacks;
	void *ctx;
	struct family_gift gift;
	struct member members[MEMBERS_MAX];
	size_t count;
	bool is_complete; /* all were ready once */
	bool is_draining;
	unsigned stage;
	int64_t drain_ms;
};

/* Its time is over, and it still lives. */
void family_kill_overdue(struct member *member);

/* family_tell.c: a file, if it may see it; config and files; that these were all; links to those it talks to. */
void family_send_file(struct member *member, enum file_kind kind);
void family_send_gift(struct member *member);
void family_send_ready(struct member *member);
void family_tie(struct member *member);

/* family_drain.c: goes on to the next stage when nobody of this one is left. */
void family_drain_stage(struct family *family);

#endif
