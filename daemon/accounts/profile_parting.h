/*
 * profile_parting - what goes with a setting that is taken away, since it belongs to that
 *
 * Context  pure
 *
 * An empty grant takes the OAuth2 settings with it, an empty POP3 server those of POP3, an empty host
 * beside a folder all that is about an upstream, and a client certificate its key. A password goes when a
 * grant takes its place or nothing logs in any more, which is noted. What the call itself says about
 * one of these holds.
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_PARTING_H
#define POSTERN_ACCOUNTS_PROFILE_PARTING_H

#include "daemon/accounts/api_call.h"
#include "daemon/accounts/profile.h"

/* Before the call's fields are read into the profile. */
void profile_part(struct call *call, struct profile *profile);

#endif
