/*
 * authorize - one question, one verdict: may this user send as this sender?
 *
 * Owns     nothing: borrows the grant's rules, the sender and the header; a verdict is a value
 * Fails    never
 *
 * Asked twice: at MAIL for the envelope, and after the data for the header. A null envelope can't
 * be compared: then the header is judged, whatever the user's check says.
 */
#ifndef POSTERN_SMTPD_AUTHORIZE_H
#define POSTERN_SMTPD_AUTHORIZE_H

#include "common/mailaddr.h"
#include "common/sender_rules.h"
#include "daemon/core/values.h"
#include "daemon/smtpd/header.h"

#include <stddef.h>

struct sender_rights {
	const struct sender_rules *domains, *senders;
	enum check_sides check;
	enum unauthorized_action action;
};

enum authorize_outcome {
	AUTHORIZE_YES,
	AUTHORIZE_ALERT, /* no, but the message goes on */
	AUTHORIZE_BLOCK  /* no: 550 5.7.1 */
};

enum authorize_side { AUTHORIZE_ENVELOPE, AUTHORIZE_FROM, AUTHORIZE_SENDER };

struct authorize_verdict {
	enum authorize_outcome outcome;
	/* The rest is set when the outcome isn't YES. */
	enum authorize_side side;
	char address[MAILADDR_SIZE]; /* or the field's text, when it can't be read; may be "" */
	const char *reason;          /* what is wrong with the field, or "" */
	char place[HEADER_PLACE_MAX + 1]; /* where in the field, or "" */
};

/* `sender` is the reverse-path in its normal form, "" for null, which is left to the header. */
struct authorize_verdict authorize_envelope(const struct sender_rights *rights, const char *sender);
struct authorize_verdict authorize_header(
    const struct sender_rights *rights, const char *sender, const struct header *header);

/* `<a@b.example>: sender not authorized for user LOGIN`, or the field, the reason and the place. */
const char *authorize_format(
    const struct authorize_verdict *verdict, const char *login, char *buffer, size_t size);

#endif
