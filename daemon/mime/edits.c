/* edits - a sorted list, and a message read through it. */
#include "daemon/mime/edits.h"

#include "common/err.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

void
edits_add(struct edits *edits, size_t at, size_t removed, struct buf *text)
{
	struct edit *edit;

	if (edits->count == edits->capacity) {
		edits->capacity = edits->capacity == 0 ? 16 : 2 * edits->capacity;
		edits->items = xrealloc(edits->items, edits->capacity, sizeof(*edits->items));
	}
	edit = &edits->items[edits->count++];
	*edit = (struct edit){.at = at, .removed = removed, .text = *text};
	*text = (struct buf){0};
}

/* Stable: those that were added in order stay so. */
static void
merge(struct edit *items, size_t count, struct edit *room)
{
	size_t half = count / 2, left = 0, right = half;

	if (count < 2)
		return;
	merge(items, half, room);
	merge(items + half, count - half, room);
	for (size_t i = 0; i < count; i++)
		room[i] = right == count || (left < half && items[left].at <= items[right].at)
			      ? items[left++]
			      : items[right++];
	memcpy(items, room, count * sizeof(*items));
}

static void
drop_doubles(struct edits *edits)
{
	size_t kept = 0;

	for (size_t i = 0; i < edits->count; i++) {
		struct edit *edit = &edits->items[i];

		if (i + 1 < edits->count && edit->removed > 0 && edit[1].at == edit->at &&
		    edit[1].removed == edit->removed)
			buf_fini(&edit->text);
		else
			edits->items[kept++] = *edit;
	}
	edits->count = kept;
}

void
edits_sort(struct edits *edits)
{
	struct edit *room = xcalloc(edits->count + 1, sizeof(*room));

	merge(edits->items, edits->count, room);
	free(room);
	drop_doubles(edits);
	for (size_t i = 1; i < edits->count; i++)
		ensure(edits->items[i - 1].at + edits->items[i - 1].removed <= edits->items[i].at);
}

void
edits_fini(struct edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		buf_fini(&edits->items[i].text);
	free(edits->items);
	*edits = (struct edits){0};
}

size_t
edits_result_size(const struct edits *edits, size_t size)
{
	for (size_t i = 0; i < edits->count; i++) {
		ensure(size >= edits->items[i].removed);
		size = size - edits->items[i].removed + edits->items[i].text.size;
	}
	return size;
}

/* Up to the next edit, or to the end. */
static size_t
read_message(const struct edits *edits, struct edits_reader *reader, const char *message,
    size_t size, void *out, size_t capacity)
{
	size_t end = reader->next < edits->count ? edits->items[reader->next].at : size;
	size_t left;

	ensure(reader->at <= end && end <= size);
	left = end - reader->at;
	if (left > capacity)
		left = capacity;
	if (left > 0)
		memcpy(out, message + reader->at, left);
	reader->at += left;
	return left;
}

static size_t
read_text(const struct edits *edits, struct edits_reader *reader, void *out, size_t capacity)
{
	const struct edit *edit = &edits->items[reader->next];
	size_t left = edit->text.size - reader->in_text;

	if (left > capacity)
		left = capacity;
	if (left > 0)
		memcpy(out, edit->text.bytes + reader->in_text, left);
	reader->in_text += left;
	if (reader->in_text == edit->text.size) {
		reader->at += edit->removed;
		reader->in_text = 0;
		reader->next++;
	}
	return left;
}

size_t
edits_read(const struct edits *edits, struct edits_reader *reader, const char *message, size_t size,
    void *out, size_t capacity)
{
	size_t done = 0;

	while (done < capacity) {
		done +=
		    read_message(edits, reader, message, size, (char *)out + done, capacity - done);
		if (done == capacity || reader->next == edits->count)
			break;
		done += read_text(edits, reader, (char *)out + done, capacity - done);
	}
	return done;
}
