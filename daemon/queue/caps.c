/* caps - judges messages by what their users may still send. */
#include "daemon/queue/caps.h"

#include "common/xalloc.h"
#include "daemon/queue/caps_private.h"

#include <stdlib.h>

/* Nothing is counted that could go: a number for the smtpds until it changes. */
#define TOLD_MS (60 * USAGE_MINUTE_MS)

static int64_t
now_ms(const struct caps *caps)
{
	return loop_wall_ms(caps->role->loop);
}

/* ---- what holds ---- */

bool
caps_limits_of(const struct caps *caps, const struct user *user, struct usage_caps *limits_out)
{
	const struct config *config = caps->role->config;

	*limits_out = (struct usage_caps){0};
	if (user == NULL || user->is_orphan)
		return false;
	limits_out->messages =
	    user->has_messages ? user->limits.messages : config->limits.user_messages;
	limits_out->recipients =
	    user->has_recipients ? user->limits.recipients : config->limits.user_recipients;
	return !cap_is_none(&limits_out->messages) || !cap_is_none(&limits_out->recipients);
}

static bool
is_to_hold(const struct caps *caps, const struct user *user)
{
	enum over_limit action = user->over_limit;

	if (action == OVER_LIMIT_DEFAULT)
		action = caps->role->config->limits.over_limit;
	return action == OVER_LIMIT_HOLD;
}

static const struct user *
find_user(const struct caps *caps, uint64_t user_id)
{
	return idmap_get(&caps->routes->users, user_id);
}

struct capped *
caps_take_user(struct caps *caps, uint64_t user_id)
{
	struct capped *capped = idmap_get(&caps->users, user_id);

	if (capped != NULL)
		return capped;
	capped = xcalloc(1, sizeof(*capped));
	capped->caps = caps;
	capped->user_id = user_id;
	idmap_put(&caps->users, user_id, capped);
	return capped;
}

/* ---- what the smtpds know ---- */

/* How many recipients a message may have now. */
static struct msg_user_limit
limit_now(const struct capped *capped)
{
	const struct caps *caps = capped->caps;
	const struct user *user = find_user(caps, capped->user_id);
	struct msg_user_limit limit = {.user_id = capped->user_id, .recipients = UINT32_MAX};
	struct usage_caps limits;
	struct usage_count left;

	/* What is held is not refused. */
	if (!caps_limits_of(caps, user, &limits) || is_to_hold(caps, user))
		return limit;
	left = usage_left(&capped->usage, &limits);
	if (left.messages == 0 || left.recipients == 0) {
		limit.recipients = 0;
		limit.until_ms = usage_fits_at(&capped->usage, &limits, (struct usage_count){1, 1});
	} else if (!cap_is_none(&limits.recipients)) {
		limit.recipients = left.recipients;
		limit.until_ms = usage_next_change(&capped->usage, &limits);
		if (limit.until_ms == 0)
			limit.until_ms = now_ms(caps) + TOLD_MS;
	}
	return limit;
}

void
caps_tell(struct capped *capped)
{
	struct msg_user_limit limit = limit_now(capped);

	if (limit.recipients == capped->told.recipients && limit.until_ms == capped->told.until_ms)
		return;
	if (limit.until_ms == 0 && capped->told.until_ms == 0)
		return;
	capped->told = limit;
	for (unsigned i = 0; i < CAPS_SMTPDS_MAX; i++)
		if (capped->caps->smtpds[i] != NULL)
			link_send(capped->caps->smtpds[i], MSG_USER_LIMIT, &limit);
}

void
caps_add_link(struct caps *caps, struct link *smtpd)
{
	caps->smtpds[link_peer_index(smtpd) % CAPS_SMTPDS_MAX] = smtpd;
	IDMAP_EACH(&caps->users, slot)
	{
		struct capped *capped = slot->object;

		if (capped->told.until_ms > now_ms(caps))
			link_send(smtpd, MSG_USER_LIMIT, &capped->told);
	}
}

void
caps_drop_link(struct caps *caps, struct link *smtpd)
{
	struct link **at = &caps->smtpds[link_peer_index(smtpd) % CAPS_SMTPDS_MAX];

	if (*at == smtpd)
		*at = NULL;
}

/* ---- judging ---- */

static enum caps_verdict
judge_over(struct capped *capped, bool is_held)
{
	if (!is_held)
		return CAPS_REFUSE;
	/* On its way to disk, but nobody overtakes it. */
	capped->has_waiting = true;
	return CAPS_HOLD;
}

enum caps_verdict
caps_judge(struct caps *caps, const struct mail *mail, struct charge *charge_out)
{
	const struct user *user = find_user(caps, mail->user_id);
	struct usage_count wanted = {1, mail->recipient_count};
	struct usage_caps limits;
	struct capped *capped;
	bool is_held, is_over;

	*charge_out = (struct charge){0};
	if (!caps_limits_of(caps, user, &limits))
		return CAPS_PASS;
	capped = caps_take_user(caps, user->id);
	usage_move(&capped->usage, now_ms(caps));
	is_held = is_to_hold(caps, user);
	/* Nobody overtakes what waits. */
	is_over = !usage_fits(&capped->usage, &limits, wanted) || (is_held && capped->has_waiting);
	if (!is_over) {
		*charge_out = (struct charge){user->id, now_ms(caps), wanted};
		usage_add(&capped->usage, charge_out->at_ms, wanted);
	}
	caps_tell(capped);
	caps_look(capped, user, &limits, is_over);
	return is_over ? judge_over(capped, is_held) : CAPS_PASS;
}

void
caps_give_back(struct caps *caps, const struct charge *charge)
{
	struct capped *capped = idmap_get(&caps->users, charge->user_id);

	if (charge->user_id == 0 || capped == NULL)
		return;
	usage_take_back(&capped->usage, charge->at_ms, charge->count);
	caps_tell(capped);
}

void
caps_note_held(struct caps *caps, uint64_t user_id)
{
	struct capped *capped = caps_take_user(caps, user_id);

	capped->has_waiting = true;
	capped->held_count++;
}

/* ---- for operators ---- */

static uint32_t
left_of(uint32_t limit, uint32_t used)
{
	if (limit == 0)
		return UINT32_MAX;
	return used < limit ? limit - used : 0;
}

void
caps_show(struct caps *caps, const struct user *user, struct caps_view *view_out)
{
	struct capped *capped = idmap_get(&caps->users, user->id);
	const struct usage_caps *limits = &view_out->limits;
	struct usage_count left;

	*view_out = (struct caps_view){0};
	(void)caps_limits_of(caps, user, &view_out->limits);
	if (capped != NULL) {
		usage_move(&capped->usage, now_ms(caps));
		view_out->hour = capped->usage.hour;
		view_out->day = capped->usage.day;
		view_out->has_waiting = capped->has_waiting;
		left = usage_left(&capped->usage, limits);
		if (left.messages == 0 || left.recipients == 0)
			view_out->limited_until_ms =
			    usage_fits_at(&capped->usage, limits, (struct usage_count){1, 1});
	}
	view_out->hour_left.messages = left_of(limits->messages.per_hour, view_out->hour.messages);
	view_out->hour_left.recipients =
	    left_of(limits->recipients.per_hour, view_out->hour.recipients);
	view_out->day_left.messages = left_of(limits->messages.per_day, view_out->day.messages);
	view_out->day_left.recipients =
	    left_of(limits->recipients.per_day, view_out->day.recipients);
}

/* ---- changes, life ---- */

void
caps_tell_all(struct caps *caps)
{
	IDMAP_EACH(&caps->users, slot)
	{
		struct capped *capped = slot->object;

		usage_move(&capped->usage, now_ms(caps));
		caps_tell(capped);
	}
}

/* One user's limits are others, or (0) the whole map has come. */
static void
on_limits(uint64_t user_id, void *ctx)
{
	struct caps *caps = ctx;
	struct capped *capped = idmap_get(&caps->users, user_id);
	bool was_ready = caps_are_ready(caps);

	if (capped != NULL) {
		usage_move(&capped->usage, now_ms(caps));
		caps_tell(capped);
	}
	if (user_id != 0)
		return;
	caps->has_map = true;
	caps_tell_all(caps);
	if (!was_ready && caps_are_ready(caps))
		caps->callbacks.on_ready(caps->ctx);
}

void
caps_reload(struct caps *caps)
{
	caps_tell_all(caps);
}

bool
caps_are_ready(const struct caps *caps)
{
	return caps->is_loaded && caps->has_map;
}

struct caps *
caps_new(struct role_context *role, struct storage *storage, struct routes *routes,
    const struct caps_callbacks *callbacks, void *ctx)
{
	struct caps *caps = xcalloc(1, sizeof(*caps));

	caps->role = role;
	caps->storage = storage;
	caps->routes = routes;
	caps->callbacks = *callbacks;
	caps->ctx = ctx;
	idmap_init(&caps->users);
	routes->on_limits = on_limits;
	routes->limits_ctx = caps;
	caps->timer = timer_new(role->loop, caps_on_timer, caps);
	caps_load(caps);
	return caps;
}

void
caps_free(struct caps *caps)
{
	IDMAP_EACH(&caps->users, slot)
	free(slot->object);
	idmap_fini(&caps->users);
	timer_free(caps->timer);
	free(caps);
}
