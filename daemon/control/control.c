/* control - the role's entry: an HTTP server on the Unix socket, and the API on it. */
#include "daemon/control/control.h"

#include "common/xalloc.h"
#include "daemon/control/api.h"
#include "daemon/control/http.h"
#include "daemon/core/loop.h"

#include <stdlib.h>

struct control {
	struct role_context *role;
	struct api *api;
	struct http_server *server;
	struct timer *drain;
};

static struct link *
link_to(enum role owner, void *ctx)
{
	return role_link(ctx, owner, 0);
}

static void
on_drain_timer(void *ctx)
{
	struct control *control = ctx;

	api_give_up(control->api);
}

static int
start(struct role_context *role, struct err *err_out)
{
	struct control *control = xcalloc(1, sizeof(*control));

	control->role = role;
	control->api = api_open(link_to, role);
	control->server = http_open(role->loop, api_on_request, control->api);
	control->drain = timer_new(role->loop, on_drain_timer, control);
	role->state = control;
	return 0;
}

static void
on_listen(struct role_context *role, unsigned listener, int fd)
{
	struct control *control = role->state;
	struct err err;

	if (http_listen(control->server, fd, &err) < 0)
		log_problem(LOG_ERROR, "%s", err.text);
}

static void
on_idle(void *ctx)
{
	struct control *control = ctx;

	role_drained(control->role);
}

static void
on_message(struct role_context *role, struct link *link, const struct link_message *message)
{
	struct control *control = role->state;

	if (message->kind == MSG_PROGRESS)
		api_on_progress(control->api, link, &message->body->progress);
	else
		log_trace("control has no use for %s", message_name(message->kind));
}

/* What changes something is waited for, within reason: an answer's own deadline may be far longer. */
static void
drain(struct role_context *role, int64_t within_ms)
{
	struct control *control = role->state;

	http_drain(control->server, on_idle, control);
	api_drain(control->api);
	timer_set(control->drain, within_ms);
}

static void
stop(struct role_context *role)
{
	struct control *control = role->state;

	api_close(control->api);
	http_close(control->server);
	timer_free(control->drain);
	free(control);
	role->state = NULL;
}

const struct role_ops control_ops = {
    .start = start,
    .on_message = on_message,
    .on_listen = on_listen,
    .drain = drain,
    .stop = stop,
};
