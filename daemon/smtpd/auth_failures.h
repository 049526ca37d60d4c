/*
 * auth_failures - how many guesses a session's failed logins were
 *
 * Owns     itself: made with the first failure, freed with free()
 * Context  loop
 *
 * A client that is given a wrong password tries it with one mechanism after the other: that's one
 * guess. So it counts what is larger: how many different passwords were shown, or how often one
 * and the same mechanism failed.
 */
#ifndef POSTERN_SMTPD_AUTH_FAILURES_H
#define POSTERN_SMTPD_AUTH_FAILURES_H

#include <stdint.h>

struct auth_failures;

/* Returns the count. `guess` stands for login and password; 0 if the mechanism didn't show it. */
unsigned auth_failures_add(struct auth_failures **failures, const char *mechanism, uint64_t guess);

#endif
