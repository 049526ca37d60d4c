/* transcript - lines that gather, from both ends when there are too many. */
#include "daemon/relay/transcript.h"

#include "common/format.h"
#include "common/utf8.h"
#include "daemon/core/values.h"

#include <string.h>

#define TEXT_BYTES 1000 /* a longer one is cut */
#define NOTE_BYTES 64   /* the line that says what was left out */
#define HALF ((TRANSCRIPT_BYTES - NOTE_BYTES) / 2)
#define DROP_BYTES 4096 /* of the tail at a time, so that it isn't moved for each line */

void
transcript_init(struct transcript *transcript)
{
	*transcript = (struct transcript){0};
}

void
transcript_fini(struct transcript *transcript)
{
	buf_fini(&transcript->head);
	buf_fini(&transcript->tail);
}

void
transcript_begin(struct transcript *transcript, int64_t now_ms)
{
	transcript_fini(transcript);
	*transcript = (struct transcript){.begun_at_ms = now_ms};
}

/* The oldest lines of the tail. */
static void
drop_lines(struct transcript *transcript)
{
	struct buf *tail = &transcript->tail;
	size_t dropped = 0;

	while (dropped < DROP_BYTES && dropped < tail->size) {
		const char *end = memchr(tail->bytes + dropped, '\n', tail->size - dropped);

		dropped = (size_t)(end - tail->bytes) + 1;
		transcript->left_out++;
	}
	memmove(tail->bytes, tail->bytes + dropped, tail->size - dropped + 1);
	tail->size -= dropped;
}

static void
add_line(struct transcript *transcript, const char *line, size_t length)
{
	bool is_full = transcript->tail.size > 0 || transcript->head.size + length > HALF;
	struct buf *half = is_full ? &transcript->tail : &transcript->head;

	if (half->size + length > HALF)
		drop_lines(transcript);
	buf_append(half, line, length);
}

void
transcript_add(struct transcript *transcript, int64_t now_ms, enum transcript_speaker speaker,
    const char *text)
{
	static const char *const names[] = {"C:", "S:", "*"};
	char line[TEXT_BYTES + 48], seconds[FORMAT_SECONDS_SIZE];
	size_t length = format_text(line, sizeof(line), "%s %s %.*s\n",
	    format_seconds(now_ms - transcript->begun_at_ms, seconds), names[speaker],
	    (int)utf8_cut(text, strlen(text), TEXT_BYTES), text);

	add_line(transcript, line, length);
}

char *
transcript_give(struct transcript *transcript)
{
	struct buf text = transcript->head;

	if (text.size == 0)
		return NULL;
	if (transcript->left_out > 0)
		buf_printf(
		    &text, "(%llu lines are left out)\n", (unsigned long long)transcript->left_out);
	buf_append(&text, transcript->tail.bytes, transcript->tail.size);
	buf_fini(&transcript->tail);
	transcript_init(transcript);
	return buf_give(&text);
}
