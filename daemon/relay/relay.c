/* relay - the entry of the relay role. */
#include "daemon/relay/relay.h"

static int
start(struct role_context *role, struct err *err_out)
{
	return 0;
}

static void
drain(struct role_context *role, int64_t within_ms)
{
	role_drained(role);
}

const struct role_ops relay_ops = {
    .start = start,
    .drain = drain,
};
