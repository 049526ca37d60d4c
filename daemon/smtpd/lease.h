/*
 * lease - room for clients that accounts has lent this process: who comes in it needn't ask
 *
 * Role     smtpd
 * Owns     its timer
 * Context  loop; `give_back` runs inside these calls or from the timer
 *
 * There is one lease at a time. It is asked for by the question of one client (its number), and by
 * no other until that is answered, or never will be: so no room can be on its way here while what
 * was lent before is used or given back. presence.h has the argument. LEASE_MS is no promise to
 * accounts, only the time after which an idle process shouldn't keep room from others.
 */
#ifndef POSTERN_SMTPD_LEASE_H
#define POSTERN_SMTPD_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#define LEASE_MS 1000

struct lease;
struct loop;

/* `give_back` tells accounts that it may lend the rest to others. */
struct lease *lease_new(struct loop *loop, void (*give_back)(void *ctx), void *ctx);
void lease_free(struct lease *lease);

/* Room for one client is used. False: there is none. */
bool lease_take(struct lease *lease);
/* The question of this client is to ask for room. False: it needn't. */
bool lease_ask(struct lease *lease, uint64_t client);
/* The answer to its question; to that of any other client it changes nothing. */
void lease_on_answer(struct lease *lease, uint64_t client, unsigned room);
/* No answer to its question will be heard: what it brings would be lost. */
void lease_on_no_answer(struct lease *lease, uint64_t client);
/* Gives back what there is. */
void lease_end(struct lease *lease);
/* The link has gone, and with it the lease. */
void lease_forget(struct lease *lease);

#endif
