/*
 * namedfile - settings whose text stands in a file of its own: signature.text = "@FILE"
 *
 * Role     the parent, before the config goes to the roles, which open nothing
 * Fails    -1 and *err_out as `FILE:LINE: what is wrong and what is allowed`
 */
#ifndef POSTERN_CONFIG_NAMEDFILE_H
#define POSTERN_CONFIG_NAMEDFILE_H

#include "common/err.h"

#include <libconfig.h>

/* Puts the content of the files in the place of their names. A name that isn't absolute is taken from
 * where the config is; `path` is the config's. */
int namedfiles_read(const char *path, config_t *tree, struct err *err_out);

#endif
