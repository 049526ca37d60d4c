/*
 * password - passwords as they are made and as they are compared
 *
 * Owns     what is given is the caller's, who ends it with password_free()
 * Fails    -1 and *err_out: a password that SASLprep forbids or that is too long; the text never
 *          shows it
 */
#ifndef POSTERN_ACCOUNTS_PASSWORD_H
#define POSTERN_ACCOUNTS_PASSWORD_H

#include "common/err.h"

#define PASSWORD_SIZE_MAX 512

/* A new random one of 99 bits: twenty letters and digits that can't be taken for one another, in
 * groups of five. */
char *password_generate(void);
/* SASLprep (RFC 4013), so that one password typed on two systems is one password. */
int password_prepare(const char *text, char **prepared_out, struct err *err_out);
/* Wipes it first. NULL is allowed. */
void password_free(char *password);

#endif
