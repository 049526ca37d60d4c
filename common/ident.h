/*
 * ident - queue ids as people see them
 *
 * A message's id is a number that is never used again; people and scripts see it in base 32
 * without the letters that look like digits (I, L, O, U), upper case, as in `4K7Q2ZP`.
 */
#ifndef POSTERN_COMMON_IDENT_H
#define POSTERN_COMMON_IDENT_H

#include <stdbool.h>
#include <stdint.h>

#define IDENT_SIZE 16 /* 13 digits for 64 bits, and the NUL */

const char *ident_format(uint64_t id, char buffer[static IDENT_SIZE]);
/* False when the text is no id; lower case is taken. */
bool ident_parse(const char *text, uint64_t *id_out);

#endif
