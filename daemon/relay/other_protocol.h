/*
 * other_protocol - a server that is none for SMTP, by its first words
 *
 * Owns     nothing
 * Context  pure
 */
#ifndef POSTERN_RELAY_OTHER_PROTOCOL_H
#define POSTERN_RELAY_OTHER_PROTOCOL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OTHER_PROTOCOL_TLS "the upstream speaks TLS here, from the beginning"

/* Whether a record of TLS begins there. */
bool other_protocol_is_tls(const uint8_t *bytes, size_t size);
/* `bytes` is what came first. False: it may be SMTP, or its first line isn't there yet. */
bool other_protocol_find(const uint8_t *bytes, size_t size, struct err *words_out);

#endif
