/*
 * profile_pop3 - the part of a profile that is about POP-before-SMTP
 *
 * Context  pure
 *
 * User name and password are the profile's own, each of them, where pop3_username and pop3_password say
 * nothing; so is the CA.
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_POP3_H
#define POSTERN_ACCOUNTS_PROFILE_POP3_H

#include "daemon/accounts/profile.h"
#include "daemon/accounts/refusal.h"

int profile_pop3_check(const struct profile *profile, struct refusal *refusal_out);
/* The server was taken away: what belonged to it goes too. */
void profile_pop3_clear(struct profile *profile);
void profile_pop3_apply_defaults(struct profile *profile);
void profile_pop3_to_message(const struct profile *profile, const struct profile_secrets *secrets,
    struct msg_profile *message_out);

#endif
