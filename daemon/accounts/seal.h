/*
 * seal - upstream secrets, encrypted for the database (AES-256-GCM)
 *
 * Owns     nothing: keys are borrowed
 * Fails    -1 and *err_out: no key, a key that isn't the one it was sealed with, damaged text
 *
 * `context` names the row and the field ("profile/7/password"). It is authenticated, so a sealed
 * text that was copied into another row doesn't open there. As text: base64 of nonce, ciphertext
 * and tag.
 */
#ifndef POSTERN_ACCOUNTS_SEAL_H
#define POSTERN_ACCOUNTS_SEAL_H

#include "common/err.h"
#include "daemon/core/messages.h"

#define SEAL_KEY_SIZE 32
#define SEAL_SECRET_MAX 16384

/* Gives the sealed text. `key` is empty if the parent found none. */
int seal_close(struct msg_bytes key, const char *context, const char *secret, char **sealed_out,
    struct err *err_out);
/* Gives the secret; the caller wipes it (password_free()). */
int seal_open(struct msg_bytes key, const char *context, const char *sealed, char **secret_out,
    struct err *err_out);

#endif
