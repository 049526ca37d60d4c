/*
 * profile_login - somebody logs in for a profile, in a browser
 *
 * Fails    returns the exit status, and has printed why
 */
#ifndef POSTERN_CTL_PROFILE_LOGIN_H
#define POSTERN_CTL_PROFILE_LOGIN_H

#include "ctl/invocation.h"

int profile_login_run(struct invocation *invocation);

#endif
