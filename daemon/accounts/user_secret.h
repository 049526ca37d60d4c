/*
 * user_secret - a user's password in a form that can be read again, for CRAM-MD5 alone
 *
 * Owns     the sealed text is the user row's; an opened one the caller's (password_free())
 * Context  loop
 * Fails    -1 and *err_out: no seal.key, another one, damaged text
 *
 * CRAM-MD5 (RFC 2195) can't be checked against a verifier. A secret is kept only while
 * auth.mechanisms names CRAM-MD5, from the moment a password is made or reset; who had a password
 * before has none. When the mechanism is no longer named all of them are wiped: what can be read
 * back is a liability, and a new password brings it back (db_wipe_secrets()).
 */
#ifndef POSTERN_ACCOUNTS_USER_SECRET_H
#define POSTERN_ACCOUNTS_USER_SECRET_H

#include "daemon/accounts/user.h"
#include "daemon/core/messages.h"

/* Whether the config's list of mechanisms asks for secrets. */
bool user_secret_is_kept(const char *mechanisms);
/* The user has its login; `password` is prepared (password_prepare()). */
int user_secret_seal(
    struct user *user, struct msg_bytes seal_key, const char *password, struct err *err_out);
/* Of a user that has one. */
int user_secret_open(
    const struct user *user, struct msg_bytes seal_key, char **password_out, struct err *err_out);

#endif
