/*
 * chunk - a counted block of bytes that travels without being copied
 *
 * Owns     its bytes; freed with the last reference
 * Context  one thread at a time: the count is not atomic. A chunk lent to another thread is held
 *          by the loop until that thread has given it back.
 *
 * A body's bytes are read from a link straight into a chunk, wait in it for the commit, and go on
 * to the next role out of the same chunk. A slice is a part of a chunk.
 */
#ifndef POSTERN_COMMON_CHUNK_H
#define POSTERN_COMMON_CHUNK_H

#include <stdint.h>

struct chunk {
	uint32_t references;
	uint32_t size;     /* bytes in use */
	uint32_t capacity; /* bytes there is room for */
	uint8_t bytes[];
};

struct slice {
	struct chunk *chunk;
	uint32_t offset, size;
};

/* Gives a chunk with one reference and no bytes in use. */
struct chunk *chunk_new(uint32_t capacity);
struct chunk *chunk_from(const void *bytes, uint32_t size);
struct chunk *chunk_hold(struct chunk *chunk);
/* Gives one reference back; NULL is allowed. */
void chunk_release(struct chunk *chunk);

/* A slice holds a reference of its own. */
struct slice slice_of(struct chunk *chunk, uint32_t offset, uint32_t size);
void slice_release(struct slice *slice);
static inline const uint8_t *
slice_bytes(const struct slice *slice)
{
	return slice->chunk->bytes + slice->offset;
}

#endif
