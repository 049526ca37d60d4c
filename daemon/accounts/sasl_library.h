/*
 * sasl_library - what libgsasl asks of us while an exchange goes on
 *
 * Context  loop, inside of gsasl_step(); its callback hook is the struct sasl_users
 *
 * Part of sasl. The answer to a claim (GSASL_VALIDATE_SIMPLE) is only noted, to be judged later;
 * keys and secrets are handed over, a user's or made up.
 */
#ifndef POSTERN_ACCOUNTS_SASL_LIBRARY_H
#define POSTERN_ACCOUNTS_SASL_LIBRARY_H

#include <gsasl.h>

int sasl_on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property name);
/* Notes who a proof is of, and for whom. */
struct exchange;
void sasl_note_identity(struct exchange *exchange);

#endif
