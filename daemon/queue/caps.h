/*
 * caps - how much each user may send in an hour and a day, and what becomes of the rest
 *
 * Role     queue; asked by intake before a message is stored
 * Owns     the usage of users that have a limit; what is on disk of it changes in the commits of
 *          the messages themselves
 * Context  loop; the callbacks run in a later turn than caps_new()
 * Units    messages, recipients; *_at_ms are wall clock
 *
 * A message takes its place when its COMMIT is judged, on this one loop, so that no two sessions
 * get the same one; the place is given back if the commit fails. A user without a limit costs
 * nothing here and nothing on disk.
 */
#ifndef POSTERN_QUEUE_CAPS_H
#define POSTERN_QUEUE_CAPS_H

#include "daemon/queue/routes.h"
#include "daemon/queue/usage.h"

struct caps;

struct caps_callbacks {
	/* The users' limits and what they have sent are known from now on. */
	void (*on_ready)(void *ctx);
	/* Messages that waited for their user's limit are ready on disk. */
	void (*on_released)(void *ctx);
};

/* Takes over routes->on_limits. */
struct caps *caps_new(struct role_context *role, struct storage *storage, struct routes *routes,
    const struct caps_callbacks *callbacks, void *ctx);
/* After storage_close(). */
void caps_free(struct caps *caps);

/* False: a judgement would have to guess; on_ready follows. */
bool caps_are_ready(const struct caps *caps);

enum caps_verdict { CAPS_PASS, CAPS_HOLD, CAPS_REFUSE };

/* Judges a message. PASS: it is counted as charge_out says (user 0: not at all); HOLD: it waits on
 * disk; REFUSE: the smtpds have been told until when. */
enum caps_verdict caps_judge(struct caps *caps, const struct mail *mail, struct charge *charge_out);
/* The message was not stored after all. */
void caps_give_back(struct caps *caps, const struct charge *charge);
/* One to HOLD is on disk: from now on a release finds it. */
void caps_note_held(struct caps *caps, uint64_t user_id);

void caps_add_link(struct caps *caps, struct link *smtpd);
void caps_drop_link(struct caps *caps, struct link *smtpd);
/* The config's limits may be others. */
void caps_reload(struct caps *caps);

/* For operators. */
struct caps_view {
	struct usage_caps limits;
	struct usage_count hour, day;
	struct usage_count hour_left, day_left; /* UINT32_MAX: no limit */
	int64_t limited_until_ms;               /* 0: it may send */
	bool has_waiting;                       /* messages that are held for it */
};
void caps_show(struct caps *caps, const struct user *user, struct caps_view *view_out);

#endif
