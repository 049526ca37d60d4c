/* smtpd - the entry of the smtpd role. */
#include "daemon/smtpd/smtpd.h"

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

const struct role_ops smtpd_ops = {
    .start = start,
    .drain = drain,
};
