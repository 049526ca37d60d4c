/*
 * upstream_private - an upstream's inside, for the files that make it up
 *
 * upstream.c has the settings, what waits, and who finds a connection for it; upstream_open.c says
 * when one is opened; upstream_slot.c the life of one; upstream_pace.c moves bodies, within the
 * bandwidth; slot_transcript.c writes down what is said. Nobody else includes this.
 */
#ifndef POSTERN_RELAY_UPSTREAM_PRIVATE_H
#define POSTERN_RELAY_UPSTREAM_PRIVATE_H

#include "common/list.h"
#include "daemon/core/loop.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/connects.h"
#include "daemon/relay/pace.h"
#include "daemon/relay/rework.h"
#include "daemon/relay/suspects.h"
#include "daemon/relay/transcript.h"
#include "daemon/relay/upstream.h"

#define URGENT 2 /* and below: priorities that wait for no connection that was opened for another */

#define UNKNOWN_MAX 3 /* replies in a row that say nothing: the account sends too fast */

struct upstreams {
	struct upstreams_settings settings;
	struct list all;
	bool is_draining;
};

struct upstream {
	struct list link;
	struct upstreams *set;
	uint64_t profile_id;
	struct profile *profile; /* NULL: to be fetched */
	uint32_t fetch;          /* the request, 0: none */
	struct list waiting;     /* deliveries, by priority, then in the order they came */
	size_t waiting_count;
	size_t reworked_count; /* deliveries that mime has, and that have no connection */
	bool has_urgent;       /* one came since connections were opened */
	bool is_followed;      /* queue has more behind what came last, and a connection for it */
	int64_t ahead_at_ms;   /* none is opened ahead before that; 0: no limit */
	struct list slots;
	size_t slot_count, opening_count;
	struct timer *again;        /* to fetch, or to open more connections */
	unsigned messages_taken;    /* on one connection before it had enough; 0: never */
	struct connects connects;   /* within the profile's rate */
	struct timer *next_connect; /* when it allows one */
	struct pace pace;
	struct timer *move; /* bodies */
	/* Messages in a row that heard a 4xx which says nothing. */
	unsigned unknown_count;
	uint64_t unknown_ids[UNKNOWN_MAX];
	struct suspects suspects;
};

/* A connection and what it carries. */
struct slot {
	struct list link;
	struct upstream *upstream;
	struct channel *channel;
	struct delivery *delivery;
	struct pace_transfer transfer; /* of its body */
	struct timer *idle;
	unsigned sent_count, messages_max; /* 0: any number */
	int64_t sending_ms;                /* that these took in all */
	bool is_opening, is_last_message;
	enum transcript_policy keeps; /* which transcripts */
	struct transcript transcript;
};

static inline struct loop *
upstream_loop(const struct upstream *upstream)
{
	return upstream->set->settings.role->loop;
}

/* Finds a connection for what waits, or makes one. */
void upstream_dispatch(struct upstream *upstream);
void upstream_wait(struct upstream *upstream, struct delivery *delivery);
/* NULL: nothing waits. */
struct delivery *upstream_first_waiting(const struct upstream *upstream);
struct delivery *upstream_take_waiting(struct upstream *upstream);
/* Everything that waits shares the problem, so that queue hears of it at once. */
void upstream_fail_waiting(struct upstream *upstream, const struct verdict *verdict,
    const struct reply *reply, const char *reason, const struct channel_facts *facts);
/* The same, and connections that do nothing are closed: the upstream wants to be left alone. */
void upstream_put_off(struct upstream *upstream, const struct verdict *verdict,
    const struct reply *reply, const char *reason, const struct channel_facts *facts);

/* ---- upstream_open.c ---- */

/* As many connections as wait for one, up to the profile's number. */
void upstream_open_slots(struct upstream *upstream);
/* A message begins on the connection: if that will soon have had enough, the next one is opened. */
void upstream_open_ahead(struct upstream *upstream, const struct slot *ending);
/* One that was opened ahead could not be made. */
void upstream_note_refused_ahead(struct upstream *upstream);
/* And the account has to wait for what was said: a message that is on its way takes that to queue. */
void upstream_tell_refused_ahead(
    struct upstream *upstream, const struct client_end *end, const char *reason);

/* ---- upstream_slot.c ---- */

void slot_open(struct upstream *upstream);
/* Messages that it may have behind so many; UINT_MAX: no limit. */
unsigned slot_places_behind(const struct slot *slot, unsigned count);
void slot_begin(struct slot *slot, struct delivery *delivery);
/* mime is done with what the connection waits for, or can't. */
void slot_go_on(struct slot *slot, struct delivery *delivery, enum rework_end end);
/* It takes the next message, or waits for one. */
void slot_be_free(struct slot *slot);
/* mime, which it needs, does not run. */
void upstream_fail_absent(struct delivery *delivery);
/* Of deliveries that were given to mime. */
void upstream_on_rework(struct delivery *delivery, enum rework_end end);
/* Ends the connection, with QUIT or at once; the slot is freed in a later turn. */
void slot_finish(struct slot *slot);
void slot_abandon(struct slot *slot);

/* slot_transcript.c */

/* The connection begins. */
void slot_open_transcript(struct slot *slot);
void slot_note_step(struct slot *slot, const struct channel_step *step);
/* The host can't be used, and the next one is tried. */
void slot_note_host(struct slot *slot, const struct client_end *end);
void slot_note_line(struct slot *slot, bool is_sent, const char *line);
/* A transaction begins. */
void slot_begin_transcript(struct slot *slot);
/* It has its verdict: what was said goes along with the delivery, if that is wanted. */
void slot_give_transcript(struct slot *slot, struct delivery *delivery);
/* The connection never became ready, for which the delivery fails. */
void slot_give_failure(struct slot *slot, const struct client_end *end, struct delivery *delivery);

/* upstream_pace.c */

/* The bodies that can move and may. */
void upstream_move(struct upstream *upstream);
void upstream_set_bandwidth(struct upstream *upstream, uint64_t rate);
/* From the connection to the end of the body; what comes between is moved. */
void slot_join_transfers(struct slot *slot);
void slot_move_body(struct slot *slot);
void slot_leave_transfers(struct slot *slot);

#endif
