/*
 * profile_hosts - the names and addresses of a profile's upstream
 *
 * Owns     nothing
 * Context  pure
 * Fails    -1 and *err_out
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_HOSTS_H
#define POSTERN_ACCOUNTS_PROFILE_HOSTS_H

#include "common/err.h"

#define PROFILE_HOSTS_BYTES 2047

/* For the fields' `normalise`. A name, or an address with or without brackets. */
int profile_normalise_host(char **text, struct err *err_out);
/* Up to PROFILE_HOSTS_MAX of them with `;` or `,` between, which are kept in their order. */
int profile_normalise_hosts(char **text, struct err *err_out);

#endif
