/*
 * accounts - the accounts role's entry: what role_run() calls
 */
#ifndef POSTERN_ACCOUNTS_ACCOUNTS_H
#define POSTERN_ACCOUNTS_ACCOUNTS_H

#include "daemon/core/role.h"

extern const struct role_ops accounts_ops;

#endif
