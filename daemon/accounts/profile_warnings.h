/*
 * profile_warnings - what a profile shows to the network, which may not have been meant
 *
 * Context  pure
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_WARNINGS_H
#define POSTERN_ACCOUNTS_PROFILE_WARNINGS_H

#include "daemon/accounts/api_call.h"
#include "daemon/accounts/profile.h"

/* Notes it in the call's answer. The profile has its presets and defaults. */
void profile_warn(struct call *call, const struct profile *whole);

#endif
