/*
 * idmap - finds an object by its 64-bit id
 *
 * Owns     its table, never the objects
 * Context  any one thread
 * Fails    never; id 0 is not allowed
 */
#ifndef POSTERN_QUEUE_IDMAP_H
#define POSTERN_QUEUE_IDMAP_H

#include <stddef.h>
#include <stdint.h>

struct idmap_slot {
	uint64_t id; /* 0: free */
	void *object;
};

struct idmap {
	struct idmap_slot *slots;
	size_t capacity; /* 0 or a power of two */
	size_t count;
};

void idmap_init(struct idmap *map);
void idmap_fini(struct idmap *map);
/* The object, or NULL. */
void *idmap_get(const struct idmap *map, uint64_t id);
/* Replaces what is there. */
void idmap_put(struct idmap *map, uint64_t id, void *object);
/* Takes the object out; NULL when there is none. */
void *idmap_remove(struct idmap *map, uint64_t id);

/* All objects, in no order; removing while walking is not allowed. */
#define IDMAP_EACH(map, slot)                                                                      \
	for (struct idmap_slot *slot = (map)->slots;                                               \
	     slot != NULL && slot < (map)->slots + (map)->capacity; slot++)                        \
		if (slot->id != 0)

#endif
