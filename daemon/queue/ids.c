/*
 * ids - what was reserved on disk is given out in blocks. A crash loses what was reserved and not
 * used, which costs nothing: there are 2^43 ids.
 */
#include "daemon/queue/ids.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* Reserved at once: one small write for so many blocks. */
#define RESERVE_BLOCKS 64u

struct ids {
	struct storage *storage;
	void (*on_more)(void *ctx);
	void *ctx;
	uint64_t base; /* the first of this run */
	uint64_t next;
	uint64_t end; /* of what is reserved on disk */
	bool is_reserving;
	bool is_wanted;   /* somebody got none */
	uint32_t *owners; /* of each block since base */
	uint32_t block_count;
	struct reserve_job reserve;
};

static void
on_reserved(struct job *job)
{
	struct ids *ids = job->ctx;

	ids->is_reserving = false;
	if (job->outcome == JOB_DONE)
		ids->end = ids->reserve.next_id;
	if (ids->is_wanted && job->outcome == JOB_DONE) {
		ids->is_wanted = false;
		ids->on_more(ids->ctx);
	}
}

static void
reserve_more(struct ids *ids)
{
	if (ids->is_reserving || ids->end - ids->next > RESERVE_BLOCKS / 2 * IDS_BLOCK)
		return;
	ids->is_reserving = true;
	ids->reserve = (struct reserve_job){
	    .job = {.on_done = on_reserved, .ctx = ids, .urgency = JOB_WRITES},
	    .next_id = ids->end + RESERVE_BLOCKS * IDS_BLOCK,
	};
	storage_post(ids->storage, STORE_RESERVE, &ids->reserve.job);
}

struct ids *
ids_new(struct storage *storage, void (*on_more)(void *ctx), void *ctx)
{
	struct ids *ids = xcalloc(1, sizeof(*ids));

	ids->storage = storage;
	ids->on_more = on_more;
	ids->ctx = ctx;
	ids->base = ids->next = ids->end = storage_next_id(storage);
	reserve_more(ids);
	return ids;
}

void
ids_free(struct ids *ids)
{
	free(ids->owners);
	free(ids);
}

uint64_t
ids_take_block(struct ids *ids, uint32_t owner)
{
	uint64_t first = ids->next;

	reserve_more(ids);
	if (ids->end - ids->next < IDS_BLOCK) {
		ids->is_wanted = true;
		return 0;
	}
	if (ids->block_count % 64 == 0)
		ids->owners = xrealloc(ids->owners, ids->block_count + 64, sizeof(*ids->owners));
	ids->owners[ids->block_count++] = owner;
	ids->next += IDS_BLOCK;
	return first;
}

bool
ids_is_owner(const struct ids *ids, uint64_t id, uint32_t owner)
{
	return id >= ids->base && id < ids->next &&
	       ids->owners[(id - ids->base) / IDS_BLOCK] == owner;
}
