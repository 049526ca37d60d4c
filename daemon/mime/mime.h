/*
 * mime - the role that takes messages apart: it holds one at a time, and may do nothing else
 *
 * A message with which it dies takes no other with it: relay knows which it was.
 */
#ifndef POSTERN_MIME_MIME_H
#define POSTERN_MIME_MIME_H

#include "daemon/core/role.h"

extern const struct role_ops mime_ops;

#endif
