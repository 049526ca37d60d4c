/* result - values as the API's JSON has them, and the way back to control. */
#include "daemon/core/result.h"

#include "common/clock.h"
#include "common/err.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define RESULT_BODY_MAX (1u << 20) /* within RESULT's limit */

json_t *
result_text(const char *text)
{
	json_t *value = json_string(text);
	char *plain;

	if (value != NULL)
		return value;
	plain = xstrdup(text);
	for (char *at = plain; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = json_string(plain);
	free(plain);
	return value;
}

json_t *
result_time(int64_t at_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	return at_ms == 0 ? json_null() : json_string(clock_rfc3339(at_ms, text, sizeof(text)));
}

json_t *
result_error(const char *code, const char *message, const char *field)
{
	return json_pack("{s:{s:s,s:o,s:s?}}", "error", "code", code, "message",
	    result_text(message), "field", field);
}

/* An upstream may have had a hand in its size. */
static char *
dump(json_t *json, unsigned *status)
{
	char *text = json_dumps(json, RESULT_FLAGS);
	json_t *error;

	if (text != NULL && strlen(text) <= RESULT_BODY_MAX)
		return text;
	free(text);
	*status = 413;
	error = result_error("too_large", "the answer is larger than 1 MiB", NULL);
	text = json_dumps(error, RESULT_FLAGS);
	json_decref(error);
	ensure(text != NULL);
	return text;
}

void
result_send(struct link *control, uint32_t request_id, unsigned status, json_t *json)
{
	char *text = dump(json, &status);
	struct msg_result result = {.status = (uint16_t)status, .content_type = "application/json"};

	result.body = (struct msg_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
	if (control != NULL)
		link_answer(control, request_id, MSG_RESULT, &result);
	free(text);
	json_decref(json);
}
