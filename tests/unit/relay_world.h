/*
 * relay_world - a relay role of its own in a child process, and everybody it talks to
 *
 * The test is parent, accounts, queue and control; the upstream is a small server on a thread that
 * follows a script. Every wait has a limit.
 */
#ifndef POSTERN_TESTS_RELAY_WORLD_H
#define POSTERN_TESTS_RELAY_WORLD_H

#include "common/clock.h"
#include "daemon/core/link.h"
#include "daemon/core/loop.h"
#include "daemon/core/values.h"
#include "tests/lib/scratch.h"

#include <pthread.h>
#include <sys/types.h>

/* ---- the upstream ---- */

enum upstream_act {
	ACT_REPLY,
	ACT_CLOSE,  /* after the reply, if there is one */
	ACT_SILENT, /* no answer from then on */
};

struct upstream_row {
	const char *
	    prefix; /* of the command; "" the greeting, "." the final dot, "BDAT" the end of a chunk */
	const char *reply; /* NULL: none */
	enum upstream_act act;
};

struct upstream_server {
	const struct upstream_row *script; /* ends with a NULL prefix; what it leaves open is 250 */
	int listener;
	uint16_t port;
	pthread_t thread;
	pthread_mutex_t lock;
	struct buf commands; /* every line of all connections */
	struct buf data;  /* what came between 354 and the final dot, dot-stuffed, and in chunks */
	unsigned grouped; /* messages whose BDAT came with MAIL */
	bool is_blind_to_chunks; /* their octets are read as commands */
	unsigned connections, messages;
	const char *enough;  /* the reply to a third MAIL on a connection; NULL: it is taken */
	bool keeps_none;     /* it hangs up at a second MAIL on a connection, without a word */
	unsigned open_max;   /* more connections at once are refused; 0: none is */
	unsigned open_count; /* connections that are not over */
	unsigned connections_awaited; /* a message is not taken before there were so many */
	pthread_cond_t changed;       /* how many there are, or were */
};

void upstream_server_start(struct upstream_server *server, const struct upstream_row *script);
/* When the role is gone: waits for the connections to end. */
void upstream_server_stop(struct upstream_server *server);

/* ---- the role ---- */

struct relay_world {
	struct loop *loop;
	pid_t pid;
	char directory[SCRATCH_SIZE];                            /* capture_dir */
	struct link *parent, *accounts, *queue, *control, *mime; /* mime: relay_world_link_mime() */
	bool is_drained;

	struct msg_profile profile; /* what accounts answers */
	unsigned fetches;
	uint8_t priority;    /* of the next attempts; 3 at first */
	uint64_t message_id; /* of the next attempts; 0: each its own */
	bool has_8bit;
	bool is_followed; /* the next attempts */

	/* what queue heard */
	unsigned in_flight, in_flight_attempts;
	unsigned reports;
	uint32_t credit;
	bool acknowledges;
	struct report_seen {
		uint64_t attempt;
		enum attempt_outcome outcome;
		bool is_alerted;
		unsigned fate_count;
		struct {
			enum fate fate;
			uint16_t code;
			char reply[256];
		} fates[8];
		char reason[1024];
		char transcript[4096]; /* its beginning */
		char upstream[320];
	} seen[256];

	/* what mime heard */
	unsigned orders; /* REWORK */
	struct {
		uint64_t stream, size;
		uint32_t request_id;
		bool to_7bit;
		char from[256], signature[256];
	} order; /* the last one */
	struct buf mime_body;
	bool is_mime_body_whole;
	uint32_t mime_credit; /* given back by relay */
	unsigned aborts;
	unsigned alerts; /* that accounts heard */

	/* what control heard */
	unsigned status;
	char result[8192];
};

void relay_world_start(struct relay_world *world, uint16_t port);
/* The same, and what the role waits for by a timer comes so many times as soon. */
void relay_world_start_hurried(struct relay_world *world, uint16_t port, unsigned times);
/* Ends the role by a drain; asserts that it exits with 0. */
void relay_world_stop(struct relay_world *world);

/* A new link to queue, as after its restart. */
void relay_world_link_queue(struct relay_world *world);
/* An attempt at `recipients` (separated by commas), with a body in pieces of 64 KiB. */
void relay_world_deliver(
    struct relay_world *world, uint64_t attempt, const char *recipients, struct msg_bytes body);
/* DELIVER alone. */
void relay_world_begin(
    struct relay_world *world, uint64_t attempt, const char *recipients, uint64_t size);
/* mime is there. Closing the link is its death. */
void relay_world_link_mime(struct relay_world *world);
/* mime answers the last order, and sends as much of the body as credit allows. */
void relay_world_rework(
    struct relay_world *world, enum rework_outcome outcome, struct msg_bytes body);
/* A call of control; `status` is 0 until the answer comes. */
void relay_world_ask(struct relay_world *world, const char *path, const char *body);
/* The same, and the answer has come. */
void relay_world_call(struct relay_world *world, const char *path, const char *body);

/* Until the role has seen everything that was sent before. */
void relay_world_settle(struct relay_world *world);

/* Turns until the condition holds; fails after 10 s. */
#define WAIT_UNTIL(world, condition)                                                               \
	for (int64_t until_ms_ = clock_monotonic_ms() + 60000; !(condition);) {                    \
		assert_true(clock_monotonic_ms() < until_ms_);                                     \
		loop_turn((world)->loop, 10);                                                      \
	}

#endif
