/* listener - one event for each socket, all of them off while there is no room for a client. */
#include "daemon/smtpd/listener.h"

#include "common/err.h"
#include "common/list.h"
#include "common/log.h"
#include "common/netaddr.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 8
#define REST_MS 1000
/* A client wakes all processes, and one gets it. Who came too late so often in a row leaves the socket
 * to the others for a moment: they are quick enough. */
#define LATE_MAX 2
#define LEAVE_MS 3
#define WARNING_EVERY_MS 60000

struct door {
	struct list link;
	struct listeners *listeners;
	struct event *readable;
	struct timer *leave; /* set: the others have it; NULL before the first time */
	unsigned late;       /* so often in a row */
	unsigned listener;
	uint16_t port;
	int fd;
};

struct listeners {
	struct loop *loop;
	struct list doors, new_doors;
	unsigned client_count, limit;
	bool is_resting;
	struct timer *rest; /* set: descriptors ran out */
	int64_t warned_at_ms;
	listener_accept_fn on_accept;
	void *ctx;
};

static void
close_doors(struct list *doors)
{
	struct list *first;

	while ((first = list_take_first(doors)) != NULL) {
		struct door *door = LIST_ENTRY(first, struct door, link);

		event_free(door->readable);
		timer_free(door->leave);
		(void)close(door->fd);
		free(door);
	}
}

static void
watch(struct listeners *listeners, bool is_on)
{
	listeners->is_resting = !is_on;
	LIST_EACH (&listeners->doors, at) {
		struct door *door = LIST_ENTRY(at, struct door, link);

		if (is_on)
			(void)event_add(door->readable, NULL);
		else
			(void)event_del(door->readable);
	}
}

/* One line a minute, however often it happens. */
static void
warn(struct listeners *listeners, const char *reason)
{
	int64_t now_ms = loop_now_ms(listeners->loop);

	if (listeners->warned_at_ms != 0 && now_ms - listeners->warned_at_ms < WARNING_EVERY_MS)
		return;
	listeners->warned_at_ms = now_ms;
	log_problem(LOG_WARNING, "accepting no clients for now: %s (%u are connected, limit %u)",
	    reason, listeners->client_count, listeners->limit);
}

static bool
is_full(const struct listeners *listeners)
{
	return listeners->client_count >= listeners->limit;
}

static void
rest_if_full(struct listeners *listeners)
{
	if (!is_full(listeners) || listeners->is_resting)
		return;
	warn(listeners, "this process can't take more");
	watch(listeners, false);
}

static void
resume(struct listeners *listeners)
{
	if (listeners->is_resting && !is_full(listeners) && !timer_is_set(listeners->rest))
		watch(listeners, true);
}

static void
on_rested(void *ctx)
{
	resume(ctx);
}

/* What the client did to its own connection is not ours to report. */
static bool
is_clients_fault(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO ||
	       error == EPERM;
}

static bool
accept_one(struct door *door)
{
	struct listeners *listeners = door->listeners;
	struct listener_guest guest = {.listener = door->listener, .port = door->port};
	socklen_t size = sizeof(guest.peer);

	guest.fd =
	    accept4(door->fd, (struct sockaddr *)&guest.peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (guest.fd >= 0) {
		listeners->client_count++;
		listeners->on_accept(&guest, listeners->ctx);
		return true;
	}
	if (!is_clients_fault(errno)) {
		warn(listeners, strerror(errno));
		watch(listeners, false);
		timer_set(listeners->rest, REST_MS);
	}
	return false;
}

static void
on_left(void *ctx)
{
	struct door *door = ctx;

	if (!door->listeners->is_resting)
		(void)event_add(door->readable, NULL);
}

static void
come_late(struct door *door)
{
	if (++door->late < LATE_MAX)
		return;
	door->late = 0;
	if (door->leave == NULL)
		door->leave = timer_new(door->listeners->loop, on_left, door);
	(void)event_del(door->readable);
	timer_set(door->leave, LEAVE_MS);
}

static void
on_readable(int fd, short what, void *ctx)
{
	struct door *door = ctx;
	struct listeners *listeners = door->listeners;
	int count = 0;

	while (count < ACCEPTS_A_TURN && !is_full(listeners) && accept_one(door))
		count++;
	if (count > 0)
		door->late = 0;
	else if (!is_full(listeners))
		come_late(door);
	rest_if_full(listeners);
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	struct netaddr ours;
	uint16_t port = 0;

	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
		(void)netaddr_from_sockaddr((struct sockaddr *)&address, &ours, &port);
	return port;
}

struct listeners *
listeners_new(struct loop *loop, unsigned limit, listener_accept_fn on_accept, void *ctx)
{
	struct listeners *listeners = xcalloc(1, sizeof(*listeners));

	listeners->loop = loop;
	listeners->limit = limit;
	listeners->on_accept = on_accept;
	listeners->ctx = ctx;
	listeners->rest = timer_new(loop, on_rested, listeners);
	list_init(&listeners->doors);
	list_init(&listeners->new_doors);
	return listeners;
}

void
listeners_free(struct listeners *listeners)
{
	listeners_close(listeners);
	timer_free(listeners->rest);
	free(listeners);
}

void
listeners_add(struct listeners *listeners, unsigned listener, int fd)
{
	struct door *door = xcalloc(1, sizeof(*door));

	door->listeners = listeners;
	door->listener = listener;
	door->port = port_of(fd);
	door->fd = fd;
	door->readable =
	    event_new(loop_base(listeners->loop), fd, EV_READ | EV_PERSIST, on_readable, door);
	ensure(door->readable != NULL);
	list_append(&listeners->new_doors, &door->link);
}

void
listeners_replace(struct listeners *listeners)
{
	struct list *first;

	close_doors(&listeners->doors);
	while ((first = list_take_first(&listeners->new_doors)) != NULL)
		list_append(&listeners->doors, first);
	watch(listeners, !is_full(listeners));
}

void
listeners_set_limit(struct listeners *listeners, unsigned limit)
{
	listeners->limit = limit;
	rest_if_full(listeners);
	resume(listeners);
}

unsigned
listeners_door_count(const struct listeners *listeners)
{
	unsigned count = 0;

	LIST_EACH (&listeners->doors, at)
		count++;
	return count;
}

void
listeners_release_client(struct listeners *listeners)
{
	ensure(listeners->client_count > 0);
	listeners->client_count--;
	resume(listeners);
}

void
listeners_close(struct listeners *listeners)
{
	timer_stop(listeners->rest);
	close_doors(&listeners->doors);
	close_doors(&listeners->new_doors);
}
