/* idmap - open addressing with linear probing; removal closes the gap, so there are no tombstones. */
#include "daemon/queue/idmap.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <stdlib.h>

void
idmap_init(struct idmap *map)
{
	*map = (struct idmap){0};
}

void
idmap_fini(struct idmap *map)
{
	free(map->slots);
	idmap_init(map);
}

/* Ids come in rows, so their low bits spread well by themselves; the factor mixes strides. */
static size_t
home(const struct idmap *map, uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (map->capacity - 1);
}

static struct idmap_slot *
find(const struct idmap *map, uint64_t id)
{
	size_t at = home(map, id);

	while (map->slots[at].id != 0 && map->slots[at].id != id)
		at = (at + 1) & (map->capacity - 1);
	return &map->slots[at];
}

static void
grow(struct idmap *map)
{
	struct idmap old = *map;

	map->capacity = old.capacity == 0 ? 64 : old.capacity * 2;
	map->slots = xcalloc(map->capacity, sizeof(*map->slots));
	IDMAP_EACH(&old, slot)
	*find(map, slot->id) = *slot;
	free(old.slots);
}

void *
idmap_get(const struct idmap *map, uint64_t id)
{
	struct idmap_slot *slot;

	if (map->count == 0 || id == 0)
		return NULL;
	slot = find(map, id);
	return slot->id == id ? slot->object : NULL;
}

void
idmap_put(struct idmap *map, uint64_t id, void *object)
{
	struct idmap_slot *slot;

	ensure(id != 0);
	if (map->count * 2 >= map->capacity)
		grow(map);
	slot = find(map, id);
	if (slot->id == 0)
		map->count++;
	*slot = (struct idmap_slot){.id = id, .object = object};
}

/* Moves what was pushed behind the gap back to where it is looked for. */
static void
close_gap(struct idmap *map, size_t gap)
{
	size_t mask = map->capacity - 1;

	for (size_t at = (gap + 1) & mask; map->slots[at].id != 0; at = (at + 1) & mask) {
		size_t wanted = home(map, map->slots[at].id);

		if (((at - wanted) & mask) < ((at - gap) & mask))
			continue;
		map->slots[gap] = map->slots[at];
		gap = at;
	}
	map->slots[gap] = (struct idmap_slot){0};
}

void *
idmap_remove(struct idmap *map, uint64_t id)
{
	struct idmap_slot *slot;
	void *object;

	if (map->count == 0 || id == 0)
		return NULL;
	slot = find(map, id);
	if (slot->id != id)
		return NULL;
	object = slot->object;
	map->count--;
	close_gap(map, (size_t)(slot - map->slots));
	return object;
}
