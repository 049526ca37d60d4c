/*
 * ids - what was reserved on disk is given out in blocks. A crash loses what was reserved and not
 * used, which costs nothing: there are 2^43 ids.
 */
#include "daemon/queue/ids.h"

#include "common/xalloc.h"

#include <stdlib.h>

/* Reserved at once: one small write for so many blocks. */
#define RESERVE_BLOCKS 64u

struct block {
	uint32_t owner;
	uint32_t left;  /* ids that were not used yet */
	uint64_t *used; /* a bit for each; NULL: all or none are used, or it is closed */
};

struct ids {
	struct storage *storage;
	void (*on_more)(void *ctx);
	void *ctx;
	uint64_t base; /* the first of this run */
	uint64_t next;
	uint64_t end; /* of what is reserved on disk */
	bool is_reserving;
	bool is_wanted;       /* somebody got none */
	struct block *blocks; /* since base */
	uint32_t block_count;
	uint32_t open_count;  /* with `used` */
	uint32_t oldest_open; /* all before it are closed */
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
	for (uint32_t i = 0; i < ids->block_count; i++)
		free(ids->blocks[i].used);
	free(ids->blocks);
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
		ids->blocks = xrealloc(ids->blocks, ids->block_count + 64, sizeof(*ids->blocks));
	ids->blocks[ids->block_count++] = (struct block){.owner = owner, .left = IDS_BLOCK};
	ids->next += IDS_BLOCK;
	return first;
}

/* ---- which are used ---- */

static void
close_block(struct ids *ids, struct block *block)
{
	if (block->used != NULL)
		ids->open_count--;
	free(block->used);
	block->used = NULL;
	block->left = 0;
}

/* With too many others open the oldest are closed, of which this may be one. */
static void
open_block(struct ids *ids, struct block *block)
{
	block->used = xcalloc(IDS_BLOCK / 64, sizeof(*block->used));
	ids->open_count++;
	while (ids->open_count > IDS_OPEN_MAX)
		close_block(ids, &ids->blocks[ids->oldest_open++]);
}

enum ids_use
ids_use(struct ids *ids, uint64_t id, uint32_t owner)
{
	struct block *block;
	uint64_t at = id - ids->base, bit = UINT64_C(1) << at % 64, *word;

	if (id < ids->base || id >= ids->next || ids->blocks[at / IDS_BLOCK].owner != owner)
		return IDS_FOREIGN;
	block = &ids->blocks[at / IDS_BLOCK];
	if (block->left > 0 && block->used == NULL)
		open_block(ids, block);
	if (block->left == 0)
		return IDS_CLOSED;
	word = &block->used[at % IDS_BLOCK / 64];
	if ((*word & bit) != 0)
		return IDS_AGAIN;
	*word |= bit;
	if (--block->left == 0)
		close_block(ids, block);
	return IDS_FIRST;
}

void
ids_forget_owner(struct ids *ids, uint32_t owner)
{
	for (uint32_t i = 0; i < ids->block_count; i++)
		if (ids->blocks[i].owner == owner)
			close_block(ids, &ids->blocks[i]);
}
