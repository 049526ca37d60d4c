/*
 * smtpd - the smtpd role's entry: what role_run() calls
 */
#ifndef POSTERN_SMTPD_SMTPD_H
#define POSTERN_SMTPD_SMTPD_H

#include "daemon/core/role.h"

extern const struct role_ops smtpd_ops;

#endif
