/* tally - counters for each user, and a journal of the open transaction. */
#include "daemon/queue/tally.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

struct tally_change {
	struct tally_place place;
	int by; /* 0: it was a name */
};

void
tally_init(struct tally *tally)
{
	/* Before everything. */
	*tally = (struct tally){.reached = {.state = INT64_MIN}, .is_counting = true};
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
tally_drop_names(struct tally_user *user)
{
	while (user->name_count > 0)
		drop_last_name(user);
	free(user->names);
	user->names = NULL;
}

void
tally_fini(struct tally *tally)
{
	IDMAP_EACH(&tally->users, slot)
	{
		struct tally_user *user = slot->object;

		tally_drop_names(user);
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
note(struct tally *tally, const struct tally_place *place, int by)
{
	if (tally->change_count == tally->change_capacity) {
		tally->change_capacity =
		    tally->change_capacity == 0 ? 64 : tally->change_capacity * 2;
		tally->changes =
		    xrealloc(tally->changes, tally->change_capacity, sizeof(*tally->changes));
	}
	tally->changes[tally->change_count++] = (struct tally_change){.place = *place, .by = by};
}

static void
count(struct tally *tally, const struct tally_place *place, int by)
{
	struct tally_user *user;
	bool has_time = place->next_at_ms > 0;
	uint32_t *number;

	/* A damaged row, say: it is found by its id only. */
	if (place->user_id == 0 || place->state < 0 || place->state >= TALLY_STATES ||
	    place->priority < 1 || place->priority > TALLY_PRIORITIES)
		return;
	user = take_user(tally, (uint64_t)place->user_id);
	number = &user->counts[place->state][has_time][has_time ? 0 : place->priority - 1];
	*number = (uint32_t)((int64_t)*number + by);
	user->total = (uint64_t)((int64_t)user->total + by);
}

static bool
is_behind(const struct tally_place *a, const struct tally_place *b)
{
	if (a->state != b->state)
		return a->state > b->state;
	if (a->next_at_ms != b->next_at_ms)
		return a->next_at_ms > b->next_at_ms;
	if (a->user_id != b->user_id)
		return a->user_id > b->user_id;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return a->id > b->id;
}

static void
change(struct tally *tally, const struct tally_place *place, int by)
{
	if (tally->is_counting && is_behind(place, &tally->reached))
		return;
	count(tally, place, by);
	note(tally, place, by);
}

void
tally_enter(struct tally *tally, const struct tally_place *place)
{
	change(tally, place, 1);
}

void
tally_leave(struct tally *tally, const struct tally_place *place)
{
	change(tally, place, -1);
}

bool
tally_meet(struct tally *tally, const struct tally_place *place)
{
	if (!is_behind(place, &tally->reached))
		return false;
	tally->reached = *place;
	count(tally, place, 1);
	return true;
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
	note(tally, &(struct tally_place){.user_id = (int64_t)user_id}, 0);
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
		const struct tally_change *last = &tally->changes[--tally->change_count];

		if (last->by == 0)
			drop_last_name(take_user(tally, (uint64_t)last->place.user_id));
		else
			count(tally, &last->place, -last->by);
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
