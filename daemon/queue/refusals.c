/* refusals - a second's counts, and their way to the journal. */
#include "daemon/queue/refusals.h"

#include "common/xalloc.h"
#include "daemon/queue/journal.h"

#include <stdlib.h>

#define FLUSH_MS 1000
/* More users than may be refused in a second: an smtpd out of its mind. */
#define USERS_MAX 10000

struct count {
	char *login, *list;
	unsigned blocked, rejected;
};

struct refusals {
	struct role_context *role;
	struct storage *storage;
	const struct routes *routes;
	struct idmap counts; /* by user */
	struct timer *timer;
};

static void
free_count(struct count *count)
{
	free(count->login);
	free(count->list);
	free(count);
}

static void
write_down(struct refusals *refusals, uint64_t user_id, const struct count *count)
{
	const struct profile *profile = routes_of_user(refusals->routes, user_id);
	struct buf record = {0};

	journal_write(&record, &(struct journal_record){.kind = JOURNAL_REFUSED,
				   .at_ms = loop_wall_ms(refusals->role->loop),
				   .login = count->login,
				   .list = count->list,
				   .profile = profile == NULL ? "" : profile->name,
				   .blocked = count->blocked,
				   .rejected = count->rejected});
	storage_note(refusals->storage, &record);
}

void
refusals_flush(struct refusals *refusals)
{
	IDMAP_EACH(&refusals->counts, slot)
	{
		write_down(refusals, slot->id, slot->object);
		free_count(slot->object);
	}
	idmap_fini(&refusals->counts);
	idmap_init(&refusals->counts);
}

static void
on_timer(void *ctx)
{
	refusals_flush(ctx);
}

void
refusals_note(struct refusals *refusals, const struct msg_refused *refused)
{
	struct count *count = NULL;

	if (refused->user_id == 0)
		return;
	count = idmap_get(&refusals->counts, refused->user_id);
	if (count == NULL) {
		if (refusals->counts.count == USERS_MAX)
			return;
		count = xcalloc(1, sizeof(*count));
		count->login = xstrdup(refused->login);
		count->list = xstrdup(refused->list);
		idmap_put(&refusals->counts, refused->user_id, count);
	}
	count->blocked += refused->is_blocked;
	count->rejected += !refused->is_blocked;
	if (!timer_is_set(refusals->timer))
		timer_set(refusals->timer, FLUSH_MS);
}

struct refusals *
refusals_new(struct role_context *role, struct storage *storage, const struct routes *routes)
{
	struct refusals *refusals = xcalloc(1, sizeof(*refusals));

	refusals->role = role;
	refusals->storage = storage;
	refusals->routes = routes;
	idmap_init(&refusals->counts);
	refusals->timer = timer_new(role->loop, on_timer, refusals);
	return refusals;
}

void
refusals_free(struct refusals *refusals)
{
	IDMAP_EACH(&refusals->counts, slot)
	free_count(slot->object);
	idmap_fini(&refusals->counts);
	timer_free(refusals->timer);
	free(refusals);
}
