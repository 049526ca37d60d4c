/*
 * operator_json - the API's texts: paths and queries taken apart, messages as JSON
 *
 * Gives    new references and strings that the caller frees
 * Context  any
 */
#ifndef POSTERN_QUEUE_OPERATOR_JSON_H
#define POSTERN_QUEUE_OPERATOR_JSON_H

#include "daemon/queue/store.h"

#include <jansson.h>

/* An answer, with what is written around it, must go into a RESULT. */
#define OPERATOR_ANSWER_MAX ((1u << 20) - 4096)

/* A value of the path's query, percent-decoded; NULL: it isn't there. Gives. */
char *operator_query(const char *path, const char *name);
/* The n-th part of the path behind /v1/, percent-decoded, "" behind the end. Gives. */
char *operator_part(const char *path, unsigned n);

/* `profile` may be NULL. */
json_t *operator_message(const struct mail *mail, const char *profile, bool is_sending);

/* Some of its recipients, from the `first` on: as many as go into an answer. */
json_t *operator_recipients(const struct mail *mail, bool is_sending, uint32_t first);

const char *operator_state_name(enum shown_state state);
/* SHOWN_COUNT: there is no such state. */
enum shown_state operator_state_parse(const char *name);

#endif
