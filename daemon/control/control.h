/*
 * control - the control role's entry: what role_run() calls
 */
#ifndef POSTERN_CONTROL_CONTROL_H
#define POSTERN_CONTROL_CONTROL_H

#include "daemon/core/role.h"

extern const struct role_ops control_ops;

#endif
