/*
 * check - what a request may have beside its path: the keys of its query, a body or none
 *
 * Owns     nothing
 * Fails    -1, *err_out and the name of what is not understood: a filter that is misspelt must not
 *          mean everything
 */
#ifndef POSTERN_CONTROL_CHECK_H
#define POSTERN_CONTROL_CHECK_H

#include "common/err.h"
#include "daemon/core/messages.h"

#define CHECK_FIELD_SIZE 64

/* Every key of the target's query is one of `allowed` (names separated by blanks), and stands there
 * once. */
int check_query(const char *allowed, const char *target, char field_out[static CHECK_FIELD_SIZE],
    struct err *err_out);
/* There is no body, or an empty object. */
int check_no_body(
    struct msg_bytes body, char field_out[static CHECK_FIELD_SIZE], struct err *err_out);

#endif
