/*
 * load - from libconfig's tree to a snapshot
 *
 * Owns     nothing
 * Fails    -1 and *err_out as `FILE:LINE: what is wrong and what is allowed`
 */
#ifndef POSTERN_CONFIG_LOAD_H
#define POSTERN_CONFIG_LOAD_H

#include "daemon/config/config.h"

#include <libconfig.h>

/* `file` names settings that don't know their own. */
int load_tree(
    const char *file, const config_t *tree, struct config **config_out, struct err *err_out);

#endif
