/* latency - buckets and quantiles. */
#include "daemon/queue/latency.h"

/* Where the bucket behind this end ends. */
static uint64_t
next_end(uint64_t end_ms)
{
	return end_ms < 4 ? end_ms + 1 : end_ms + end_ms / 4;
}

unsigned
latency_bucket(uint64_t ms)
{
	uint64_t end_ms = 1;
	unsigned bucket = 0;

	for (; ms >= end_ms && bucket < LATENCY_BUCKETS - 1; bucket++)
		end_ms = next_end(end_ms);
	return bucket;
}

uint64_t
latency_percentile(const uint64_t counts[static LATENCY_BUCKETS], unsigned percent)
{
	uint64_t total = 0, below = 0, begin_ms = 0, end_ms = 1;
	double wanted;

	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		total += counts[i];
	if (total == 0)
		return 0;
	wanted = (double)total * percent / 100;
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
		if (counts[i] > 0 && (double)(below + counts[i]) >= wanted)
			return begin_ms + (uint64_t)((double)(end_ms - begin_ms) *
						     (wanted - (double)below) / (double)counts[i]);
		below += counts[i];
		begin_ms = end_ms;
		end_ms = next_end(end_ms);
	}
	return begin_ms;
}
