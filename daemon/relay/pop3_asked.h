/*
 * pop3_asked - whether an SMTP server asks for POP-before-SMTP
 *
 * Context  pure
 */
#ifndef POSTERN_RELAY_POP3_ASKED_H
#define POSTERN_RELAY_POP3_ASKED_H

#include <stdbool.h>

/* By the words of a refusal: there is no code for it. */
bool pop3_is_asked(const char *text);

#endif
