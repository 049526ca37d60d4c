/* request - slots with generations, and a tick that looks for deadlines that have passed. */
#include "daemon/core/request.h"

#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <stdlib.h>

/* An id is generation << SLOT_BITS | slot; the generation is never 0. */
#define SLOT_BITS 20 /* more sessions than one process can have */
#define SLOT_MAX (1u << SLOT_BITS)
#define NO_SLOT UINT32_MAX

struct slot {
	link_answer_fn on_answer; /* NULL: free */
	void *ctx;
	int64_t deadline_at_ms; /* monotonic */
	enum message_kind answer;
	uint32_t generation;
	uint32_t next_free;
};

struct request_table {
	struct loop *loop;
	struct timer *tick;
	struct slot *slots;
	uint32_t slot_count;
	uint32_t first_free;
	uint32_t waiting;
};

static struct slot *
find(struct request_table *table, uint32_t id)
{
	uint32_t at = id & (SLOT_MAX - 1);
	struct slot *slot;

	if (at >= table->slot_count)
		return NULL;
	slot = &table->slots[at];
	return slot->on_answer != NULL && slot->generation == id >> SLOT_BITS ? slot : NULL;
}

/* Frees the slot first: the callback may ask again. */
static void
finish(struct request_table *table, struct slot *slot, const union message *answer, bool is_told)
{
	link_answer_fn on_answer = slot->on_answer;
	void *ctx = slot->ctx;

	slot->on_answer = NULL;
	slot->next_free = table->first_free;
	table->first_free = (uint32_t)(slot - table->slots);
	if (--table->waiting == 0)
		timer_stop(table->tick);
	if (is_told)
		on_answer(answer, ctx);
}

static void
on_tick(void *ctx)
{
	struct request_table *table = ctx;
	int64_t now_ms = loop_now_ms(table->loop);

	timer_set(table->tick, REQUEST_TICK_MS);
	for (uint32_t at = 0; at < table->slot_count; at++) {
		struct slot *slot = &table->slots[at];

		if (slot->on_answer != NULL && slot->deadline_at_ms <= now_ms)
			finish(table, slot, NULL, true);
	}
}

struct request_table *
request_table_new(struct loop *loop)
{
	struct request_table *table = xcalloc(1, sizeof(*table));

	table->loop = loop;
	table->tick = timer_new(loop, on_tick, table);
	table->first_free = NO_SLOT;
	return table;
}

void
request_table_free(struct request_table *table)
{
	timer_free(table->tick);
	free(table->slots);
	free(table);
}

static void
grow(struct request_table *table)
{
	uint32_t old = table->slot_count;
	uint32_t count = old == 0 ? 16 : old * 2;

	ensure(count <= SLOT_MAX);
	table->slots = xrealloc(table->slots, count, sizeof(*table->slots));
	for (uint32_t at = old; at < count; at++)
		table->slots[at] = (struct slot){.next_free = at + 1 < count ? at + 1 : NO_SLOT};
	table->first_free = old;
	table->slot_count = count;
}

uint32_t
request_add(struct request_table *table, enum message_kind answer, int64_t deadline_ms,
    link_answer_fn on_answer, void *ctx)
{
	struct slot *slot;
	uint32_t at;

	if (table->first_free == NO_SLOT)
		grow(table);
	at = table->first_free;
	slot = &table->slots[at];
	table->first_free = slot->next_free;
	slot->generation = (slot->generation + 1) & ((1u << (32 - SLOT_BITS)) - 1);
	if (slot->generation == 0)
		slot->generation = 1;
	slot->on_answer = on_answer;
	slot->ctx = ctx;
	slot->answer = answer;
	slot->deadline_at_ms = loop_now_ms(table->loop) + deadline_ms;
	if (table->waiting++ == 0)
		timer_set(table->tick, REQUEST_TICK_MS);
	return slot->generation << SLOT_BITS | at;
}

void
request_cancel(struct request_table *table, uint32_t id)
{
	struct slot *slot = find(table, id);

	if (slot != NULL)
		finish(table, slot, NULL, false);
}

enum request_match
request_answer(
    struct request_table *table, uint32_t id, enum message_kind kind, const union message *answer)
{
	struct slot *slot = find(table, id);

	if (slot == NULL)
		return REQUEST_GONE;
	if (slot->answer != kind)
		return REQUEST_WRONG_KIND;
	finish(table, slot, answer, true);
	return REQUEST_ANSWERED;
}

void
request_fail_all(struct request_table *table)
{
	for (uint32_t at = 0; at < table->slot_count; at++)
		if (table->slots[at].on_answer != NULL)
			finish(table, &table->slots[at], NULL, true);
}
