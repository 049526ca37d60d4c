/* operators_explain - what queue adds to an explanation: where such a message would go just now, how
 * that profile is, and what waits before it. */
#include "daemon/queue/operators_private.h"

#include <stdlib.h>
#include <string.h>

static struct profile *
profile_for(struct call *call)
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);
	const struct user *user = operators_find_user(call->operators, call->login);

	if (user == NULL)
		return NULL;
	/* The sender's address was put where filters have the list. */
	return routes_of_flow(routes, routes_flow_of(routes, user->id, call->list, call->list));
}

/* Of the profile's mail that is ready, by priority, 1 first. */
static json_t *
ready_before(const struct call *call, const struct profile *profile)
{
	const struct routes *routes = scheduler_routes(call->operators->scheduler);
	json_int_t ready[PRIORITIES] = {0};
	json_t *array = json_array();

	for (uint32_t i = 0; i < call->count.row_count_out; i++) {
		const struct count_row *row = &call->count.rows_out[i];

		if (row->state != MAIL_WAITING || row->is_deferred ||
		    routes_of_user(routes, row->user_id) != profile)
			continue;
		for (int k = 0; k < PRIORITIES; k++)
			ready[k] += row->by_priority[k];
	}
	for (int k = 0; k < PRIORITIES; k++)
		(void)json_array_append_new(array, json_integer(ready[k]));
	return array;
}

static void
on_counted(struct job *job)
{
	struct call *call = job->ctx;
	struct profile *profile = profile_for(call);
	json_t *answer = json_object();

	if (profile != NULL) {
		json_t *state = operators_profile_state(call->operators, profile, &call->count);

		(void)json_object_set_new(answer, "through", json_string(profile->name));
		(void)json_object_set_new(answer, "state", state);
		(void)json_object_set_new(answer, "ready", ready_before(call, profile));
	}
	free(call->count.rows_out);
	call_answer_json(call, 200, answer);
}

void
call_start_explain(struct call *call, const char *path)
{
	call->login = operator_query(path, "user");
	call->list = operator_query(path, "from");
	if (call->login == NULL || call->list == NULL) {
		call_answer_error(call, 400, "missing", "user and from are needed", NULL);
		return;
	}
	call->count.job = (struct job){.on_done = on_counted, .ctx = call, .urgency = JOB_READS};
	storage_post(call->operators->storage, STORE_COUNT, &call->count.job);
}
