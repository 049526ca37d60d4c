/*
 * request - the one table of questions that wait for an answer
 *
 * Owns     the waiting entries; the caller's ctx stays the caller's
 * Context  loop
 * Units    milliseconds
 *
 * An id carries a generation, so that an answer which comes after the deadline finds nothing and
 * is dropped. Deadlines are kept to within REQUEST_TICK_MS.
 */
#ifndef POSTERN_CORE_REQUEST_H
#define POSTERN_CORE_REQUEST_H

#include "daemon/core/link.h"

#define REQUEST_TICK_MS 100

struct request_table;

struct request_table *request_table_new(struct loop *loop);
/* Calls nobody. */
void request_table_free(struct request_table *table);

/* `answer` is the kind that is expected. Gives the id, never 0. */
uint32_t request_add(struct request_table *table, enum message_kind answer, int64_t deadline_ms,
    link_answer_fn on_answer, void *ctx);
void request_cancel(struct request_table *table, uint32_t id);

enum request_match { REQUEST_ANSWERED, REQUEST_GONE, REQUEST_WRONG_KIND };
/* Ends the request and calls its on_answer. */
enum request_match request_answer(
    struct request_table *table, uint32_t id, enum message_kind kind, const union message *answer);
/* Every request ends without an answer. */
void request_fail_all(struct request_table *table);

#endif
