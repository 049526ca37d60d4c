/*
 * pop3_diagnosis - which setting a failure of POP-before-SMTP points to
 *
 * Context  pure
 */
#ifndef POSTERN_RELAY_POP3_DIAGNOSIS_H
#define POSTERN_RELAY_POP3_DIAGNOSIS_H

#include "daemon/relay/client.h"
#include "daemon/relay/profile.h"

/* It failed at the POP3 server. */
bool pop3_is_phase(enum phase phase);
const char *pop3_advice(const struct profile *profile, const struct client_end *end);
/* The SMTP server asked for it: what to set, or what to look at. */
const char *pop3_asked_advice(const struct profile *profile);

#endif
