/*
 * diagnosis - says in plain words what is wrong with a profile, and which setting to look at
 *
 * Owns     nothing
 * Context  pure
 */
#ifndef POSTERN_RELAY_DIAGNOSIS_H
#define POSTERN_RELAY_DIAGNOSIS_H

#include "daemon/relay/client.h"
#include "daemon/relay/profile.h"

#define DIAGNOSIS_ADVICE_SIZE 448

/* What failed, and the upstream's words: `auth: 535 5.7.8 no`. */
const char *diagnosis_fact(const struct client_end *end, char *buffer, size_t size);
/* What to look at, in a sentence or two. */
const char *diagnosis_advice(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size);
/* Both, for a report. */
const char *diagnosis_reason(
    const struct profile *profile, const struct client_end *end, char *buffer, size_t size);

#endif
