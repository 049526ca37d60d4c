/* operators_schedule - POST /v1/messages/ID/schedule: a message that waits goes at another time. */
#include "common/clock.h"
#include "common/ident.h"
#include "common/log.h"
#include "daemon/config/units.h"
#include "daemon/queue/operators_private.h"

#include <string.h>

/* As far as queue.hold_max may let a client go. */
#define AHEAD_MAX_MS (365 * INT64_C(24) * 60 * 60 * 1000)

static const char *
read_time(const char *text, int64_t now_ms, int64_t *at_ms_out)
{
	int64_t ahead_ms;

	if (text == NULL)
		return "name the time: {\"at\": \"2026-03-01T12:31:04Z\"}, or \"2h\" from now";
	if (unit_duration(text, &ahead_ms) == 0)
		*at_ms_out = ahead_ms > AHEAD_MAX_MS ? INT64_MAX : now_ms + ahead_ms;
	else if (!clock_parse_rfc3339(text, strlen(text), at_ms_out))
		return "at is a time as 2026-03-01T12:31:04Z, or a duration from now as 2h";
	if (*at_ms_out <= now_ms)
		return "that time is over: to send a message at once, retry it";
	return *at_ms_out > now_ms + AHEAD_MAX_MS ? "at is at most 365 days ahead" : NULL;
}

void
call_start_schedule(struct call *call, uint64_t id, const json_t *body)
{
	const char *text = json_string_value(json_object_get(body, "at"));
	const char *problem =
	    read_time(text, loop_wall_ms(call->operators->role->loop), &call->scan.at_ms);

	if (json_object_size(body) != (text != NULL))
		problem = "allowed is: at";
	if (problem == NULL)
		call_start_single(call, SCAN_SCHEDULE, id);
	else
		call_answer_error(call, 400, "invalid", problem, "at");
}

void
call_answer_schedule(struct call *call)
{
	char ident[IDENT_SIZE], time[CLOCK_RFC3339_SIZE];
	struct log_line line;

	scheduler_wake_at(call->operators->scheduler, call->scan.at_ms);
	if (log_begin(&line, LOG_INFO, EVENT_SCHEDULED, call->single_id)) {
		log_time(&line, KEY_UNTIL, call->scan.at_ms);
		log_text(&line, KEY_REASON, "by an operator");
		log_end(&line);
	}
	call_answer_json(call, 200,
	    json_pack("{s:s,s:s}", "id", ident_format(call->single_id, ident), "at",
		clock_rfc3339(call->scan.at_ms, time, sizeof(time))));
}
