/*
 * policy - what is decided about a message: whether this user may send it, and as what it leaves
 *
 * Role     smtpd; called by the session at MAIL and when the header block is whole
 * Owns     nothing; what it finds out goes into the session's transaction
 * Context  loop
 * Fails    false: the message is refused; the reply is out (envelope) or waits (header)
 */
#ifndef POSTERN_SMTPD_POLICY_H
#define POSTERN_SMTPD_POLICY_H

#include "common/buf.h"
#include "daemon/smtpd/grants.h"

#include <stdbool.h>
#include <stddef.h>

struct session;

/* The sender of MAIL under the user's rules. On false the reply has been written. */
bool policy_passes_envelope(struct session *session, const struct grant *grant);

/* The header that stands at the beginning of transaction->header, as header_end says: its loops,
 * its senders, its priority. Appends what is stored in its place. On false transaction->refusal is
 * filled. */
bool policy_passes_header(struct session *session, struct buf *out);

#endif
