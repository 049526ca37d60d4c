/* api_alerts - the calls about alerts. */
#include "daemon/accounts/alert.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/db_rows.h"

#include <stdlib.h>

static void
add_row(void *row, void *ctx)
{
	(void)json_array_append_new(ctx, table_to_json(&alert_table, row));
}

enum handled
api_alert_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	int64_t after, unacknowledged;
	struct db_page page = {.order = "id"};
	json_t *array;
	struct err err;

	if (call_query_number(call, "limit", 0, &page.limit, refusal_out) != 0 ||
	    call_query_number(call, "after", -1, &after, refusal_out) != 0 ||
	    call_query_number(call, "unacknowledged", 0, &unacknowledged, refusal_out) != 0)
		return CALL_REFUSED;
	page.after = DB_NUMBER(after);
	if (unacknowledged != 0) {
		page.filter = "acknowledged";
		page.filter_value = DB_NUMBER(0);
	}
	array = json_array();
	/* What was raised a moment ago is to be seen as well. */
	if (alerts_flush(call->parts->alerts, &err) != 0 ||
	    db_each(call->parts->db, &alert_table, &page, add_row, array, &err) < 0) {
		json_decref(array);
		(void)refuse_unavailable(refusal_out, &err);
		return CALL_REFUSED;
	}
	*result_out = array;
	return CALL_DONE;
}

static enum handled
acknowledge(struct call *call, int64_t id, json_t **result_out, struct refusal *refusal_out)
{
	struct err err;
	int count = -1;

	if (alerts_flush(call->parts->alerts, &err) == 0)
		count = db_acknowledge_alerts(call->parts->db, id, &err);
	if (count < 0) {
		(void)refuse_unavailable(refusal_out, &err);
		return CALL_REFUSED;
	}
	*result_out = json_pack("{s:i}", "count", count);
	return CALL_DONE;
}

enum handled
api_alert_ack_all(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	return acknowledge(call, 0, result_out, refusal_out);
}

/* Once more is no mistake, but the alert must exist. */
enum handled
api_alert_ack(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	char *end;
	int64_t id = strtoll(call->name, &end, 10);
	struct alert alert;
	struct err err;
	int found = 0;

	if (*end == '\0' && id > 0)
		found = db_find_id(call->parts->db, &alert_table, id, &alert, &err);
	if (found < 0) {
		(void)refuse_unavailable(refusal_out, &err);
		return CALL_REFUSED;
	}
	if (found == 0) {
		(void)refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", NULL,
		    "there is no alert %.40s", call->name);
		return CALL_REFUSED;
	}
	table_row_fini(&alert_table, &alert);
	return acknowledge(call, id, result_out, refusal_out);
}
