/*
 * link - framed messages between two roles, over a socketpair
 *
 * Owns     its socket; a frame until the callback has returned
 * Context  loop
 * Units    milliseconds, bytes
 * Fails    a bad frame, another build at the other end, a peer that is gone or does not read
 *          (64 MiB wait for it): on_closed, once, in a later turn than the call that caused it
 *
 * Frames of one turn leave together at its end. Nothing here ever stops reading: who sends a body
 * counts its credit. A request has one answer and one deadline; when the link goes, every request
 * that waits on it ends with no answer.
 */
#ifndef POSTERN_CORE_LINK_H
#define POSTERN_CORE_LINK_H

#include "common/chunk.h"
#include "daemon/core/messages.h"

struct loop;
struct link;

struct link_message {
	enum message_kind kind;
	uint32_t request_id; /* to be given to link_answer(); 0: nobody waits for an answer */
	const union message *body;
	/* for link_message_slice() */
	struct chunk *frame;
	bool is_own_frame;
};

struct link_callbacks {
	/* A message that is no answer to a request of ours. It has been decoded and may be sent in
	 * this direction. */
	void (*on_message)(struct link *link, const struct link_message *message, void *ctx);
	/* The last callback. The link is freed after it has returned. */
	void (*on_closed)(struct link *link, const char *reason, void *ctx);
};

/* Takes the socket, sends HELLO. Messages sent before the peer's HELLO are on their way already. */
struct link *link_open(struct loop *loop, int fd, enum role self, enum role peer,
    unsigned peer_index, const struct link_callbacks *callbacks, void *ctx);
/* Ends the link without on_closed; waiting requests end with no answer. The link is freed in a
 * later turn. What was sent before is written as far as the socket takes it. */
void link_close(struct link *link);
/* Takes at once what the peer wrote before it ended. Callbacks run inside it. */
void link_read_rest(struct link *link);

/* Leaves with whatever else is sent, or by itself within 10 ms: nobody waits for it. */
void link_send_lazily(struct link *link, enum message_kind kind, const void *message);
/* What is sent here leaves before what was sent to others in the same turn: somebody waits for it
 * at the other end. */
void link_set_first(struct link *link);

/* The peer broke the contract of what it says: the link ends, on_closed follows in a later turn. */
void link_fail(struct link *link, const char *reason);

enum role link_peer(const struct link *link);
unsigned link_peer_index(const struct link *link);
/* 0 until the peer's HELLO has come. */
int link_peer_pid(const struct link *link);

/* `message` is the struct msg_… of `kind`. */
void link_send(struct link *link, enum message_kind kind, const void *message);
/* The sockets are duplicated: the caller's stay the caller's. At most 250 at a time. */
void link_send_with_fds(struct link *link, enum message_kind kind, const void *message,
    const int *fds, size_t fd_count);
/* BODY out of a slice, without a copy; holds the slice until it is sent. */
void link_send_body(struct link *link, uint64_t stream, bool is_last, const struct slice *slice);
/* The socket that came with the message being handled (gives); -1: there is none. */
int link_take_fd(struct link *link);

/* `answer` is NULL when the deadline passed or the link went; it lives until the callback
 * returns. Runs in a later turn than link_request(). */
typedef void (*link_answer_fn)(const union message *answer, void *ctx);
/* Returns the request's id, never 0. */
uint32_t link_request(struct link *link, enum message_kind kind, const void *message,
    int64_t deadline_ms, link_answer_fn on_answer, void *ctx);
/* on_answer will not be called. An id that is gone is allowed. */
void link_cancel(struct link *link, uint32_t request_id);
void link_answer(
    struct link *link, uint32_t request_id, enum message_kind kind, const void *message);

/* A slice of the message's frame that outlives the callback: holds the frame when it has one of
 * its own, otherwise a copy. The caller releases it. */
struct slice link_message_slice(const struct link_message *message, struct msg_bytes bytes);

/* Bytes sent but not yet taken by the socket. */
size_t link_waiting_bytes(const struct link *link);

#endif
