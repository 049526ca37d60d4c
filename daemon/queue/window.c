/* window - a list by age. */
#include "daemon/queue/window.h"

static bool
is_older(const struct entry *a, const struct entry *b)
{
	if (a->received_at_ms != b->received_at_ms)
		return a->received_at_ms < b->received_at_ms;
	return a->id < b->id;
}

void
window_init(struct window *window)
{
	list_init(&window->entries);
	window->count = 0;
}

static struct entry *
entry_at(struct list *link)
{
	return LIST_ENTRY(link, struct entry, link);
}

struct entry *
window_oldest(const struct window *window)
{
	return window->count == 0 ? NULL : entry_at(window->entries.next);
}

struct entry *
window_youngest(const struct window *window)
{
	return window->count == 0 ? NULL : entry_at(window->entries.prev);
}

void
window_insert(struct window *window, struct entry *entry)
{
	struct list *at = window->entries.prev;

	window->count++;
	/* What comes back is mostly older than all that wait. */
	if (window->count > 1 && is_older(entry, entry_at(window->entries.next)))
		at = &window->entries;
	while (at != &window->entries && is_older(entry, entry_at(at)))
		at = at->prev;
	list_insert_after(at, &entry->link);
}

void
window_remove(struct window *window, struct entry *entry)
{
	list_remove(&entry->link);
	window->count--;
}
