/* origins - a table in buckets, and two rings by age: strangers, and homes of somebody. */
#include "daemon/accounts/origins.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BUCKETS 16384
#define LOOKED_AT 64 /* of the oldest, for one that isn't shut out */

struct origins {
	uint64_t seed;
	struct list buckets[BUCKETS];
	struct list strangers, homes; /* the oldest first */
	unsigned stranger_count, home_count;
};

static struct list *
bucket_of(const struct origins *origins, const struct netaddr *address)
{
	return (struct list *)(uintptr_t)&origins
	    ->buckets[netaddr_hash(address, origins->seed) % BUCKETS];
}

struct origin *
origins_find(const struct origins *origins, const struct netaddr *address)
{
	LIST_EACH (bucket_of(origins, address), at) {
		struct origin *origin = LIST_ENTRY(at, struct origin, bucket);

		if (memcmp(&origin->address, address, sizeof(*address)) == 0)
			return origin;
	}
	return NULL;
}

static unsigned *
count_of(struct origins *origins, const struct origin *origin)
{
	return origin->known_count > 0 ? &origins->home_count : &origins->stranger_count;
}

void
origins_forget(struct origins *origins, struct origin *origin)
{
	(*count_of(origins, origin))--;
	list_remove(&origin->bucket);
	list_remove(&origin->age);
	list_remove(&origin->dirty);
	for (unsigned i = 0; i < origin->known_count; i++)
		free(origin->known[i].login);
	free(origin->known);
	free(origin->marks);
	free(origin);
}

/* One that is shut out only if nearly all are. */
static void
forget_oldest(struct origins *origins, struct list *ring, int64_t now_ms)
{
	struct list *found = ring->next;

	for (unsigned i = 0; i < LOOKED_AT && found != ring; i++) {
		if (LIST_ENTRY(found, struct origin, age)->shut_until_ms <= now_ms)
			break;
		found = found->next;
	}
	if (found == ring)
		found = ring->next;
	origins_forget(origins, LIST_ENTRY(found, struct origin, age));
}

static struct origin *
add(struct origins *origins, const struct netaddr *address, int64_t now_ms)
{
	struct origin *origin = xcalloc(1, sizeof(*origin));

	if (origins->stranger_count >= ORIGINS_MAX)
		forget_oldest(origins, &origins->strangers, now_ms);
	origin->address = *address;
	origin->at_ms = now_ms;
	list_append(bucket_of(origins, address), &origin->bucket);
	list_init(&origin->dirty);
	list_append(&origins->strangers, &origin->age);
	origins->stranger_count++;
	return origin;
}

static void
renew(struct origins *origins, struct origin *origin)
{
	list_remove(&origin->age);
	list_append(origin->known_count > 0 ? &origins->homes : &origins->strangers, &origin->age);
}

struct origin *
origins_get(struct origins *origins, const struct netaddr *address, int64_t now_ms)
{
	struct origin *origin = origins_find(origins, address);

	if (origin == NULL)
		return add(origins, address, now_ms);
	renew(origins, origin);
	return origin;
}

unsigned
origins_count(const struct origins *origins)
{
	return origins->stranger_count + origins->home_count;
}

void
origins_each(
    struct origins *origins, void (*on_origin)(struct origin *origin, void *ctx), void *ctx)
{
	struct list *const rings[] = {&origins->strangers, &origins->homes};

	for (int i = 0; i < 2; i++)
		LIST_EACH_SAFE (rings[i], at, next)
			on_origin(LIST_ENTRY(at, struct origin, age), ctx);
}

/* ---- guesses ---- */

bool
origin_add_mark(struct origin *origin, uint32_t mark)
{
	for (unsigned i = 0; i < origin->mark_count; i++)
		if (origin->marks[i] == mark)
			return false;
	if (origin->mark_count < ORIGIN_MARKS_MAX) {
		origin->marks =
		    xrealloc(origin->marks, origin->mark_count + 1, sizeof(*origin->marks));
		origin->marks[origin->mark_count++] = mark;
	} else {
		origin->marks[origin->mark_at] = mark;
		origin->mark_at = (origin->mark_at + 1) % ORIGIN_MARKS_MAX;
	}
	return true;
}

bool
origin_add_tally(struct origin *origin, const struct tally *whose, unsigned kind)
{
	struct tally *tally = NULL;

	for (unsigned i = 0; i < ORIGIN_TALLIES; i++) {
		struct tally *at = &origin->tallies[i];

		if (at->smtpd == whose->smtpd && at->connection == whose->connection &&
		    at->login == whose->login && at->connection != 0)
			tally = at;
	}
	if (tally == NULL) {
		tally = &origin->tallies[origin->tally_at];
		origin->tally_at = (origin->tally_at + 1) % ORIGIN_TALLIES;
		*tally = *whose;
	}
	if (++tally->by_kind[kind] <= tally->counted)
		return false;
	tally->counted++;
	return true;
}

/* ---- who is at home ---- */

struct known *
origin_find_known(const struct origin *origin, const char *login)
{
	for (unsigned i = 0; i < origin->known_count; i++)
		if (strcasecmp(origin->known[i].login, login) == 0)
			return &origin->known[i];
	return NULL;
}

static struct known *
oldest_known(const struct origin *origin)
{
	struct known *oldest = &origin->known[0];

	for (unsigned i = 1; i < origin->known_count; i++)
		if (origin->known[i].at_ms < oldest->at_ms)
			oldest = &origin->known[i];
	return oldest;
}

struct known *
origins_add_known(struct origins *origins, struct origin *origin, const char *login, int64_t at_ms)
{
	struct known *known = origin_find_known(origin, login);

	if (known == NULL && origin->known_count == ORIGIN_KNOWN_MAX) {
		known = oldest_known(origin);
		free(known->login);
		*known = (struct known){.login = xstrdup(login)};
	} else if (known == NULL) {
		if (origin->known_count == 0 && origins->home_count >= ORIGINS_MAX)
			forget_oldest(origins, &origins->homes, at_ms);
		(*count_of(origins, origin))--;
		origin->known =
		    xrealloc(origin->known, origin->known_count + 1, sizeof(*origin->known));
		known = &origin->known[origin->known_count++];
		*known = (struct known){.login = xstrdup(login)};
		(*count_of(origins, origin))++;
		renew(origins, origin);
	}
	known->at_ms = at_ms;
	return known;
}

void
origins_drop_known(struct origins *origins, struct origin *origin, int64_t before_ms)
{
	unsigned kept = 0, before = origin->known_count;

	(*count_of(origins, origin))--;
	for (unsigned i = 0; i < before; i++) {
		if (origin->known[i].at_ms < before_ms)
			free(origin->known[i].login);
		else
			origin->known[kept++] = origin->known[i];
	}
	origin->known_count = kept;
	(*count_of(origins, origin))++;
	if (kept == 0 && before > 0)
		renew(origins, origin);
}

/* ---- life ---- */

struct origins *
origins_new(void)
{
	struct origins *origins = xcalloc(1, sizeof(*origins));

	ensure(RAND_bytes((uint8_t *)&origins->seed, sizeof(origins->seed)) == 1);
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&origins->buckets[i]);
	list_init(&origins->strangers);
	list_init(&origins->homes);
	return origins;
}

static void
forget(struct origin *origin, void *ctx)
{
	origins_forget(ctx, origin);
}

void
origins_free(struct origins *origins)
{
	if (origins == NULL)
		return;
	origins_each(origins, forget, origins);
	free(origins);
}
