/* alert - what an operator should see. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static const struct column columns[] = {
    {"ID", "id", COLUMN_PLAIN},
    {"AT", "at", COLUMN_PLAIN},
    {"KIND", "kind", COLUMN_PLAIN},
    {"USER", "user", COLUMN_SHORT},
    {"LIST", "list", COLUMN_SHORT},
    {"ADDRESS", "address", COLUMN_SHORT},
    {"COUNT", "count", COLUMN_NUMBER},
    {"ACKNOWLEDGED", "acknowledged", COLUMN_PLAIN},
    {"DETAIL", "detail", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

static const struct option_row ls_options[] = {
    {"unacknowledged", VALUE_FLAG, NULL, "only those that nobody has seen to"},
    {.name = NULL},
};

static const struct option_row ack_options[] = {
    {"all", VALUE_FLAG, NULL, "every alert"},
    {.name = NULL},
};

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/alerts", columns);
}

static int
run_ack(struct invocation *invocation)
{
	bool is_all = arguments_take_flag(&invocation->arguments, "all");
	json_t *result = NULL;
	int status;

	if (is_all == (invocation->arguments.operand_count > 0))
		return invocation_fail(STATUS_USAGE, "name either an alert's id or --all");
	if (!is_all)
		return invocation_post(invocation, "/v1/alerts/", "/ack");
	status = invocation_call(invocation, "POST", "/v1/alerts/ack", NULL, &result);
	return invocation_finish(invocation, status, result);
}

const struct command alert_commands[] = {
    {"alert", "ls", "", 0, 0, ls_options, "all alerts", run_ls},
    {"alert", "ack", "[ID]", 0, 1, ack_options, "mark as seen", run_ack},
    {.noun = NULL},
};
