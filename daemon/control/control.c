/* control - the entry of the control role. */
#include "daemon/control/control.h"

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

const struct role_ops control_ops = {
    .start = start,
    .drain = drain,
};
