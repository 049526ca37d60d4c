/*
 * link - frames on a socketpair.
 *
 * A frame is a header of 12 bytes and a payload. Small frames are read, many at a time, into a
 * scratch buffer that belongs to the link. A frame that does not fit into what is left there gets
 * a chunk of its own, and the rest of it is read from the socket straight into that chunk, so that
 * a body can wait for its commit and travel on without having been copied.
 *
 * What is sent in one turn of the loop is written at its end, in one system call where it fits.
 * Sockets (SCM_RIGHTS) travel only from the parent; they come with the first byte of their frame,
 * and the frame says how many they are.
 */
#include "daemon/core/link.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/core/request.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SCRATCH_SIZE 65536u
#define WAITING_MAX (64u << 20)
#define FDS_MAX 250
#define SOCKET_BUFFER (1 << 20)
#define READS_A_TURN 8 /* then the other events of the loop get their turn */

struct frame_header {
	uint32_t size; /* of the payload */
	uint16_t kind;
	uint16_t is_answer;
	uint32_t request_id;
};

/* Output that leaves together with sockets, or plain output behind it. */
struct parcel {
	struct list link;
	struct evbuffer *bytes;
	int fds[FDS_MAX];
	size_t fd_count;
};

struct link {
	struct loop *loop;
	int fd;
	enum role self, peer;
	unsigned peer_index;
	int peer_pid;
	struct link_callbacks callbacks;
	void *ctx;
	struct event *readable, *writable;
	struct request_table *requests;

	struct evbuffer *output;
	struct list parcels; /* behind `output`, oldest first */
	struct buf encoding;
	bool is_flush_due;

	struct chunk *scratch; /* bytes not yet made into frames */
	struct chunk *frame;   /* a large frame that is being read */
	struct frame_header frame_header;
	int received_fds[FDS_MAX];
	size_t received_count;

	bool is_closed;
	bool is_let_go;   /* by link_close(): the owner wants to hear no more */
	char reason[256]; /* of a close that is to be told */
};

/* ---- the end ---- */

static void
free_link(void *object)
{
	struct link *link = object;

	request_table_free(link->requests);
	evbuffer_free(link->output);
	buf_fini(&link->encoding);
	chunk_release(link->scratch);
	chunk_release(link->frame);
	free(link);
}

static void
drop_parcels(struct link *link)
{
	struct list *first;

	while ((first = list_take_first(&link->parcels)) != NULL) {
		struct parcel *parcel = LIST_ENTRY(first, struct parcel, link);

		for (size_t i = 0; i < parcel->fd_count; i++)
			(void)close(parcel->fds[i]);
		evbuffer_free(parcel->bytes);
		free(parcel);
	}
}

static void
shut(struct link *link)
{
	link->is_closed = true;
	event_free(link->readable);
	event_free(link->writable);
	for (size_t i = 0; i < link->received_count; i++)
		(void)close(link->received_fds[i]);
	link->received_count = 0;
	drop_parcels(link);
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
static void
break_link(struct link *link, const char *reason)
{
	if (link->is_closed)
		return;
	(void)snprintf(link->reason, sizeof(link->reason), "%s", reason);
	shut(link);
	loop_defer(link->loop, on_break, link);
}

/* ---- output ---- */

static void
write_plain(struct link *link)
{
	while (evbuffer_get_length(link->output) > 0)
		if (evbuffer_write(link->output, link->fd) <= 0)
			return;
}

/* The sockets of the first parcel leave with its first byte; the rest of its bytes are plain. */
static bool
send_parcel(struct link *link, struct parcel *parcel)
{
	char first;
	struct iovec io = {.iov_base = &first, .iov_len = 1};
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control};
	struct cmsghdr *header;

	message.msg_controllen = CMSG_SPACE(sizeof(int) * parcel->fd_count);
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int) * parcel->fd_count);
	memcpy(CMSG_DATA(header), parcel->fds, sizeof(int) * parcel->fd_count);
	(void)evbuffer_copyout(parcel->bytes, &first, 1);
	if (sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		return false;
	(void)evbuffer_drain(parcel->bytes, 1);
	for (size_t i = 0; i < parcel->fd_count; i++)
		(void)close(parcel->fds[i]);
	parcel->fd_count = 0;
	return true;
}

static void
flush_output(struct link *link)
{
	errno = 0;
	write_plain(link);
	while (evbuffer_get_length(link->output) == 0 && !list_is_empty(&link->parcels)) {
		struct parcel *parcel = LIST_ENTRY(link->parcels.next, struct parcel, link);

		if (parcel->fd_count > 0 && !send_parcel(link, parcel))
			break;
		(void)evbuffer_add_buffer(link->output, parcel->bytes);
		list_remove(&parcel->link);
		evbuffer_free(parcel->bytes);
		free(parcel);
		write_plain(link);
	}
	if (link_waiting_bytes(link) == 0)
		return;
	if (errno != 0 && errno != EAGAIN && errno != EINTR)
		break_link(link, errno == EPIPE ? "the other role is gone" : strerror(errno));
	else if (link_waiting_bytes(link) > WAITING_MAX)
		break_link(link, "the other role does not read");
	else
		(void)event_add(link->writable, NULL);
}

static void
on_flush(void *ctx)
{
	struct link *link = ctx;

	link->is_flush_due = false;
	if (!link->is_closed)
		flush_output(link);
}

static void
on_writable(int fd, short what, void *ctx)
{
	flush_output(ctx);
}

static void
flush_later(struct link *link)
{
	if (link->is_flush_due)
		return;
	link->is_flush_due = true;
	loop_defer(link->loop, on_flush, link);
}

static struct evbuffer *
tail(struct link *link)
{
	if (list_is_empty(&link->parcels))
		return link->output;
	return LIST_ENTRY(link->parcels.prev, struct parcel, link)->bytes;
}

/* Encodes header and message into the link's own buffer. */
static void
encode(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message, uint32_t more)
{
	struct frame_header header = {
	    .kind = (uint16_t)kind, .is_answer = is_answer, .request_id = request_id};
	struct buf *out = &link->encoding;

	ensure(message_is_allowed(kind, link->self, link->peer));
	buf_clear(out);
	buf_append(out, &header, sizeof(header));
	message_encode(kind, message, out);
	header.size = (uint32_t)(out->size - sizeof(header)) + more;
	ensure(header.size <= MESSAGE_SIZE_MAX);
	memcpy(out->bytes, &header, sizeof(header));
}

static void
send_frame(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message)
{
	if (link->is_closed)
		return;
	encode(link, kind, request_id, is_answer, message, 0);
	(void)evbuffer_add(tail(link), link->encoding.bytes, link->encoding.size);
	flush_later(link);
}

void
link_send(struct link *link, enum message_kind kind, const void *message)
{
	send_frame(link, kind, 0, false, message);
}

void
link_answer(struct link *link, uint32_t request_id, enum message_kind kind, const void *message)
{
	send_frame(link, kind, request_id, true, message);
}

void
link_send_with_fds(
    struct link *link, enum message_kind kind, const void *message, const int *fds, size_t fd_count)
{
	struct parcel *parcel;

	if (link->is_closed)
		return;
	ensure(fd_count > 0 && fd_count <= FDS_MAX);
	parcel = xcalloc(1, sizeof(*parcel));
	parcel->bytes = evbuffer_new();
	encode(link, kind, 0, false, message, 0);
	(void)evbuffer_add(parcel->bytes, link->encoding.bytes, link->encoding.size);
	for (size_t i = 0; i < fd_count; i++) {
		parcel->fds[i] = dup(fds[i]);
		ensure(parcel->fds[i] >= 0);
	}
	parcel->fd_count = fd_count;
	list_append(&link->parcels, &parcel->link);
	flush_later(link);
}

static void
on_slice_written(const void *bytes, size_t size, void *ctx)
{
	chunk_release(ctx);
}

void
link_send_body(struct link *link, uint64_t stream, bool is_last, const struct slice *slice)
{
	struct msg_body body = {.stream = stream, .is_last = is_last};
	uint32_t size = slice->chunk == NULL ? 0 : slice->size;
	struct evbuffer *out;

	if (link->is_closed)
		return;
	/* The bytes are the last field: the frame is written as if they were empty, then their size
	 * is put right and they follow by reference. */
	encode(link, MSG_BODY, 0, false, &body, size);
	memcpy(link->encoding.bytes + link->encoding.size - sizeof(size), &size, sizeof(size));
	out = tail(link);
	(void)evbuffer_add(out, link->encoding.bytes, link->encoding.size);
	if (size > 0)
		(void)evbuffer_add_reference(
		    out, slice_bytes(slice), size, on_slice_written, chunk_hold(slice->chunk));
	flush_later(link);
}

size_t
link_waiting_bytes(const struct link *link)
{
	size_t waiting = evbuffer_get_length(link->output);

	LIST_EACH (&link->parcels, at)
		waiting += evbuffer_get_length(LIST_ENTRY(at, struct parcel, link)->bytes);
	return waiting;
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
	send_frame(link, kind, id, false, message);
	return id;
}

void
link_cancel(struct link *link, uint32_t request_id)
{
	request_cancel(link->requests, request_id);
}

/* ---- input ---- */

static void
take_hello(struct link *link, const struct link_message *message)
{
	if (message->kind != MSG_HELLO) {
		break_link(link, "the first message is not HELLO");
		return;
	}
	if (strcmp(message->body->hello.build_id, message_build_id()) != 0) {
		break_link(link, "the other role is of another build");
		return;
	}
	link->peer_pid = (int)message->body->hello.pid;
}

static void
take_answer(struct link *link, uint32_t request_id, const struct link_message *message)
{
	if (request_answer(link->requests, request_id, message->kind, message->body) ==
	    REQUEST_WRONG_KIND)
		break_link(link, "an answer of the wrong kind");
}

static void
dispatch(struct link *link, const struct frame_header *header, const uint8_t *payload,
    struct chunk *frame, bool is_own_frame)
{
	union message body;
	struct err err;
	struct link_message message = {.kind = header->kind,
	    .request_id = header->is_answer ? 0 : header->request_id,
	    .body = &body,
	    .frame = frame,
	    .is_own_frame = is_own_frame};

	if (!message_is_allowed(message.kind, link->peer, link->self)) {
		(void)err_set(&err, "%s may not come from %s", message_name(message.kind),
		    role_name(link->peer));
		break_link(link, err.text);
	} else if (message_decode(message.kind, payload, header->size, &body, &err) != 0) {
		break_link(link, err.text);
	} else if (link->peer_pid == 0) {
		take_hello(link, &message);
	} else if (header->is_answer) {
		take_answer(link, header->request_id, &message);
	} else {
		link->callbacks.on_message(link, &message, link->ctx);
	}
}

/* A frame that is larger than what the scratch holds moves into a chunk of its own. */
static void
begin_large_frame(
    struct link *link, const struct frame_header *header, const uint8_t *payload, uint32_t there)
{
	link->frame_header = *header;
	link->frame = chunk_new(header->size);
	memcpy(link->frame->bytes, payload, there);
	link->frame->size = there;
}

/* Makes frames of what the scratch holds; what is left of a small frame moves to its start. */
static void
parse_scratch(struct link *link)
{
	struct chunk *scratch = link->scratch;
	uint32_t at = 0;

	while (!link->is_closed && scratch->size - at >= sizeof(struct frame_header)) {
		struct frame_header header;
		uint32_t there = scratch->size - at - (uint32_t)sizeof(header);

		memcpy(&header, scratch->bytes + at, sizeof(header));
		if (header.size > MESSAGE_SIZE_MAX) {
			break_link(link, "a frame over the limit");
			return;
		}
		if (header.size > there) {
			begin_large_frame(
			    link, &header, scratch->bytes + at + sizeof(header), there);
			at = scratch->size;
			break;
		}
		dispatch(link, &header, scratch->bytes + at + sizeof(header), scratch, false);
		at += (uint32_t)sizeof(header) + header.size;
	}
	memmove(scratch->bytes, scratch->bytes + at, scratch->size - at);
	scratch->size -= at;
}

static void
finish_frame(struct link *link)
{
	struct chunk *frame = link->frame;

	if (frame == NULL || frame->size < link->frame_header.size)
		return;
	link->frame = NULL;
	dispatch(link, &link->frame_header, frame->bytes, frame, true);
	chunk_release(frame);
}

static void
keep_fds(struct link *link, struct msghdr *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at != NULL;
	     at = CMSG_NXTHDR(message, at)) {
		size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(at) + i * sizeof(int), sizeof(int));
			if (link->received_count < FDS_MAX)
				link->received_fds[link->received_count++] = fd;
			else
				(void)close(fd);
		}
	}
}

static ssize_t
receive(struct link *link, struct iovec *io, size_t io_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	struct msghdr message = {.msg_iov = io, .msg_iovlen = io_count};
	ssize_t got;

	if (link->peer != ROLE_PARENT)
		return readv(link->fd, io, (int)io_count);
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	got = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC);
	if (got > 0)
		keep_fds(link, &message);
	return got;
}

/* Reads the rest of the large frame, if there is one, and what follows it. False: no more now. */
static bool
read_once(struct link *link)
{
	struct iovec io[2];
	size_t count = 0, wanted = 0, room;
	struct chunk *frame = link->frame, *scratch = link->scratch;
	ssize_t got;

	if (frame != NULL) {
		wanted = link->frame_header.size - frame->size;
		io[count++] = (struct iovec){frame->bytes + frame->size, wanted};
	}
	room = scratch->capacity - scratch->size;
	io[count++] = (struct iovec){scratch->bytes + scratch->size, room};
	got = receive(link, io, count);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		break_link(link, got == 0 ? "the other role is gone" : strerror(errno));
		return false;
	}
	if (frame != NULL)
		frame->size += (size_t)got < wanted ? (uint32_t)got : (uint32_t)wanted;
	if ((size_t)got > wanted)
		scratch->size += (uint32_t)((size_t)got - wanted);
	finish_frame(link);
	if (!link->is_closed && link->frame == NULL)
		parse_scratch(link);
	return !link->is_closed && (size_t)got == wanted + room;
}

static void
on_readable(int fd, short what, void *ctx)
{
	struct link *link = ctx;

	for (int i = 0; i < READS_A_TURN; i++)
		if (!read_once(link))
			return;
}

/* ---- the contract ---- */

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
	link->requests = request_table_new(loop);
	link->output = evbuffer_new();
	link->scratch = chunk_new(SCRATCH_SIZE);
	list_init(&link->parcels);
	(void)evutil_make_socket_nonblocking(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	link->readable = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(loop_base(loop), fd, EV_WRITE, on_writable, link);
	ensure(link->output != NULL && link->readable != NULL && link->writable != NULL);
	(void)event_add(link->readable, NULL);
	send_hello(link);
	return link;
}

void
link_close(struct link *link)
{
	link->is_let_go = true;
	if (!link->is_closed)
		flush_output(link);
	break_link(link, "closed");
}

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
