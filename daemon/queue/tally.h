/*
 * tally - how many messages of whom there are, in which states, and under which names they came
 *
 * Role     queue; the store counts here what it writes, so that nobody counts rows
 * Owns     a user for each that has or had mail
 * Context  storage thread
 *
 * What there is when the store is opened is counted along the index message_order, some at a time and
 * between transactions, while others come, move and go. A message counts if its place lies before the
 * one that the count has reached; so whoever comes to a place beyond it, or leaves one there, changes
 * nothing yet: the count will meet what is there then.
 *
 * What was noted since the last tally_keep() can be undone, as the transaction that it tells of.
 */
#ifndef POSTERN_QUEUE_TALLY_H
#define POSTERN_QUEUE_TALLY_H

#include "daemon/queue/idmap.h"
#include "daemon/queue/mail.h"

#define TALLY_STATES (MAIL_LIMITED + 1)
#define TALLY_PRIORITIES 5

/* What listings tell apart, and find with one range of an index. */
struct tally_class {
	uint64_t user_id;
	uint8_t state;    /* enum mail_state */
	bool has_time;    /* next_at is set */
	uint8_t priority; /* with a time all are counted as 1 */
};

/* Where a message stands in message_order, as the row has it: a damaged one has anything. */
struct tally_place {
	int64_t state, next_at_ms, user_id, priority, id;
};

struct tally_name {
	char *login, *list;
};

struct tally_user {
	uint64_t id;
	uint64_t total;
	uint32_t counts[TALLY_STATES][2][TALLY_PRIORITIES]; /* [1]: has_time */
	struct tally_name *names;                           /* the newest last */
	uint32_t name_count;
};

struct tally_change;

struct tally {
	struct idmap users;
	struct tally_place reached; /* while is_counting */
	bool is_counting;
	struct tally_change *changes; /* to be undone, maybe */
	size_t change_count, change_capacity;
};

void tally_init(struct tally *tally);
void tally_fini(struct tally *tally);

/* A message comes to a place, or leaves it. */
void tally_enter(struct tally *tally, const struct tally_place *place);
void tally_leave(struct tally *tally, const struct tally_place *place);
/* The count meets the next place; false: it doesn't lie behind the one before, and is none. Not
 * within a transaction. */
bool tally_meet(struct tally *tally, const struct tally_place *place);
/* Whether the user's mail is known to come under these names. */
bool tally_has_name(
    const struct tally *tally, uint64_t user_id, const char *login, const char *list);
void tally_add_name(struct tally *tally, uint64_t user_id, const char *login, const char *list);
/* All of a user's; not within a transaction. */
void tally_drop_names(struct tally_user *user);

void tally_keep(struct tally *tally);
void tally_undo(struct tally *tally);

/* Of one state, with a time or without. */
uint64_t tally_sum(const struct tally_user *user, uint8_t state, bool has_time);

#endif
