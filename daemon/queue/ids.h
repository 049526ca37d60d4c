/*
 * ids - message ids: given in blocks, never given twice, also not after a crash
 *
 * Owns     which ids are used up; on disk first, in memory after
 * Context  loop; on_more runs in a later turn
 */
#ifndef POSTERN_QUEUE_IDS_H
#define POSTERN_QUEUE_IDS_H

#include "daemon/queue/storage.h"

#define IDS_BLOCK 1024u
/* Blocks of which is remembered which ids were used. More: the oldest is closed. */
#define IDS_OPEN_MAX 8192u

struct ids;

/* `on_more`: ids can be had again after ids_take_block() gave none. */
struct ids *ids_new(struct storage *storage, void (*on_more)(void *ctx), void *ctx);
void ids_free(struct ids *ids);
/* The first of IDS_BLOCK ids, whose owner is `owner` from now on; 0: none yet, see on_more. */
uint64_t ids_take_block(struct ids *ids, uint32_t owner);
enum ids_use {
	IDS_FIRST,   /* from now on it is used */
	IDS_AGAIN,   /* it was used before */
	IDS_FOREIGN, /* it was not given to this owner since the start */
	IDS_CLOSED   /* of a block that is used up, or so old that nobody remembers */
};

/* A message begins to use the id, or gives it up unused. */
enum ids_use ids_use(struct ids *ids, uint64_t id, uint32_t owner);
/* The owner is gone: its ids are used up. */
void ids_forget_owner(struct ids *ids, uint32_t owner);

#endif
