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

/* A record on its way to disk. */
struct note {
	struct journal_add_job job;
	struct buf record;
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
on_noted(struct job *job)
{
	struct note *note = (struct note *)(void *)job;

	buf_fini(&note->record);
	free(note);
}

static void
write_down(struct refusals *refusals, uint64_t user_id, const struct count *count)
{
	const struct profile *profile = routes_of_user(refusals->routes, user_id);
	struct note *note = xcalloc(1, sizeof(*note));

	journal_write(&note->record, &(struct journal_record){.kind = JOURNAL_REFUSED,
					 .at_ms = loop_wall_ms(refusals->role->loop),
					 .login = count->login,
					 .list = count->list,
					 .profile = profile == NULL ? "" : profile->name,
					 .blocked = count->blocked,
					 .rejected = count->rejected});
	note->job = (struct journal_add_job){
	    .job = {.on_done = on_noted, .urgency = JOB_WRITES_LAZILY}, .record = &note->record};
	storage_post(refusals->storage, STORE_JOURNAL_ADD, &note->job.job);
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
