/*
 * queue_world - a queue role in a process of its own, between fake roles
 *
 * Owns     the process, its state directory, the links
 *
 * The test is parent, smtpd, accounts, relay and control at once. It can kill the queue and start
 * it again on the same directory.
 */
#ifndef POSTERN_TESTS_QUEUE_WORLD_H
#define POSTERN_TESTS_QUEUE_WORLD_H

#include "daemon/core/link.h"
#include "daemon/core/loop.h"
#include "daemon/core/values.h"
#include "tests/lib/scratch.h"

#include <stdbool.h>
#include <sys/types.h>

#define WORLD_DELIVERIES_MAX 64

/* What the fake relay was given. */
struct world_delivery {
	uint64_t message_id, attempt, profile_id;
	char sender[256];
	char recipients[512]; /* separated by blanks */
	unsigned recipient_count;
	uint8_t priority;
	bool has_wishes;
	struct rec_wishes wishes; /* without its text */
	char envid[128];
	uint8_t notify; /* the last recipient's */
	char orcpt[128];
	struct buf body;
	bool is_whole;
	bool is_followed;
	bool is_acknowledged;
};

struct queue_world {
	struct loop *loop;
	char directory[SCRATCH_SIZE];
	pid_t pid;
	struct link *parent, *smtpd, *accounts, *relay, *control;
	bool is_ready;
	char problem[512];
	uint64_t next_id, end_id; /* of the block that the smtpd was given */
	enum intake_state intake;
	bool has_committed;
	enum commit_outcome committed;
	unsigned commits, stored;          /* how many were answered, and so */
	struct msg_user_limit limit;       /* the last that was told */
	uint32_t messages_per_hour;        /* of the user; 0: no limit */
	const char *retry, *bounce_sender; /* of the profile; NULL: none */
	bool is_uncertain_held;            /* the same */
	int64_t expires_at_ms;             /* of the commits */
	uint32_t credit_bytes;
	const struct rec_wishes *wishes; /* of what is submitted; NULL: none */
	const char *sender;              /* the same */
	const char *from_address;        /* NULL: From: has none that counts */
	uint8_t notify;                  /* of all its recipients */
	const char *orcpt;
	bool has_dsn; /* what is reported as delivered */
	unsigned acknowledged;
	struct world_delivery deliveries[WORLD_DELIVERIES_MAX];
	unsigned delivery_count;
	unsigned alerts;
	char alert[256]; /* the last one: kind, address, detail */
	bool has_result;
	unsigned status;
	char *result;
	bool has_waiting;
	struct msg_waiting waiting; /* the last that was told; all 0: there was no answer */
};

void world_init(struct queue_world *world);
void world_fini(struct queue_world *world);
/* Starts the process and its links, waits for READY; false with world->problem. `retry` is the
 * config's queue.retry, NULL: the default. */
bool world_start(struct queue_world *world, const char *more_config);
void world_kill(struct queue_world *world);
/* A new relay, which has these attempts in flight. */
void world_connect_relay(struct queue_world *world, const struct rec_attempt *attempts, unsigned n);
/* It doesn't say yet what it has. */
void world_connect_relay_unready(struct queue_world *world);
/* A new smtpd in place of the last one, with ids of its own. */
void world_connect_smtpd(struct queue_world *world);
void world_drop_relay(struct queue_world *world);
/* One profile (id 5, "office": two messages at once, and an urgent one) and one user (id 7, "shop" of "web"). */
void world_send_routes(struct queue_world *world, uint32_t version);

/* One more row; texts that are NULL are "". */
void world_send_row(struct queue_world *world, const struct msg_route *row);

bool world_wait(struct queue_world *world, bool (*is_true)(struct queue_world *world));
bool world_wait_deliveries(struct queue_world *world, unsigned count);
/* Turns the loop for so long: what should not come would have come. */
void world_settle(struct queue_world *world, int64_t ms);

/* Sends a message of `size` bytes for r0 … and waits for COMMITTED; gives its id. */
uint64_t world_submit(
    struct queue_world *world, unsigned recipients, size_t size, uint8_t priority);
/* Without waiting. */
void world_begin_submit(
    struct queue_world *world, unsigned recipients, size_t size, uint8_t priority);
/* Files below bodies/. */
unsigned world_count_bodies(struct queue_world *world);
void world_report(struct queue_world *world, const struct world_delivery *delivery,
    const enum fate *fates, unsigned count);
/* The fate of one recipient alone, which the attempt was for. */
void world_report_of(struct queue_world *world, const struct world_delivery *delivery,
    uint16_t index, enum fate fate);
void world_report_trouble(
    struct queue_world *world, const struct world_delivery *delivery, enum attempt_outcome outcome);
/* The answer's body is world->result. */
unsigned world_call(
    struct queue_world *world, const char *method, const char *path, const char *body);
/* What the queue tells accounts of a profile's mail is world->waiting then. */
void world_ask_waiting(struct queue_world *world, uint64_t profile_id);

#endif
