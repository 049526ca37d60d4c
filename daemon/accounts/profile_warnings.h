/*
 * profile_warnings - what a profile shows to the network or to another server, which may not have
 * been meant
 *
 * Context  pure
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_WARNINGS_H
#define POSTERN_ACCOUNTS_PROFILE_WARNINGS_H

#include "daemon/accounts/api_call.h"
#include "daemon/accounts/profile.h"

/* Notes it in the call's answer. The profile has its presets and defaults. */
void profile_warn(struct call *call, const struct profile *whole);
/* Secrets that stay as they were, for a server that doesn't. Both as they are stored. */
void profile_warn_of_move(
    struct call *call, const struct profile *before, const struct profile *now);

#endif
