/*
 * delivery - one attempt: a message, the recipients that are due, the body as it comes
 *
 * Owns     its addresses and the pieces of the body that wait
 * Context  loop
 * Units    bytes, milliseconds
 *
 * Every delivery ends in exactly one report, whatever happens to it: delivery_end(),
 * delivery_fail() or delivery_cancelled(), which free it. Those of relay's own end in delivery_drop().
 */
#ifndef POSTERN_RELAY_DELIVERY_H
#define POSTERN_RELAY_DELIVERY_H

#include "common/list.h"
#include "daemon/core/link.h"
#include "daemon/relay/channel.h"
#include "daemon/relay/report.h"

struct capture;
struct deliveries;
struct rework;
struct slot;
struct upstream;

struct delivery {
	struct list link;   /* of whoever has it now: the upstream's waiting ones */
	struct list bucket; /* of the table */
	struct deliveries *table;
	uint64_t message_id, attempt, profile_id;
	uint8_t priority;
	char *sender;
	struct client_transaction transaction;
	struct list pieces; /* of the body */
	bool is_complete;   /* the last piece has come */
	bool is_notice;     /* of ours */
	bool is_followed;   /* queue has more for its profile */
	bool is_from_mime;  /* the pieces are, and so is whoever gets credit for them */
	uint32_t credit;    /* bytes that are used up and not yet given back */
	int64_t begun_at_ms;
	struct upstream *upstream; /* that it was given to */
	bool is_waiting;           /* for a connection */
	struct slot *slot;         /* the connection it is on, or NULL */
	struct rework *rework;     /* what it is changed to, or NULL */
	char *envelope_sender;     /* in place of `sender`, or NULL */
	struct capture *capture;   /* the Maildir file it goes to, or NULL */
	char *transcript;          /* for the report, or NULL */
	uint32_t
	    tried_bytes; /* of the first piece, that the upstream was sent to see what it does */
	struct verdict account; /* attempted, but the account has to wait */
	char *account_reason;   /* and why, or NULL */
	uint16_t account_code;  /* of the reply that said so */
	char account_enhanced[16];
	void *owner; /* of relay's own ones; else NULL */
};

/* All attempts that have no report yet. `reports` NULL: for relay's own ones. */
struct deliveries *deliveries_new(struct loop *loop, struct reports *reports);
/* Without reports. */
void deliveries_free(struct deliveries *deliveries);
/* Credit goes there; NULL: nowhere. */
void deliveries_set_link(struct deliveries *deliveries, struct link *link);
void deliveries_set_mime_link(struct deliveries *deliveries, struct link *link);
struct delivery *deliveries_find(struct deliveries *deliveries, uint64_t attempt);
size_t deliveries_count(const struct deliveries *deliveries);
void deliveries_list(const struct deliveries *deliveries, struct msg_list_builder *attempts);
/* `fn` may end the one it is given, and no other. */
void deliveries_each(
    struct deliveries *deliveries, void (*fn)(struct delivery *delivery, void *ctx), void *ctx);

/* NULL, with the report already made, when the recipients can't be written down in SMTP. */
struct delivery *delivery_new(struct deliveries *deliveries, const struct msg_deliver *message);
/* One of relay's own, whole, in a table without reports. NULL: it can't be written down in SMTP. */
struct delivery *delivery_new_own(struct deliveries *deliveries, const struct msg_deliver *message,
    const char *body, void *owner);
/* Without a report. */
void delivery_drop(struct delivery *delivery);
/* Queue has sent all of the body, and mime was given it: what comes now is mime's. */
void delivery_switch_to_mime(struct delivery *delivery);
/* The envelope's sender is to be this one, "": its own. A null one stays null. */
void delivery_set_sender(struct delivery *delivery, const char *sender);
void delivery_add_body(struct delivery *delivery, const struct link_message *message);
/* Gives the next piece, of at most so many bytes: the caller releases it. False: there is none now. */
bool delivery_take_piece(struct delivery *delivery, uint32_t limit, struct slice *slice_out);
/* A piece, or the end that is known. */
bool delivery_has_body(const struct delivery *delivery);
/* Bytes that came and have left the role, or will soon: whoever sent them may send as many again. */
void delivery_give_credit(struct delivery *delivery, uint32_t bytes);
/* As much of the body as the connection takes now, up to the limit, and its end; all of it at once if
 * the transaction is_grouped. Returns the bytes that were written; what dot-stuffing adds may go beyond the
 * limit. */
uint32_t delivery_pump(struct delivery *delivery, struct channel *channel, uint32_t limit);

/* The account has to wait, whatever becomes of this one: its report says so too. The first counts. */
void delivery_note_account(struct delivery *delivery, const struct verdict *verdict,
    const struct reply *reply, const char *reason);
/* The profile was changed since. */
void delivery_forget_account(struct delivery *delivery);
/* The transaction has its verdict; facts may be NULL. */
void delivery_end(struct delivery *delivery, const struct channel_facts *facts, bool is_reused);
/* The profile has a problem. */
void delivery_fail(struct delivery *delivery, const struct verdict *verdict,
    const struct reply *reply, const char *reason, const struct channel_facts *facts);
void delivery_cancelled(struct delivery *delivery, const char *reason);

#endif
