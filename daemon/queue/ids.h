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

struct ids;

/* `on_more`: ids can be had again after ids_take_block() gave none. */
struct ids *ids_new(struct storage *storage, void (*on_more)(void *ctx), void *ctx);
void ids_free(struct ids *ids);
/* The first of IDS_BLOCK ids, whose owner is `owner` from now on; 0: none yet, see on_more. */
uint64_t ids_take_block(struct ids *ids, uint32_t owner);
/* Whether the id is of a block that was given to this owner since the start. */
bool ids_is_owner(const struct ids *ids, uint64_t id, uint32_t owner);

#endif
