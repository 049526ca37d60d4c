/*
 * queue - the queue role's entry: what role_run() calls
 */
#ifndef POSTERN_QUEUE_QUEUE_H
#define POSTERN_QUEUE_QUEUE_H

#include "daemon/core/role.h"

extern const struct role_ops queue_ops;

#endif
