/* spares - a short stack whose bottom goes by age. */
#include "daemon/queue/spares.h"

#include <string.h>

void
spares_limit(struct spares *spares, uint64_t bytes)
{
	spares->limit_bytes = bytes < SPARES_BYTES_MAX ? bytes : SPARES_BYTES_MAX;
}

bool
spares_add(struct spares *spares, uint64_t name, uint64_t bytes, int64_t now_ms)
{
	if (spares->count == SPARES_MAX || spares->bytes > spares->limit_bytes ||
	    bytes > spares->limit_bytes - spares->bytes)
		return false;
	spares->files[spares->count++] =
	    (struct spare){.name = name, .bytes = bytes, .since_ms = now_ms};
	spares->bytes += bytes;
	return true;
}

uint64_t
spares_take(struct spares *spares)
{
	const struct spare *newest;

	if (spares->count == 0)
		return 0;
	newest = &spares->files[--spares->count];
	spares->bytes -= newest->bytes;
	return newest->name;
}

uint64_t
spares_take_due(struct spares *spares, int64_t now_ms)
{
	const struct spare oldest = spares->files[0];

	if (spares->count == 0 ||
	    (spares->bytes <= spares->limit_bytes && now_ms - SPARE_KEPT_MS < oldest.since_ms))
		return 0;
	spares->count--;
	spares->bytes -= oldest.bytes;
	memmove(spares->files, spares->files + 1, spares->count * sizeof(*spares->files));
	return oldest.name;
}
