/*
 * gate - what accounts hears of clients that come and go, and what it says to it
 *
 * Role     accounts
 * Owns     nothing: presence counts clients, guessing their guesses
 * Context  loop
 * Fails    a message whose address isn't one is answered like a client that nobody counts
 */
#ifndef POSTERN_ACCOUNTS_GATE_H
#define POSTERN_ACCOUNTS_GATE_H

#include "daemon/accounts/parts.h"

void gate_admit(
    struct parts *parts, struct link *link, uint32_t request_id, const struct msg_admit *message);
void gate_abuse(struct parts *parts, struct link *link, const struct msg_abuse *message);
void gate_leave(struct parts *parts, struct link *link, const struct msg_left *message);
void gate_restore(struct parts *parts, struct link *link, const struct msg_present *message);
void gate_end_lease(struct parts *parts, struct link *link);
/* Limits may be near, or new: smtpds are to give back what room they were lent. */
void gate_call_back(struct parts *parts);

/* For sasl; ctx is the parts. */
int64_t gate_shut_until(unsigned smtpd, uint64_t connection, const char *login, void *ctx);
uint32_t gate_on_attempt(const struct sasl_attempt *attempt, void *ctx);

#endif
