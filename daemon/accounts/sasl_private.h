/*
 * sasl_private - the inside of sasl, shared by the files that make it up
 *
 * sasl.c takes the steps, sasl_verdict.c ends exchanges, sasl_library.c answers libgsasl,
 * sasl_verify.c judges, sasl_user.c looks users up. Nobody else includes this.
 */
#ifndef POSTERN_ACCOUNTS_SASL_PRIVATE_H
#define POSTERN_ACCOUNTS_SASL_PRIVATE_H

#include "daemon/accounts/sasl.h"
#include "daemon/accounts/sasl_exchange.h"
#include "daemon/accounts/sasl_verify.h"
#include "daemon/core/values.h"

#include <gsasl.h>

struct sasl {
	struct sasl_parts parts;
	Gsasl *gsasl;
	char *mechanisms;
	struct sasl_verifier verifier;
	struct timer *sweep;
	struct exchanges exchanges;
};

/* Fills in what is NULL, and cuts. */
void sasl_answer(struct link *smtpd, uint32_t request_id, const struct msg_sasl_reply *reply);
void sasl_answer_outcome(struct link *smtpd, uint32_t request_id, enum sasl_outcome outcome);

/* Each ends the exchange with its answer. */
void sasl_finish(
    struct sasl *sasl, struct exchange *exchange, uint32_t request_id, enum sasl_outcome outcome);
/* With what the reply says beside the outcome and the login. */
void sasl_finish_bad(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    struct msg_sasl_reply *reply);
/* True: the login can't be tried, and the exchange has ended with that answer. */
bool sasl_is_shut_out(struct sasl *sasl, struct exchange *exchange, uint32_t request_id);
void sasl_give_verdict(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct verified *verified);

#endif
