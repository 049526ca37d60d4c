/*
 * link_in - reads frames.
 *
 * Small frames are read, many at a time, into a scratch buffer that belongs to the link. A frame
 * that does not fit into what is left there gets a chunk of its own, and the rest of it is read
 * from the socket straight into that chunk, so that a body can wait for its commit and travel on
 * without having been copied.
 */
#include "common/err.h"
#include "daemon/core/link_private.h"
#include "daemon/core/request.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define READS_A_TURN 8 /* then the other events of the loop get their turn */
/* Behind a large frame comes another one, mostly: what is read of it before its chunk is there has to
 * be copied into that. So it is no more than this, until a small one has come. */
#define LARGE_FRAME_BYTES 16384
#define READ_AHEAD_BYTES 4096

/* ---- one message ---- */

static void
take_hello(struct link *link, const struct link_message *message)
{
	if (message->kind != MSG_HELLO) {
		link_break(link, "the first message is not HELLO");
		return;
	}
	if (strcmp(message->body->hello.build_id, message_build_id()) != 0) {
		link_break(link, "the other role is of another build");
		return;
	}
	link->peer_pid = (int)message->body->hello.pid;
}

static void
take_answer(struct link *link, uint32_t request_id, const struct link_message *message)
{
	if (request_answer(link->requests, request_id, message->kind, message->body) ==
	    REQUEST_WRONG_KIND)
		link_break(link, "an answer of the wrong kind");
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
		link_break(link, err.text);
	} else if (message_decode(message.kind, payload, header->size, &body, &err) != 0) {
		link_break(link, err.text);
	} else if (link->peer_pid == 0) {
		take_hello(link, &message);
	} else if (header->is_answer) {
		take_answer(link, header->request_id, &message);
	} else {
		link->callbacks.on_message(link, &message, link->ctx);
	}
}

/* ---- frames out of bytes ---- */

/* A frame that is larger than what the scratch holds moves into a chunk of its own. */
static void
begin_large_frame(
    struct link *link, const struct frame_header *header, const uint8_t *payload, uint32_t there)
{
	link->frame_header = *header;
	link->frame = chunk_new(header->size);
	memcpy(link->frame->bytes, payload, there);
	link->frame->size = there;
	link->reads_large = header->size >= LARGE_FRAME_BYTES;
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
			link_break(link, "a frame over the limit");
			return;
		}
		if (header.size > there) {
			begin_large_frame(
			    link, &header, scratch->bytes + at + sizeof(header), there);
			at = scratch->size;
			break;
		}
		link->reads_large = false;
		dispatch(link, &header, scratch->bytes + at + sizeof(header), scratch, false);
		at += (uint32_t)sizeof(header) + header.size;
	}
	memmove(scratch->bytes, scratch->bytes + at, scratch->size - at);
	scratch->size -= at;
	if (link->has_secrets)
		explicit_bzero(scratch->bytes + scratch->size, at);
}

/* Whoever holds a frame beyond its message holds a body, which is no secret. */
void
link_release_frame(const struct link *link, struct chunk *frame)
{
	if (frame != NULL && link->has_secrets && frame->references == 1)
		explicit_bzero(frame->bytes, frame->size);
	chunk_release(frame);
}

static void
finish_frame(struct link *link)
{
	struct chunk *frame = link->frame;

	if (frame == NULL || frame->size < link->frame_header.size)
		return;
	link->frame = NULL;
	dispatch(link, &link->frame_header, frame->bytes, frame, true);
	link_release_frame(link, frame);
}

/* ---- reading ---- */

/* Those of two messages at the most: the read that ends one may have begun the next. */
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
			if (link->received_count < RECEIVED_FDS_MAX)
				link->received_fds[link->received_count++] = fd;
			else
				(void)close(fd);
		}
	}
	if ((message->msg_flags & MSG_CTRUNC) != 0)
		link_break(link, "sockets were lost on the way: too many open files");
}

static ssize_t
receive(struct link *link, struct iovec *io, size_t io_count)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
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
	if (link->reads_large && room > READ_AHEAD_BYTES)
		room = READ_AHEAD_BYTES;
	io[count++] = (struct iovec){scratch->bytes + scratch->size, room};
	got = receive(link, io, count);
	if (link->is_closed)
		return false;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		link_break(link, got == 0 ? "the other role is gone" : strerror(errno));
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

void
link_read_rest(struct link *link)
{
	while (!link->is_closed && read_once(link))
		continue;
}

void
link_on_readable(int fd, short what, void *ctx)
{
	struct link *link = ctx;

	for (int i = 0; i < READS_A_TURN; i++)
		if (!read_once(link))
			return;
}
