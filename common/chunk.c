/* chunk - counted blocks of bytes. */
#include "common/chunk.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

struct chunk *
chunk_new(uint32_t capacity)
{
	struct chunk *chunk = xmalloc(sizeof(*chunk) + capacity);

	chunk->references = 1;
	chunk->size = 0;
	chunk->capacity = capacity;
	return chunk;
}

struct chunk *
chunk_from(const void *bytes, uint32_t size)
{
	struct chunk *chunk = chunk_new(size);

	if (size > 0)
		memcpy(chunk->bytes, bytes, size);
	chunk->size = size;
	return chunk;
}

struct chunk *
chunk_hold(struct chunk *chunk)
{
	chunk->references++;
	return chunk;
}

void
chunk_release(struct chunk *chunk)
{
	if (chunk == NULL)
		return;
	ensure(chunk->references > 0);
	if (--chunk->references == 0)
		free(chunk);
}

struct slice
slice_of(struct chunk *chunk, uint32_t offset, uint32_t size)
{
	ensure(offset <= chunk->size && size <= chunk->size - offset);
	return (struct slice){.chunk = chunk_hold(chunk), .offset = offset, .size = size};
}

void
slice_release(struct slice *slice)
{
	chunk_release(slice->chunk);
	*slice = (struct slice){0};
}
