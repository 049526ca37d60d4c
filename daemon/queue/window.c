/* window - a binary heap by age. */
#include "daemon/queue/window.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <stdlib.h>

static bool
is_before(const struct entry *a, const struct entry *b)
{
	if (a->received_at_ms != b->received_at_ms)
		return a->received_at_ms < b->received_at_ms;
	return a->id < b->id;
}

static void
place(struct window *window, size_t at, struct entry *entry)
{
	window->entries[at] = entry;
	entry->window_at = at;
}

static void
sift_up(struct window *window, size_t at, struct entry *entry)
{
	while (at > 0 && is_before(entry, window->entries[(at - 1) / 2])) {
		place(window, at, window->entries[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(window, at, entry);
}

static void
sift_down(struct window *window, size_t at, struct entry *entry)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= window->count)
			break;
		if (child + 1 < window->count &&
		    is_before(window->entries[child + 1], window->entries[child]))
			child++;
		if (!is_before(window->entries[child], entry))
			break;
		place(window, at, window->entries[child]);
		at = child;
	}
	place(window, at, entry);
}

void
window_fini(struct window *window)
{
	free(window->entries);
	*window = (struct window){0};
}

void
window_push(struct window *window, struct entry *entry)
{
	if (window->count == window->capacity) {
		window->capacity = window->capacity == 0 ? 32 : window->capacity * 2;
		window->entries =
		    xrealloc(window->entries, window->capacity, sizeof(struct entry *));
	}
	window->count++;
	sift_up(window, window->count - 1, entry);
}

void
window_remove(struct window *window, struct entry *entry)
{
	size_t at = entry->window_at;
	struct entry *last = window->entries[--window->count];

	ensure(window->entries[at] == entry || last == entry);
	if (last == entry)
		return;
	if (at > 0 && is_before(last, window->entries[(at - 1) / 2]))
		sift_up(window, at, last);
	else
		sift_down(window, at, last);
}

struct entry *
window_pop(struct window *window)
{
	struct entry *first;

	if (window->count == 0)
		return NULL;
	first = window->entries[0];
	window_remove(window, first);
	return first;
}
