/*
 * store_sqlite_search - where a scan is, from one of its slices to the next
 *
 * Owns     what it points to, until store_end_scan()
 * Context  storage thread while the job is posted
 */
#ifndef POSTERN_QUEUE_STORE_SQLITE_SEARCH_H
#define POSTERN_QUEUE_STORE_SQLITE_SEARCH_H

#include "daemon/queue/tally.h"

/* Commits that wait for a slice wait a few milliseconds at most: so long it may search, and as long
 * again load or change what it found. */
#define SLICE_MS 4

/* Messages of one class, in the order of their ids. */
struct scan_stream {
	struct tally_class class;
	bool is_mixed; /* some came under names that aren't meant */
};

struct scan_search {
	enum { SEARCH_IDS, SEARCH_WALK, SEARCH_STREAMS } kind;
	struct scan_stream *streams;
	size_t stream_count, stream_capacity;
	uint64_t *ids;
	size_t id_count;
	size_t at;      /* in streams or ids */
	uint64_t after; /* in the walk or the stream */
	unsigned passes_left;
	unsigned steps;
	int64_t slice_ends_ms; /* monotonic */
	uint64_t *found;       /* `limit` at most */
	uint32_t found_count;
	uint32_t taken; /* of found */
	bool is_over;   /* all is found */
};

/* Whether it is among sorted ids. */
bool scan_has_id(const uint64_t *sorted, size_t count, uint64_t id);

#endif
