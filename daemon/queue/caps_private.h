/*
 * caps_private - a user with a limit, for the files that count it
 *
 * caps.c judges and keeps the smtpds informed, caps_alert.c tells operators, caps_disk.c loads and
 * sweeps what is on disk and lets go what waits. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_CAPS_PRIVATE_H
#define POSTERN_QUEUE_CAPS_PRIVATE_H

#include "daemon/queue/caps.h"
#include "daemon/queue/idmap.h"

#define CAPS_SMTPDS_MAX 64

struct capped {
	struct caps *caps;
	uint64_t user_id;
	struct usage usage;
	bool has_waiting;    /* messages on disk wait for it */
	unsigned held_count; /* grows with each that is held, once it is on disk */
	unsigned held_seen;  /* when the release below was posted */
	bool is_releasing;
	struct release_job release;
	struct msg_user_limit told;        /* what the smtpds know; until_ms 0: nothing */
	int64_t near_at_ms, reached_at_ms; /* of the last alerts */
};

struct caps {
	struct role_context *role;
	struct storage *storage;
	struct routes *routes;
	struct caps_callbacks callbacks;
	void *ctx;
	struct idmap users;
	struct link *smtpds[CAPS_SMTPDS_MAX];
	bool is_loaded, has_map;
	struct timer *timer;
	int64_t swept_at_ms; /* monotonic */
	bool is_sweeping;
	struct used_job sweep, load;
};

/* What holds for the user (NULL: it is gone, and has no limit); whether that is anything. */
bool caps_limits_of(
    const struct caps *caps, const struct user *user, struct usage_caps *limits_out);
struct capped *caps_take_user(struct caps *caps, uint64_t user_id);
/* Says to the smtpds what is left, if that is news. */
void caps_tell(struct capped *capped);
void caps_tell_all(struct caps *caps);

/* caps_alert.c: after each message. */
void caps_look(
    struct capped *capped, const struct user *user, const struct usage_caps *limits, bool is_over);

/* caps_disk.c */
void caps_load(struct caps *caps);
void caps_on_timer(void *ctx);

#endif
