/*
 * replies - an operator's own rules for replies: replies.conf beside the config
 *
 * Role     parent, and `posternd -n`
 * Owns     nothing
 * Fails    -1 and *err_out as `FILE:LINE: what is wrong and what is allowed`
 */
#ifndef POSTERN_PARENT_REPLIES_H
#define POSTERN_PARENT_REPLIES_H

#include "common/buf.h"
#include "common/err.h"
#include "daemon/config/config.h"

/* Reads and checks it; gives its text, which is empty where there is no such file. */
__attribute__((warn_unused_result)) int replies_read(
    const struct config *config, struct buf *text_out, struct err *err_out);
/* Only checks it. */
__attribute__((warn_unused_result)) int replies_check(
    const struct config *config, struct err *err_out);

#endif
