/* family_drain - the roles finish what they have, those at the doors first. */
#include "common/log.h"
#include "daemon/parent/family_private.h"

#include <signal.h>

#define STAGE_COUNT 4

/* The order of the drain, and each stage's share of the time, in parts of 90. */
static const struct {
	enum role roles[2];
	unsigned share;
} stages[STAGE_COUNT] = {
    {{ROLE_SMTPD, ROLE_CONTROL}, 20},
    {{ROLE_RELAY, ROLE_RELAY}, 60},
    {{ROLE_QUEUE, ROLE_MIME}, 5},
    {{ROLE_ACCOUNTS, ROLE_ACCOUNTS}, 5},
};

static bool
is_in_stage(const struct member *member, unsigned stage)
{
	return member->seen.role == stages[stage].roles[0] ||
	       member->seen.role == stages[stage].roles[1];
}

static void
on_drain_overdue(void *ctx)
{
	struct member *member = ctx;

	if (member->seen.pid != 0)
		family_kill_overdue(member);
}

static void
ask_to_drain(struct member *member, int64_t within_ms)
{
	struct msg_drain drain = {.within_ms = (uint32_t)within_ms};

	if (member->is_asked_to_drain)
		return;
	member->is_asked_to_drain = true;
	timer_free(member->restart);
	member->restart = timer_new(member->family->loop, on_drain_overdue, member);
	timer_set(member->restart, within_ms + KILL_GRACE_MS);
	if (member->link != NULL)
		link_send(member->link, MSG_DRAIN, &drain);
}

static unsigned
alive_in_stage(struct family *family, unsigned stage)
{
	int64_t within_ms = family->drain_ms * stages[stage].share / 90;
	unsigned alive = 0;

	for (size_t i = 0; i < family->count; i++) {
		struct member *member = &family->members[i];

		if (member->seen.pid == 0 || !is_in_stage(member, stage))
			continue;
		ask_to_drain(member, within_ms);
		alive++;
	}
	return alive;
}

void
family_drain_stage(struct family *family)
{
	while (family->stage < STAGE_COUNT && alive_in_stage(family, family->stage) == 0)
		family->stage++;
	if (family->stage == STAGE_COUNT) {
		family->stage++;
		family->callbacks.on_drained(family->ctx);
	}
}

void
family_drain(struct family *family, int64_t within_ms)
{
	if (family->is_draining)
		return;
	family->is_draining = true;
	family->drain_ms = within_ms;
	family_drain_stage(family);
}
