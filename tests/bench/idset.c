/* idset - an open hash table of strings. */
#include "tests/bench/idset.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 4096

static uint64_t
hash(const char *id, size_t size)
{
	uint64_t value = 14695981039346656037u; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		value = (value ^ (uint8_t)id[i]) * 1099511628211u;
	return value;
}

static char **
find(char **slots, size_t capacity, const char *id, size_t size)
{
	size_t at = hash(id, size) & (capacity - 1);

	while (slots[at] != NULL && (strncmp(slots[at], id, size) != 0 || slots[at][size] != '\0'))
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static void
grow(struct idset *set)
{
	size_t capacity = set->capacity > 0 ? set->capacity * 2 : FIRST_CAPACITY;
	char **slots = xcalloc(capacity, sizeof(char *));

	for (size_t i = 0; i < set->capacity; i++)
		if (set->slots[i] != NULL)
			*find(slots, capacity, set->slots[i], strlen(set->slots[i])) =
			    set->slots[i];
	free(set->slots);
	set->slots = slots;
	set->capacity = capacity;
}

void
idset_add(struct idset *set, const char *id, size_t size)
{
	char **slot;

	if (set->unique * 2 >= set->capacity)
		grow(set);
	slot = find(set->slots, set->capacity, id, size);
	if (*slot != NULL) {
		set->duplicates++;
		return;
	}
	*slot = xstrndup(id, size);
	set->unique++;
}

int
idset_write(const struct idset *set, FILE *file)
{
	for (size_t i = 0; i < set->capacity; i++)
		if (set->slots[i] != NULL && fprintf(file, "%s\n", set->slots[i]) < 0)
			return -1;
	return 0;
}

void
idset_fini(struct idset *set)
{
	for (size_t i = 0; i < set->capacity; i++)
		free(set->slots[i]);
	free(set->slots);
	*set = (struct idset){0};
}
