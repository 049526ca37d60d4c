/*
 * encoded_word - looks into the encoded words of a name (RFC 2047) for what should not be there
 *
 * Owns     nothing
 *
 * A program that decodes a name before it looks for the address finds an angle bracket that was
 * hidden in it, and so another address than ours.
 */
#ifndef POSTERN_SMTPD_ENCODED_WORD_H
#define POSTERN_SMTPD_ENCODED_WORD_H

#include <stdbool.h>
#include <stddef.h>

/* Whether an encoded word in the text decodes to `<`, `>`, or a control character, or can't be
 * decoded. */
bool encoded_word_hides(const char *text, size_t length);

#endif
