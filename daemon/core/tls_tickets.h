/*
 * tls_tickets - the keys of session tickets: the parent makes them, all smtpds have the same
 *
 * Owns     a copy of the keys, wiped when they are replaced; counted, contexts hold it
 * Context  loop
 * Units    seconds
 * Fails    -1 and *err_out: the text is no set of keys, and those that there were stay
 *
 * The first key makes tickets, the others only read them. A ticket of one of those, and every
 * ticket of TLS 1.3, is answered with a new one. So a client that comes back within the life of two
 * keys goes on without a full handshake, at whichever process it arrives, also behind a reload.
 */
#ifndef POSTERN_CORE_TLS_TICKETS_H
#define POSTERN_CORE_TLS_TICKETS_H

#include "common/err.h"
#include "daemon/core/messages.h"

#include <stdint.h>

#define TICKET_KEY_SIZE 80 /* 16 of name, 32 for the HMAC, 32 for AES */
#define TICKET_KEYS_MAX 2

struct tls_tickets;

struct tls_tickets *tls_tickets_new(void);
/* One to TICKET_KEYS_MAX keys, the newest first. */
int tls_tickets_set(struct tls_tickets *tickets, struct msg_bytes keys, struct err *err_out);
struct tls_tickets *tls_tickets_hold(struct tls_tickets *tickets);
void tls_tickets_release(struct tls_tickets *tickets); /* NULL is allowed */

#endif
