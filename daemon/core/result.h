/*
 * result - what the owner of a noun answers to a call of the API: JSON in a RESULT
 *
 * Role     whoever answers CALL
 * Gives    new references
 * Context  loop
 */
#ifndef POSTERN_CORE_RESULT_H
#define POSTERN_CORE_RESULT_H

#include "daemon/core/link.h"

#include <jansson.h>

/* How answers are written: 0.004 and not 0.0040000000000000001. */
#define RESULT_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

/* Foreign text: if it isn't UTF-8, what isn't ASCII in it becomes question marks. */
json_t *result_text(const char *text);
/* RFC 3339; null for 0. */
json_t *result_time(int64_t at_ms);
/* {"error": {code, message, field}}; `field` NULL: it is about the whole call. */
json_t *result_error(const char *code, const char *message, const char *field);

/* Takes the JSON. `control` NULL: nobody waits for it any more. */
void result_send(struct link *control, uint32_t request_id, unsigned status, json_t *json);

#endif
