/*
 * device_login - somebody logs in for a profile, in a browser elsewhere (RFC 8628)
 *
 * Owns     a login until some minutes after its end; holds the profile's token source
 * Context  loop
 * Fails    into the answers
 *
 * POST /v1/profiles/NAME/login begins one, in place of another of the profile, and answers with the
 * address and the code; GET says how it stands: pending, done or failed. The token server is asked
 * at the pace that it names until the person has answered or the code has expired. The refresh
 * token that comes goes to accounts' disk before the login is done.
 */
#ifndef POSTERN_RELAY_DEVICE_LOGIN_H
#define POSTERN_RELAY_DEVICE_LOGIN_H

#include "daemon/core/link.h"
#include "daemon/core/role.h"
#include "daemon/relay/tokens.h"

struct device_logins;

/* Borrows both. */
struct device_logins *device_logins_new(struct role_context *role, struct tokens *tokens);
/* Before the tokens. */
void device_logins_free(struct device_logins *logins);

/* A CALL from control. False: it is about something else. */
bool device_logins_call(
    struct device_logins *logins, struct link *control, const struct link_message *message);
/* The link to control is gone: nobody waits for the answers. */
void device_logins_forget(struct device_logins *logins, const struct link *control);

#endif
