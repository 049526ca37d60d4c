/*
 * classify - what an upstream's reply means: for the profile, the message, the recipient
 *
 * Owns     nothing; a verdict borrows the texts of the rules
 * Context  pure
 *
 * One place decides. From MAIL on what the reply repeats of the mail is left out first (own_words.h):
 * whoever sends it chose these words. The rules (daemon/config/reply_rules.h) say of which class a reply is; where
 * none fits, a time in its text, the phase, the enhanced code and the first digit do, in this order:
 *
 *	before MAIL           anything but success is the profile's problem: the mail waits
 *	530, 534, 535, 538    after it as well: the profile's login or encryption is wrong, not a
 *	                      recipient
 *	421                   the connection is over; what was under way is tried again later
 *	other 4xx             later
 *	5xx                   failed, but 552 at RCPT means 452 (RFC 5321 4.5.3.1.10)
 *	anything else         the upstream does not speak SMTP at this point: later, and hang up
 *
 * A class that pauses or stops the account is never a message's fault, also in a 5xx.
 */
#ifndef POSTERN_RELAY_CLASSIFY_H
#define POSTERN_RELAY_CLASSIFY_H

#include "daemon/config/reply_rules.h"
#include "daemon/core/values.h"
#include "daemon/relay/own_words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply {
	uint16_t code;     /* 0: there was none, and the text is ours */
	char enhanced[16]; /* "" if the upstream gave none */
	char text[1000];   /* lines joined by a blank */
};

/* A reply of our own; long texts are cut. */
void reply_set(struct reply *reply, uint16_t code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* What replies are held against. Zeroes will do. */
struct classifier {
	struct reply_rules *rules;
	const char *provider; /* of the profile; NULL or "": not said */
	bool has_pop3;        /* it does POP-before-SMTP: to be asked for it is no reason to stop */
	int64_t (*now_ms)(void);         /* wall clock; NULL: the real one */
	const struct envelope *envelope; /* what a reply may repeat; NULL: not known */
};

struct verdict {
	enum attempt_outcome outcome; /* not `attempted`: the profile's problem, no fate */
	enum fate fate;
	bool is_over;   /* nothing more can be said on this connection */
	bool is_slower; /* the profile should do with fewer connections for a while */
	enum reply_class class;
	struct reply_wait wait;
	const char *rule;   /* what decided; NULL: nothing is wrong */
	const char *advice; /* of the rule; NULL or "": none */
	bool is_alerted;    /* an operator is told the first time */
};

struct verdict classify_reply(
    const struct classifier *classifier, enum phase phase, const struct reply *reply);
/* The connection was lost, or a deadline passed, while a reply of this phase was due. */
struct verdict classify_loss(enum phase phase);
/* We can't go on, for no reply of the upstream. */
struct verdict classify_own(enum attempt_outcome outcome);
/* The upstream takes not even one recipient at a time: its account has sent too much. */
struct verdict classify_unsplittable(const struct verdict *split);

/* A 4xx that says nothing of what is wrong, and not of a recipient. */
bool verdict_is_unknown(const struct verdict *verdict, enum phase phase, const struct reply *reply);

#endif
