/*
 * mail - what the queue knows of one message, without its body
 *
 * Owns     its texts and recipients: one block of memory, freed with free()
 * Units    bytes; *_at_ms are wall clock
 */
#ifndef POSTERN_QUEUE_MAIL_H
#define POSTERN_QUEUE_MAIL_H

#include "daemon/core/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As stored: the numbers are part of the database's format. */
enum mail_state {
	MAIL_WAITING = 0,   /* ready, or deferred if next_at_ms is set */
	MAIL_HELD = 1,      /* an operator holds it */
	MAIL_UNCERTAIN = 2, /* the last attempt broke after the final dot. Deferred, or, with a
			       next_at of 0, an operator must decide */
	MAIL_SCHEDULED = 3, /* the client named the time before which it is not to go */
	MAIL_LIMITED = 4    /* held until its user's limit allows it */
};

/* What was said of how long it has been waiting; stored too. */
enum mail_age {
	AGE_FRESH = 0,
	AGE_DELAYED = 1, /* its sender knows, or need not: nothing more is said of a delay */
	AGE_OVERDUE = 2  /* an operator knows: it waits beyond its lifetime, without an attempt */
};

/* States as the API has them. */
enum shown_state {
	SHOWN_ANY,
	SHOWN_READY,
	SHOWN_DEFERRED,
	SHOWN_SCHEDULED,
	SHOWN_HELD,
	SHOWN_SENDING,
	SHOWN_UNCERTAIN,
	SHOWN_COUNT
};

enum recipient_state {
	RECIPIENT_PENDING = 0,
	RECIPIENT_DELIVERED = 1,
	RECIPIENT_FAILED = 2,
	RECIPIENT_UNCERTAIN = 3, /* pending; see MAIL_UNCERTAIN */
	RECIPIENT_UNDECIDED = 4  /* the same, but not tried again unless an operator says so */
};

#define RECIPIENT_STATES 5

struct recipient {
	const char *address;
	const char *orcpt;            /* as the client gave it, or "" */
	const char *enhanced, *reply; /* of the last attempt; "" before the first */
	const char *class, *rule;     /* what that means, and which rule said so; "" likewise */
	uint32_t attempts;
	uint16_t index; /* the client's order */
	uint16_t code;
	uint8_t state;  /* enum recipient_state */
	uint8_t notify; /* enum dsn_notify, bits */
};

struct mail {
	uint64_t id;
	uint64_t user_id;
	uint64_t size;
	uint64_t last_attempt; /* the number of the last one whose fate is on disk */
	int64_t received_at_ms;
	int64_t next_at_ms;   /* 0: at once */
	int64_t begins_at_ms; /* from when on it is tried: what its lifetime counts from */
	uint32_t attempts;
	uint8_t state; /* enum mail_state */
	uint8_t priority;
	uint8_t age; /* enum mail_age */
	bool has_8bit;
	uint64_t body_file; /* the name of its body's file; 0: its body is in rows */
	bool is_notice;     /* a notice of ours: nobody is told when it fails */
	bool has_wishes;
	struct rec_wishes wishes; /* zeroes if it has none; hold_until_ms is begins_at_ms here */
	const char *login, *list, *sender;
	const char *header_from, *message_id, *subject, *client;
	uint32_t recipient_count;
	struct recipient *recipients;
	/* where the next text goes */
	char *text_at, *text_end;
};

/* Gives a message with room for so many recipients and bytes of text (NULs included). */
struct mail *mail_new(uint32_t recipient_count, size_t text_bytes);
/* Copies a text (NULL is "") into the message's own room. */
const char *mail_text(struct mail *message, const char *text);
/* From smtpd's COMMIT. NULL: it wishes what can't be. */
struct mail *mail_from_commit(const struct msg_commit *commit, int64_t received_at_ms);

/* But for what is being sent, which is ready on disk. */
enum shown_state mail_shown_as(enum mail_state state, bool has_time);

/* Whether its sender wants to (RFC 3461 4.1): who said nothing hears of it, as is custom. */
bool recipient_hears_of_delay(const struct recipient *recipient);
bool recipient_is_pending(const struct recipient *recipient);
/* An upstream may take only some recipients at a time. A round of attempts is over when each
 * pending one has had its turn: due are those who had fewer turns than others. */
uint32_t mail_round(const struct mail *message);
bool recipient_is_due(const struct recipient *recipient, uint32_t round);
uint32_t mail_due_count(const struct mail *message);
/* NULL when the message has no such recipient. */
struct recipient *mail_recipient(const struct mail *message, uint16_t index);
/* Bytes of memory that it takes. */
size_t mail_footprint(const struct mail *message);

#endif
