/* link - opens a link, ends it, and keeps the requests that wait for an answer. */
#include "daemon/core/link.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/link_private.h"
#include "daemon/core/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRATCH_SIZE 65536u
#define SOCKET_BUFFER (1 << 20)

/* ---- the end ---- */

static void
free_link(void *object)
{
	struct link *link = object;

	request_table_free(link->requests);
	timer_free(link->retry);
	evbuffer_free(link->output);
	buf_fini(&link->encoding);
	link_release_frame(link, link->scratch);
	link_release_frame(link, link->frame);
	free(link);
}

static void
shut(struct link *link)
{
	link->is_closed = true;
	event_free(link->readable);
	event_free(link->writable);
	timer_stop(link->retry);
	for (size_t i = 0; i < link->received_count; i++)
		(void)close(link->received_fds[i]);
	link->received_count = 0;
	link_drop_output(link);
	(void)close(link->fd);
}

static void
on_break(void *ctx)
{
	struct link *link = ctx;

	request_fail_all(link->requests);
	if (!link->is_let_go)
		link->callbacks.on_closed(link, link->reason, link->ctx);
	loop_free_later(link->loop, free_link, link);
}

/* Ends the link and says so in a later turn. */
void
link_break(struct link *link, const char *reason)
{
	if (link->is_closed)
		return;
	(void)snprintf(link->reason, sizeof(link->reason), "%s", reason);
	shut(link);
	loop_defer(link->loop, on_break, link);
}

void
link_close(struct link *link)
{
	link->is_let_go = true;
	if (!link->is_closed)
		link_flush(link);
	link_break(link, "closed");
}

void
link_fail(struct link *link, const char *reason)
{
	link_break(link, reason);
}

/* ---- requests ---- */

/* Asked of a link that has just gone: on_break() has not run yet, or is running. */
static void
on_late_request(void *ctx)
{
	struct link *link = ctx;

	request_fail_all(link->requests);
}

uint32_t
link_request(struct link *link, enum message_kind kind, const void *message, int64_t deadline_ms,
    link_answer_fn on_answer, void *ctx)
{
	uint32_t id =
	    request_add(link->requests, message_answer(kind), deadline_ms, on_answer, ctx);

	if (link->is_closed)
		loop_defer(link->loop, on_late_request, link);
	link_send_frame(link, kind, id, false, message);
	return id;
}

void
link_cancel(struct link *link, uint32_t request_id)
{
	request_cancel(link->requests, request_id);
}

void
link_answer(struct link *link, uint32_t request_id, enum message_kind kind, const void *message)
{
	link_send_frame(link, kind, request_id, true, message);
}

/* ---- beginning ---- */

static void
send_hello(struct link *link)
{
	struct msg_hello hello = {.build_id = message_build_id(), .pid = (uint32_t)getpid()};

	link_send(link, MSG_HELLO, &hello);
}

struct link *
link_open(struct loop *loop, int fd, enum role self, enum role peer, unsigned peer_index,
    const struct link_callbacks *callbacks, void *ctx)
{
	struct link *link = xcalloc(1, sizeof(*link));
	int size = SOCKET_BUFFER;

	link->loop = loop;
	link->fd = fd;
	link->self = self;
	link->peer = peer;
	link->peer_index = peer_index;
	link->callbacks = *callbacks;
	link->ctx = ctx;
	link->has_secrets = message_may_have_secrets(self, peer);
	link->requests = request_table_new(loop);
	link->output = evbuffer_new();
	link->scratch = chunk_new(SCRATCH_SIZE);
	list_init(&link->parcels);
	(void)evutil_make_socket_nonblocking(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	link->readable =
	    event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, link_on_readable, link);
	link->writable = event_new(loop_base(loop), fd, EV_WRITE, link_on_writable, link);
	ensure(link->output != NULL && link->readable != NULL && link->writable != NULL);
	link->retry = timer_new(loop, link_on_retry, link);
	(void)event_add(link->readable, NULL);
	send_hello(link);
	return link;
}

/* ---- what the owner asks ---- */

enum role
link_peer(const struct link *link)
{
	return link->peer;
}

unsigned
link_peer_index(const struct link *link)
{
	return link->peer_index;
}

int
link_peer_pid(const struct link *link)
{
	return link->peer_pid;
}

int
link_take_fd(struct link *link)
{
	int fd;

	if (link->received_count == 0)
		return -1;
	fd = link->received_fds[0];
	link->received_count--;
	memmove(link->received_fds, link->received_fds + 1, link->received_count * sizeof(int));
	return fd;
}

struct slice
link_message_slice(const struct link_message *message, struct msg_bytes bytes)
{
	if (message->is_own_frame)
		return slice_of(
		    message->frame, (uint32_t)(bytes.at - message->frame->bytes), bytes.size);
	return (struct slice){.chunk = chunk_from(bytes.at, bytes.size), .size = bytes.size};
}
