/*
 * classify - what an upstream's reply means: for the profile, the message, the recipient
 *
 * Owns     nothing
 * Context  pure
 *
 * One place decides, from the phase, the code and the enhanced code:
 *
 *	before MAIL           anything but success is the profile's problem: the mail waits
 *	530, 534, 535, 538    after it as well: the profile's login or encryption is wrong, not a
 *	                      recipient
 *	421                   the connection is over; what was under way is tried again later
 *	other 4xx             later
 *	5xx                   failed, but 552 at RCPT means 452 (RFC 5321 4.5.3.1.10)
 *	anything else         the upstream does not speak SMTP at this point: later, and hang up
 */
#ifndef POSTERN_RELAY_CLASSIFY_H
#define POSTERN_RELAY_CLASSIFY_H

#include "daemon/core/values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The steps of a dialogue, in their order. */
enum phase {
	PHASE_TOKEN, /* of OAuth2 */
	PHASE_NAME,
	PHASE_CONNECT,
	PHASE_GREETING,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_TLS,
	PHASE_AUTH,
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,
	PHASE_BODY,
	PHASE_DOT
};

const char *phase_name(enum phase phase);

struct reply {
	uint16_t code;     /* 0: there was none, and the text is ours */
	char enhanced[16]; /* "" if the upstream gave none */
	char text[1000];   /* lines joined by a blank */
};

/* A reply of our own; long texts are cut. */
void reply_set(struct reply *reply, uint16_t code, const char *enhanced, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

struct verdict {
	enum attempt_outcome outcome; /* not `attempted`: the profile's problem, no fate */
	enum fate fate;
	bool is_over; /* nothing more can be said on this connection */
};

struct verdict classify_reply(enum phase phase, const struct reply *reply);
/* The connection was lost, or a deadline passed, while a reply of this phase was due. */
struct verdict classify_loss(enum phase phase);

#endif
