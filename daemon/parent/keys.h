/*
 * keys - the secrets that the parent keeps for the roles
 *
 * Role     parent
 * Gives    bytes in bufs of the caller's, to be wiped
 * Fails    -1 and *err_out, which names the file and what to do
 */
#ifndef POSTERN_PARENT_KEYS_H
#define POSTERN_PARENT_KEYS_H

#include "common/buf.h"
#include "common/err.h"

/* state_dir/seal.key, 32 bytes, made when it is not there. One of another size or that others may
 * read is refused: nothing sealed with another key could be opened. */
__attribute__((warn_unused_result)) int keys_seal(
    const char *state_dir, struct buf *out, struct err *err_out);

/* For session tickets (core/tls_tickets.h): a new key in front of those that are there, of which as
 * many stay as still count. */
void keys_rotate_tickets(struct buf *keys);

#endif
