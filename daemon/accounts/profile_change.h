/*
 * profile_change - whether a changed profile is another upstream, or another login there
 *
 * Context  pure
 *
 * Then what the upstream has said before means nothing any more: a stop, a wait, a refused login. A
 * comment or a signature is no such change, and doesn't send us back to an upstream that wants to be left
 * alone.
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_CHANGE_H
#define POSTERN_ACCOUNTS_PROFILE_CHANGE_H

#include "daemon/accounts/profile.h"

bool profile_is_renewed(const struct profile *before, const struct profile *now);

#endif
