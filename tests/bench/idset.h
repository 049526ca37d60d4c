/*
 * idset - which Message-IDs were seen, and how often
 *
 * Owns     copies of them
 */
#ifndef POSTERN_BENCH_IDSET_H
#define POSTERN_BENCH_IDSET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct idset {
	char **slots;
	size_t capacity, unique;
	uint64_t duplicates;
};

void idset_fini(struct idset *set); /* empty again, and may be used on */
void idset_add(struct idset *set, const char *id, size_t size);
int idset_write(const struct idset *set, FILE *file);

#endif
