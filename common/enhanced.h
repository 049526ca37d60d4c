/*
 * enhanced - enhanced status codes (RFC 3463), as in `5.7.1`
 *
 * Owns     nothing
 * Fails    0 octets read: there is no code
 */
#ifndef POSTERN_COMMON_ENHANCED_H
#define POSTERN_COMMON_ENHANCED_H

#include <stddef.h>
#include <stdint.h>

#define ENHANCED_SIZE 10 /* `5.999.999` and the NUL */

struct enhanced {
	uint8_t class; /* 2 success, 4 try again, 5 for good */
	uint16_t subject, detail;
};

/* Reads a code at the beginning of the text, ended by a blank or the text's end. Returns how many
 * octets it takes. */
size_t enhanced_parse(const char *text, size_t length, struct enhanced *code_out);

const char *enhanced_format(const struct enhanced *code, char buffer[static ENHANCED_SIZE]);

#endif
