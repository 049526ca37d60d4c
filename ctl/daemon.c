/* daemon - posternd itself: how it is, new config, stop. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static const struct column role_columns[] = {
    {"ROLE", "name", COLUMN_PLAIN},
    {"PID", "pid", COLUMN_NUMBER},
    {"SINCE", "since", COLUMN_PLAIN},
    {"RESTARTS", "restarts", COLUMN_NUMBER},
    {NULL, NULL, COLUMN_PLAIN},
};

static const struct column profile_columns[] = {
    {"PROFILE", "name", COLUMN_PLAIN},
    {"DEFAULT", "default", COLUMN_PLAIN},
    {"STATE", "state", COLUMN_PLAIN},
    {"WAITING", "waiting", COLUMN_NUMBER},
    {"LIMITED UNTIL", "rate_limited_until", COLUMN_PLAIN},
    {"LAST ERROR", "last_error", COLUMN_BEGINNING},
    {NULL, NULL, COLUMN_PLAIN},
};

static const struct column listener_columns[] = {
    {"LISTENER", "address", COLUMN_PLAIN},
    {"PORTS", "ports", COLUMN_SHORT},
    {"TLS", "tls", COLUMN_PLAIN},
    {"BOUND", "bound", COLUMN_NUMBER},
    {"SKIPPED", "skipped", COLUMN_NUMBER},
    {"SKIPPED PORTS", "skipped_ports", COLUMN_SHORT},
    {"REASON", "reason", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

static void
print_counts(json_t *queue)
{
	const char *state;
	json_t *count;

	(void)fputs("\nqueue:", stdout);
	if (!json_is_object(queue))
		(void)fputs(" away", stdout);
	json_object_foreach(queue, state, count) if (json_is_integer(count))(void)
	    printf(" %s %" JSON_INTEGER_FORMAT, state, json_integer_value(count));
	if (json_is_true(json_object_get(queue, "counting")))
		(void)fputs(" (so far: posternd has begun a moment ago and counts)", stdout);
	(void)fputs("\n\n", stdout);
}

static int
run_status(struct invocation *invocation)
{
	json_t *result = NULL;
	int status = invocation_call(invocation, "GET", "/v1/status", NULL, &result);

	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json) {
		invocation_print_json(result);
	} else {
		(void)printf(
		    "postern %s\n\n", json_is_string(json_object_get(result, "version"))
					  ? json_string_value(json_object_get(result, "version"))
					  : "");
		table_print(stdout, json_object_get(result, "roles"), role_columns);
		print_counts(json_object_get(result, "queue"));
		table_print(stdout, json_object_get(result, "profiles"), profile_columns);
		(void)putchar('\n');
		table_print(stdout, json_object_get(result, "listeners"), listener_columns);
	}
	json_decref(result);
	return STATUS_DONE;
}

static int
run_reload(struct invocation *invocation)
{
	json_t *result = NULL;
	int status = invocation_call(invocation, "POST", "/v1/reload", NULL, &result);

	return invocation_finish(invocation, status, result);
}

static int
run_stop(struct invocation *invocation)
{
	json_t *result = NULL;
	int status = invocation_call(invocation, "POST", "/v1/stop", NULL, &result);

	return invocation_finish(invocation, status, result);
}

const struct command daemon_commands[] = {
    {"status", NULL, "", 0, 0, NULL, "roles, queue, profiles, listeners", run_status},
    {"reload", NULL, "", 0, 0, NULL, "read the config again; a bad one changes nothing",
	run_reload},
    {"stop", NULL, "", 0, 0, NULL, "finish what is under way, then end", run_stop},
    {.noun = NULL},
};
