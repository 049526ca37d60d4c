/*
 * client_certificate - a profile's own certificate, which it shows to its upstream
 *
 * Owns     nothing
 * Fails    -1 and *refusal_out, which names the field
 */
#ifndef POSTERN_ACCOUNTS_CLIENT_CERTIFICATE_H
#define POSTERN_ACCOUNTS_CLIENT_CERTIFICATE_H

#include "daemon/accounts/refusal.h"

/* Both are PEM; NULL or "": none. A certificate has its key, and the key fits it. */
int client_certificate_check(const char *certificate, const char *key, struct refusal *refusal_out);

#endif
