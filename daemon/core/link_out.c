/*
 * link_out - sends frames: what is sent in one turn of the loop is written at its end, in one system
 * call where it fits
 */
#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/link_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define WAITING_MAX (64u << 20)
#define RETRY_MS 10
#define LAZY_MS 10

/* Output that leaves together with sockets, or plain output behind it. */
struct parcel {
	struct list link;
	struct evbuffer *bytes;
	int fds[LINK_FDS_MAX];
	size_t fd_count;
};

size_t
link_waiting_bytes(const struct link *link)
{
	size_t waiting = evbuffer_get_length(link->output);

	LIST_EACH (&link->parcels, at)
		waiting += evbuffer_get_length(LIST_ENTRY(at, struct parcel, link)->bytes);
	return waiting;
}

void
link_drop_output(struct link *link)
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

/* ---- writing ---- */

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
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
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

void
link_flush(struct link *link)
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
	/* The peer has ended: reading ends the link, behind what it said last. */
	if (errno == EPIPE || errno == ECONNRESET)
		return;
	/* More sockets are under way, to all peers together, than this process may have open: they
	 * leave as the peers take theirs, and nothing says when. */
	if (errno == ETOOMANYREFS)
		timer_set(link->retry, RETRY_MS);
	else if (errno != 0 && errno != EAGAIN && errno != EINTR)
		link_break(link, strerror(errno));
	else if (link_waiting_bytes(link) > WAITING_MAX)
		link_break(link, "the other role does not read");
	else
		(void)event_add(link->writable, NULL);
}

static void
on_flush(void *ctx)
{
	struct link *link = ctx;

	link->is_flush_due = false;
	if (!link->is_closed)
		link_flush(link);
}

void
link_on_writable(int fd, short what, void *ctx)
{
	link_flush(ctx);
}

void
link_on_retry(void *ctx)
{
	struct link *link = ctx;

	if (!link->is_closed)
		link_flush(link);
}

void
link_set_first(struct link *link)
{
	link->is_first = true;
}

static void
flush_later(struct link *link)
{
	if (link->is_flush_due)
		return;
	link->is_flush_due = true;
	if (link->is_first)
		loop_defer_first(link->loop, on_flush, link);
	else
		loop_defer(link->loop, on_flush, link);
}

/* ---- frames ---- */

static struct evbuffer *
tail(struct link *link)
{
	if (list_is_empty(&link->parcels))
		return link->output;
	return LIST_ENTRY(link->parcels.prev, struct parcel, link)->bytes;
}

/* Encodes header and message; `more` bytes will follow them. */
static void
encode(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message, uint32_t more, struct buf *out)
{
	struct frame_header header = {
	    .kind = (uint16_t)kind, .is_answer = is_answer, .request_id = request_id};

	ensure(message_is_allowed(kind, link->self, link->peer));
	buf_clear(out);
	buf_append(out, &header, sizeof(header));
	message_encode(kind, message, out);
	header.size = (uint32_t)(out->size - sizeof(header)) + more;
	ensure(header.size <= MESSAGE_SIZE_MAX);
	memcpy(out->bytes, &header, sizeof(header));
}

static void
on_secret_written(const void *bytes, size_t size, void *ctx)
{
	explicit_bzero(ctx, size);
	free(ctx);
}

/* The frame has one copy, made in its final size so that none is left behind by growing. */
static void
add_secret(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message)
{
	struct buf frame = {0};

	buf_reserve(&frame, sizeof(struct frame_header) + message_size(kind, message));
	encode(link, kind, request_id, is_answer, message, 0, &frame);
	(void)evbuffer_add_reference(
	    tail(link), frame.bytes, frame.size, on_secret_written, frame.bytes);
}

static void
add_frame(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message)
{
	if (message_has_secrets(kind)) {
		add_secret(link, kind, request_id, is_answer, message);
	} else {
		encode(link, kind, request_id, is_answer, message, 0, &link->encoding);
		(void)evbuffer_add(tail(link), link->encoding.bytes, link->encoding.size);
	}
}

void
link_send_frame(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message)
{
	if (link->is_closed)
		return;
	add_frame(link, kind, request_id, is_answer, message);
	flush_later(link);
}

void
link_send_lazily(struct link *link, enum message_kind kind, const void *message)
{
	if (link->is_closed)
		return;
	add_frame(link, kind, 0, false, message);
	if (!link->is_flush_due && !timer_is_set(link->retry))
		timer_set(link->retry, LAZY_MS);
}

void
link_send(struct link *link, enum message_kind kind, const void *message)
{
	link_send_frame(link, kind, 0, false, message);
}

static bool
copy_sockets(struct parcel *parcel, const int *fds, size_t fd_count)
{
	for (size_t i = 0; i < fd_count; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);

		if (copy < 0)
			return false;
		parcel->fds[parcel->fd_count++] = copy;
	}
	return true;
}

/* Leaves at once if it can: thousands of sockets for many peers, all copied before the first one
 * has left, are more than a process may have open. */
void
link_send_with_fds(
    struct link *link, enum message_kind kind, const void *message, const int *fds, size_t fd_count)
{
	struct parcel *parcel;

	if (link->is_closed)
		return;
	ensure(fd_count > 0 && fd_count <= LINK_FDS_MAX);
	parcel = xcalloc(1, sizeof(*parcel));
	parcel->bytes = evbuffer_new();
	encode(link, kind, 0, false, message, 0, &link->encoding);
	(void)evbuffer_add(parcel->bytes, link->encoding.bytes, link->encoding.size);
	list_append(&link->parcels, &parcel->link);
	if (copy_sockets(parcel, fds, fd_count))
		link_flush(link);
	else
		link_break(link, "too many open files to hand sockets over");
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
	encode(link, MSG_BODY, 0, false, &body, size, &link->encoding);
	memcpy(link->encoding.bytes + link->encoding.size - sizeof(size), &size, sizeof(size));
	out = tail(link);
	(void)evbuffer_add(out, link->encoding.bytes, link->encoding.size);
	if (size > 0)
		(void)evbuffer_add_reference(
		    out, slice_bytes(slice), size, on_slice_written, chunk_hold(slice->chunk));
	flush_later(link);
}
