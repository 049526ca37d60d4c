/* sasl_verdict - the end of an exchange: its answer, its line in the log, who else is told. */
#include "daemon/accounts/sasl_private.h"

#include "common/log.h"

#include <stdio.h>

#define LOGIN_SIZE 256 /* as SASL_REPLY has it */

void
sasl_answer(struct link *smtpd, uint32_t request_id, const struct msg_sasl_reply *reply)
{
	struct msg_sasl_reply answer = *reply;
	char login[LOGIN_SIZE];

	(void)snprintf(login, sizeof(login), "%s", reply->login == NULL ? "" : reply->login);
	answer.login = login;
	if (answer.reason == NULL)
		answer.reason = "";
	link_answer(smtpd, request_id, MSG_SASL_REPLY, &answer);
}

void
sasl_answer_outcome(struct link *smtpd, uint32_t request_id, enum sasl_outcome outcome)
{
	sasl_answer(smtpd, request_id, &(struct msg_sasl_reply){.outcome = (uint8_t)outcome});
}

/* Ends the exchange with its answer. */
void
sasl_finish(
    struct sasl *sasl, struct exchange *exchange, uint32_t request_id, enum sasl_outcome outcome)
{
	sasl_answer(exchange->smtpd, request_id,
	    &(struct msg_sasl_reply){.outcome = (uint8_t)outcome, .login = exchange->login});
	exchange_free(&sasl->exchanges, exchange);
}

void
sasl_finish_bad(
    struct sasl *sasl, struct exchange *exchange, uint32_t request_id, struct msg_sasl_reply *reply)
{
	reply->outcome = SASL_FAILED;
	reply->login = exchange->login;
	sasl_answer(exchange->smtpd, request_id, reply);
	exchange_free(&sasl->exchanges, exchange);
}

static void
finish_good(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct verified *verified)
{
	struct msg_sasl_reply reply = {
	    .outcome = SASL_DONE,
	    .user_id = (uint64_t)verified->user_id,
	    .credential = (uint32_t)verified->credential,
	    .login = verified->login,
	};
	struct err err;

	if (!presence_take_user(sasl->parts.presence, link_peer_index(exchange->smtpd),
		exchange->connection, (uint64_t)verified->user_id)) {
		sasl_finish(sasl, exchange, request_id, SASL_USER_FULL);
		return;
	}
	/* The rights first: smtpd needs them as soon as it hears who it is. */
	if (grants_send(sasl->parts.grants, exchange->smtpd, verified->user_id, &err) != 0) {
		log_problem(LOG_ERROR, "a user's rights can't be read: %s", err.text);
		sasl_finish(sasl, exchange, request_id, SASL_TEMPORARY);
		return;
	}
	sasl_answer(exchange->smtpd, request_id, &reply);
	exchange_free(&sasl->exchanges, exchange);
}

static void
log_inactive(const struct exchange *exchange)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, 0))
		return;
	log_text(&line, KEY_USER, exchange->login);
	log_text(&line, KEY_CLIENT, exchange->client);
	log_text(&line, KEY_REASON, "the user is not active");
	log_end(&line);
}

bool
sasl_is_shut_out(struct sasl *sasl, struct exchange *exchange, uint32_t request_id)
{
	const char *login = exchange->login == NULL ? "" : exchange->login;
	int64_t until_ms = 0;

	if (sasl->parts.shut_until != NULL)
		until_ms = sasl->parts.shut_until(
		    link_peer_index(exchange->smtpd), exchange->connection, login, sasl->parts.ctx);
	if (until_ms == 0)
		return false;
	sasl_answer(exchange->smtpd, request_id,
	    &(struct msg_sasl_reply){
		.outcome = SASL_SHUT_OUT, .login = exchange->login, .until_ms = until_ms});
	exchange_free(&sasl->exchanges, exchange);
	return true;
}

static uint32_t
tell_attempt(struct sasl *sasl, const struct exchange *exchange, const struct verified *verified)
{
	bool is_good = verified->verdict == VERDICT_GOOD;
	const char *login = exchange->login == NULL ? "" : exchange->login;
	struct sasl_attempt attempt = {
	    .client = exchange->client,
	    .smtpd = link_peer_index(exchange->smtpd),
	    .connection = exchange->connection,
	    .login = is_good ? verified->login : login,
	    .mechanism = exchange->mechanism->name,
	    .guess = verified->guess,
	    .is_good = is_good,
	};

	if (sasl->parts.on_attempt == NULL || verified->verdict == VERDICT_TEMPORARY)
		return 0;
	return sasl->parts.on_attempt(&attempt, sasl->parts.ctx);
}

void
sasl_give_verdict(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct verified *verified)
{
	uint32_t delay_ms;

	/* Others may have gone too far meanwhile; then the verdict is nobody's business. */
	if (sasl_is_shut_out(sasl, exchange, request_id))
		return;
	delay_ms = tell_attempt(sasl, exchange, verified);
	switch (verified->verdict) {
	case VERDICT_GOOD:
		finish_good(sasl, exchange, request_id, verified);
		return;
	case VERDICT_TEMPORARY:
		sasl_finish(sasl, exchange, request_id, SASL_TEMPORARY);
		return;
	case VERDICT_INACTIVE:
		log_inactive(exchange);
		break;
	case VERDICT_BAD:
		break;
	}
	sasl_finish_bad(sasl, exchange, request_id,
	    &(struct msg_sasl_reply){.guess = verified->guess, .delay_ms = delay_ms});
}
