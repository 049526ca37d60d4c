/*
 * varint - numbers in as many bytes as they need: 7 bits each, the lower ones first, the last byte
 * without its top bit
 *
 * Owns     nothing; pure functions
 * Fails    false: no number begins there, or it is cut off or larger than 64 bits
 */
#ifndef POSTERN_COMMON_VARINT_H
#define POSTERN_COMMON_VARINT_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>

void varint_append(struct buf *out, uint64_t number);
/* Moves *at behind it. */
__attribute__((warn_unused_result)) bool varint_take(
    const uint8_t **at, const uint8_t *end, uint64_t *number_out);

#endif
