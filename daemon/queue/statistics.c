/* statistics - names, sums, and the bytes that are stored. */
#include "daemon/queue/statistics.h"

#include "common/varint.h"

static const char *const names[STATISTIC_COUNT] = {
    [STATISTIC_ACCEPTED] = "accepted",
    [STATISTIC_NOTICES] = "notices",
    [STATISTIC_RECIPIENTS] = "recipients",
    [STATISTIC_BYTES] = "bytes",
    [STATISTIC_SENT] = "sent",
    [STATISTIC_BOUNCED] = "bounced",
    [STATISTIC_REMOVED] = "removed",
    [STATISTIC_DELIVERED] = "delivered",
    [STATISTIC_FAILED] = "failed",
    [STATISTIC_EXPIRED] = "expired",
    [STATISTIC_REMOVED_RECIPIENTS] = "removed_recipients",
    [STATISTIC_DEFERRED] = "deferred",
    [STATISTIC_UNCERTAIN] = "uncertain",
    [STATISTIC_BYTES_SENT] = "bytes_sent",
    [STATISTIC_BLOCKED] = "blocked",
    [STATISTIC_REJECTED] = "rejected",
    [STATISTIC_LATENCY_MS] = "latency_ms",
};

const char *
statistic_name(enum statistic which)
{
	return names[which];
}

void
statistics_add(struct statistics *sum, const struct statistics *more)
{
	for (unsigned i = 0; i < STATISTIC_COUNT; i++)
		sum->counts[i] += more->counts[i];
	for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
		sum->latency[i] += more->latency[i];
}

static void
write_numbers(struct buf *out, const uint64_t *numbers, unsigned count)
{
	while (count > 0 && numbers[count - 1] == 0)
		count--;
	varint_append(out, count);
	for (unsigned i = 0; i < count; i++)
		varint_append(out, numbers[i]);
}

void
statistics_write(struct buf *out, const struct statistics *statistics)
{
	write_numbers(out, statistics->counts, STATISTIC_COUNT);
	write_numbers(out, statistics->latency, LATENCY_BUCKETS);
}

static bool
read_numbers(const uint8_t **at, const uint8_t *end, uint64_t *numbers, unsigned limit)
{
	uint64_t count;

	if (!varint_take(at, end, &count) || count > limit)
		return false;
	for (uint64_t i = 0; i < count; i++)
		if (!varint_take(at, end, &numbers[i]))
			return false;
	return true;
}

bool
statistics_read(const void *bytes, size_t size, struct statistics *statistics_out)
{
	const uint8_t *at = bytes, *end = at + size;

	*statistics_out = (struct statistics){0};
	return read_numbers(&at, end, statistics_out->counts, STATISTIC_COUNT) &&
	       read_numbers(&at, end, statistics_out->latency, LATENCY_BUCKETS) && at == end;
}
