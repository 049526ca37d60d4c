/* tally - counters for each user, and a journal of the open transaction. */
#include "daemon/queue/tally.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

struct tally_change {
	struct tally_class of;
	int64_t by; /* 0: it was a name */
};

void
tally_init(struct tally *tally)
{
	*tally = (struct tally){0};
	idmap_init(&tally->users);
}

static void
drop_last_name(struct tally_user *user)
{
	struct tally_name *name = &user->names[--user->name_count];

	free(name->login);
	free(name->list);
}

void
tally_fini(struct tally *tally)
{
	IDMAP_EACH(&tally->users, slot)
	{
		struct tally_user *user = slot->object;

		while (user->name_count > 0)
			drop_last_name(user);
		free(user->names);
		free(user);
	}
	idmap_fini(&tally->users);
	free(tally->changes);
}

static struct tally_user *
take_user(struct tally *tally, uint64_t id)
{
	struct tally_user *user = idmap_get(&tally->users, id);

	if (user != NULL)
		return user;
	user = xcalloc(1, sizeof(*user));
	user->id = id;
	idmap_put(&tally->users, id, user);
	return user;
}

static void
note(struct tally *tally, const struct tally_class *of, int64_t by)
{
	if (tally->change_count == tally->change_capacity) {
		tally->change_capacity =
		    tally->change_capacity == 0 ? 64 : tally->change_capacity * 2;
		tally->changes =
		    xrealloc(tally->changes, tally->change_capacity, sizeof(*tally->changes));
	}
	tally->changes[tally->change_count++] = (struct tally_change){.of = *of, .by = by};
}

static void
count(struct tally *tally, const struct tally_class *of, int64_t by)
{
	struct tally_user *user = take_user(tally, of->user_id);
	unsigned at = of->has_time ? 0 : of->priority - 1u;
	uint32_t *number = &user->counts[of->state][of->has_time][at];

	*number = (uint32_t)(*number + by);
	user->total = (uint64_t)((int64_t)user->total + by);
}

void
tally_add(struct tally *tally, const struct tally_class *of, int64_t by)
{
	/* A damaged row, say: it is found by its id only. */
	if (of->user_id == 0 || of->state >= TALLY_STATES || of->priority < 1 ||
	    of->priority > TALLY_PRIORITIES)
		return;
	count(tally, of, by);
	note(tally, of, by);
}

bool
tally_has_name(const struct tally *tally, uint64_t user_id, const char *login, const char *list)
{
	const struct tally_user *user = idmap_get(&tally->users, user_id);

	/* From the newest on: that is the one, mostly. */
	for (uint32_t i = user == NULL ? 0 : user->name_count; i > 0; i--)
		if (strcmp(user->names[i - 1].login, login) == 0 &&
		    strcmp(user->names[i - 1].list, list) == 0)
			return true;
	return false;
}

void
tally_add_name(struct tally *tally, uint64_t user_id, const char *login, const char *list)
{
	struct tally_user *user;

	if (user_id == 0)
		return;
	user = take_user(tally, user_id);
	user->names = xrealloc(user->names, user->name_count + 1, sizeof(*user->names));
	user->names[user->name_count++] =
	    (struct tally_name){.login = xstrdup(login), .list = xstrdup(list)};
	note(tally, &(struct tally_class){.user_id = user_id}, 0);
}

void
tally_keep(struct tally *tally)
{
	tally->change_count = 0;
}

void
tally_undo(struct tally *tally)
{
	while (tally->change_count > 0) {
		const struct tally_change *change = &tally->changes[--tally->change_count];

		if (change->by == 0)
			drop_last_name(take_user(tally, change->of.user_id));
		else
			count(tally, &change->of, -change->by);
	}
}

uint64_t
tally_sum(const struct tally_user *user, uint8_t state, bool has_time)
{
	uint64_t sum = 0;

	for (int i = 0; i < TALLY_PRIORITIES; i++)
		sum += user->counts[state][has_time][i];
	return sum;
}
