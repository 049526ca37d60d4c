/*
 * relay - the relay role's entry: what role_run() calls
 */
#ifndef POSTERN_RELAY_RELAY_H
#define POSTERN_RELAY_RELAY_H

#include "daemon/core/role.h"

extern const struct role_ops relay_ops;

#endif
