/*
 * warnings - what is no error, but should be known to who keeps this relay: certificates that end,
 * listeners that take weak TLS or no login
 *
 * Role     parent, also for `posternd -n`
 * Owns     nothing
 * Units    seconds since 1970
 */
#ifndef POSTERN_PARENT_WARNINGS_H
#define POSTERN_PARENT_WARNINGS_H

#include "common/log.h"
#include "daemon/config/config.h"
#include "daemon/parent/files.h"

#include <time.h>

typedef void (*warning_fn)(enum log_level level, const char *text);

/* Those of the certificates that there are in `files`. */
void warnings_of_certificates(
    const struct config *config, const struct files *files, time_t now, warning_fn warn);
void warnings_of_listeners(const struct config *config, warning_fn warn);

#endif
