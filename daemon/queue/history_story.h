/*
 * history_story - messages of the history as the API's JSON: acceptance, attempts, fate
 *
 * Owns     its array until stories_give()
 * Context  any; no I/O
 *
 * What a message has too much of for an answer is counted, not told: recipients beyond the first,
 * attempts in the middle. Of messages that are too many for it the last that goes in has the field
 * `has_more`; the first always goes in.
 */
#ifndef POSTERN_QUEUE_HISTORY_STORY_H
#define POSTERN_QUEUE_HISTORY_STORY_H

#include "daemon/queue/history_db.h"

#include <jansson.h>

struct stories;

/* `size_max`: of all of them as text. */
struct stories *stories_new(bool has_transcripts, size_t size_max);
void stories_free(struct stories *stories);
/* The newest first; `fate` is null of those that the history has no end of. */
json_t *stories_give(struct stories *stories);
/* There are messages behind the array's last one that it has no room for. */
void stories_mark_cut(json_t *messages);

/* For history_db_search(), with the stories as ctx. */
extern const struct history_story_ops stories_ops;

#endif
