/*
 * link_private - a link's inside, for the files that make it up
 *
 * link.c opens and ends it and keeps the requests, link_out.c sends frames, link_in.c reads them.
 * Nobody else includes this.
 *
 * A frame is a header of 12 bytes and a payload. Sockets (SCM_RIGHTS) travel only from the parent;
 * they come with the first byte of their frame, and the frame says how many they are.
 */
#ifndef POSTERN_CORE_LINK_PRIVATE_H
#define POSTERN_CORE_LINK_PRIVATE_H

#include "common/buf.h"
#include "common/list.h"
#include "daemon/core/link.h"
#include "daemon/core/loop.h"

#include <event2/buffer.h>
#include <event2/event.h>

#define LINK_FDS_MAX 250
#define RECEIVED_FDS_MAX (2 * LINK_FDS_MAX)

struct frame_header {
	uint32_t size; /* of the payload */
	uint16_t kind;
	uint16_t is_answer;
	uint32_t request_id;
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
	struct timer *retry; /* of a flush, or of one that may wait */
	struct request_table *requests;

	struct evbuffer *output;
	struct list parcels; /* behind `output`, oldest first */
	struct buf encoding;
	bool is_flush_due;
	bool is_first; /* to be flushed, of those that are due */

	struct chunk *scratch; /* bytes not yet made into frames */
	struct chunk *frame;   /* a large frame that is being read */
	struct frame_header frame_header;
	bool reads_large; /* the last frame was large */
	int received_fds[RECEIVED_FDS_MAX];
	size_t received_count;

	bool has_secrets; /* among what the two roles say to each other */
	bool is_closed;
	bool is_let_go;   /* by link_close(): the owner wants to hear no more */
	char reason[256]; /* of a close that is to be told */
};

/* Ends the link and says so in a later turn. */
void link_break(struct link *link, const char *reason);

/* link_out.c */
void link_send_frame(struct link *link, enum message_kind kind, uint32_t request_id, bool is_answer,
    const void *message);
/* Writes what waits as far as the socket takes it. */
void link_flush(struct link *link);
/* Closes the sockets that have not left. */
void link_drop_output(struct link *link);
void link_on_writable(int fd, short what, void *ctx);
void link_on_retry(void *ctx);

/* link_in.c */
/* Wipes what is in it first if it may be a secret. */
void link_release_frame(const struct link *link, struct chunk *frame);
void link_on_readable(int fd, short what, void *ctx);

#endif
