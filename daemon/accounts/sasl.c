/*
 * sasl - exchanges, driven by libgsasl. Its callback only notes what the client claims; the
 * verdict comes from sasl_verify, often from the pool, when the exchange may be gone already. So
 * a check carries the exchange's number, never a pointer to it.
 */
#include "daemon/accounts/sasl.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/sasl_exchange.h"
#include "daemon/accounts/sasl_verify.h"
#include "daemon/core/loop.h"

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXCHANGE_MS (10 * 60 * 1000)
#define SWEEP_MS (60 * 1000)
#define LOGIN_SIZE 256 /* as SASL_REPLY has it */

struct sasl {
	struct sasl_parts parts;
	Gsasl *gsasl;
	char *mechanisms;
	struct sasl_verifier verifier;
	struct timer *sweep;
	struct exchanges exchanges;
};

/* What we can do, whatever the library could do as well. */
static const char *const built[] = {"PLAIN", "LOGIN", NULL};

static void
on_sweep(void *ctx)
{
	struct sasl *sasl = ctx;

	exchanges_sweep(&sasl->exchanges, loop_now_ms(sasl->parts.loop));
	timer_set(sasl->sweep, SWEEP_MS);
}

/* ---- answers ---- */

static void
answer(struct link *smtpd, uint32_t request_id, enum sasl_outcome outcome, const char *login)
{
	char cut[LOGIN_SIZE];
	struct msg_sasl_reply reply = {.outcome = (uint8_t)outcome, .login = cut};

	(void)snprintf(cut, sizeof(cut), "%s", login == NULL ? "" : login);
	link_answer(smtpd, request_id, MSG_SASL_REPLY, &reply);
}

/* Ends the exchange with its answer. */
static void
finish(struct sasl *sasl, struct exchange *exchange, uint32_t request_id, enum sasl_outcome outcome)
{
	answer(exchange->smtpd, request_id, outcome, exchange->login);
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

	/* The rights first: smtpd needs them as soon as it hears who it is. */
	if (grants_send(sasl->parts.grants, exchange->smtpd, verified->user_id, &err) != 0) {
		log_problem(LOG_ERROR, "a user's rights can't be read: %s", err.text);
		finish(sasl, exchange, request_id, SASL_TEMPORARY);
		return;
	}
	link_answer(exchange->smtpd, request_id, MSG_SASL_REPLY, &reply);
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

static void
give_verdict(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct verified *verified)
{
	switch (verified->verdict) {
	case VERDICT_GOOD:
		finish_good(sasl, exchange, request_id, verified);
		return;
	case VERDICT_TEMPORARY:
		finish(sasl, exchange, request_id, SASL_TEMPORARY);
		return;
	case VERDICT_INACTIVE:
		log_inactive(exchange);
		break;
	case VERDICT_BAD:
		break;
	}
	finish(sasl, exchange, request_id, SASL_FAILED);
}

static void
on_verdict(uint64_t number, const struct verified *verified, void *ctx)
{
	struct sasl *sasl = ctx;
	struct exchange *exchange = exchanges_find_number(&sasl->exchanges, number);

	/* The client may have gone meanwhile. */
	if (exchange != NULL)
		give_verdict(sasl, exchange, exchange->request_id, verified);
}

/* ---- steps ---- */

static char *
property(Gsasl_session *session, Gsasl_property name)
{
	/* gsasl_property_get() would call the callback again, without end. */
	const char *value = gsasl_property_fast(session, name);

	return xstrdup(value == NULL ? "" : value);
}

static int
on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property name)
{
	struct exchange *exchange = gsasl_session_hook_get(session);

	if (name != GSASL_VALIDATE_SIMPLE || exchange->has_credentials)
		return GSASL_NO_CALLBACK;
	exchange->has_credentials = true;
	exchange->authorization = property(session, GSASL_AUTHZID);
	exchange->login = property(session, GSASL_AUTHID);
	exchange->password = property(session, GSASL_PASSWORD);
	return GSASL_OK;
}

static void
verify(struct sasl *sasl, struct exchange *exchange, uint32_t request_id)
{
	const struct credentials credentials = {
	    .authorization = exchange->authorization,
	    .login = exchange->login,
	    .password = exchange->password,
	};
	struct verified verified;

	exchange->request_id = request_id;
	if (sasl_verify(&sasl->verifier, exchange->number, &credentials, &verified))
		give_verdict(sasl, exchange, request_id, &verified);
}

/* LOGIN's prompts are no standard, but clients look for exactly these; the library has others. */
static void
challenge(struct exchange *exchange, uint32_t request_id, const char *output, size_t output_size)
{
	static const char *const prompts[] = {"Username:", "Password:"};
	struct msg_sasl_reply reply = {.outcome = SASL_CONTINUE, .login = ""};

	reply.token = (struct msg_bytes){(const uint8_t *)output, (uint32_t)output_size};
	if (strcmp(exchange->mechanism, "LOGIN") == 0 && exchange->challenges < 2) {
		const char *prompt = prompts[exchange->challenges];

		reply.token = (struct msg_bytes){(const uint8_t *)prompt, (uint32_t)strlen(prompt)};
	}
	exchange->challenges++;
	link_answer(exchange->smtpd, request_id, MSG_SASL_REPLY, &reply);
}

/* PLAIN has one response, and it isn't empty (RFC 4616 2); the library would ask again. */
static bool
is_empty_plain(const struct exchange *exchange, const struct msg_sasl_step *message)
{
	return strcmp(exchange->mechanism, "PLAIN") == 0 && message->token.size == 0 &&
	       (message->has_token || exchange->challenges > 0);
}

static void
step(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct msg_sasl_step *message)
{
	char *output = NULL;
	size_t output_size = 0;
	int rc = GSASL_MECHANISM_PARSE_ERROR;

	if (!is_empty_plain(exchange, message))
		rc = gsasl_step(exchange->session, (const char *)message->token.at,
		    message->token.size, &output, &output_size);
	if (rc == GSASL_NEEDS_MORE)
		challenge(exchange, request_id, output, output_size);
	else if (rc == GSASL_OK && exchange->has_credentials)
		verify(sasl, exchange, request_id);
	else if (rc == GSASL_MECHANISM_PARSE_ERROR)
		finish(sasl, exchange, request_id, SASL_MALFORMED);
	else
		finish(sasl, exchange, request_id, SASL_FAILED);
	gsasl_free(output);
}

/* Our name of a mechanism that is built and that the config names, or NULL. */
static const char *
find_mechanism(const struct sasl *sasl, const char *name)
{
	size_t length = strlen(name);

	for (const char *const *at = built; *at != NULL; at++) {
		const char *found;

		if (strcasecmp(*at, name) != 0)
			continue;
		for (found = sasl->mechanisms; (found = strcasestr(found, *at)) != NULL; found++)
			if ((found == sasl->mechanisms || found[-1] == ' ') &&
			    (found[length] == ' ' || found[length] == '\0'))
				return *at;
	}
	return NULL;
}

static struct exchange *
start_exchange(struct sasl *sasl, struct link *link, const char *mechanism,
    const struct msg_sasl_step *message)
{
	struct exchange *exchange;
	Gsasl_session *session;

	if (gsasl_server_start(sasl->gsasl, mechanism, &session) != GSASL_OK)
		return NULL;
	exchange = exchanges_add(&sasl->exchanges, link, message->exchange, session);
	if (exchange == NULL)
		return NULL;
	exchange->mechanism = mechanism;
	exchange->ends_at_ms = loop_now_ms(sasl->parts.loop) + EXCHANGE_MS;
	(void)snprintf(exchange->client, sizeof(exchange->client), "%s", message->client);
	return exchange;
}

/* Some clients send LOGIN's user name with AUTH; the library would drop it and ask. */
static void
skip_first_prompt(struct exchange *exchange)
{
	char *output = NULL;
	size_t output_size;

	(void)gsasl_step(exchange->session, "", 0, &output, &output_size);
	gsasl_free(output);
	exchange->challenges++;
}

static void
begin(
    struct sasl *sasl, struct link *link, uint32_t request_id, const struct msg_sasl_step *message)
{
	const char *mechanism = find_mechanism(sasl, message->mechanism);
	struct exchange *exchange;

	if (mechanism == NULL) {
		answer(link, request_id, SASL_UNSUPPORTED, NULL);
		return;
	}
	exchange = start_exchange(sasl, link, mechanism, message);
	if (exchange == NULL) {
		answer(link, request_id, SASL_TEMPORARY, NULL);
		return;
	}
	if (message->has_token && strcmp(mechanism, "LOGIN") == 0)
		skip_first_prompt(exchange);
	step(sasl, exchange, request_id, message);
}

void
sasl_step(
    struct sasl *sasl, struct link *link, uint32_t request_id, const struct msg_sasl_step *message)
{
	struct exchange *exchange = exchanges_find(&sasl->exchanges, link, message->exchange);

	/* A number that begins again, or that is stepped on while its verdict is out: smtpd has
	 * given the old exchange up. */
	if (exchange != NULL && (message->is_first || exchange->has_credentials)) {
		exchange_free(&sasl->exchanges, exchange);
		exchange = NULL;
	}
	if (message->is_abort && exchange != NULL)
		finish(sasl, exchange, request_id, SASL_FAILED);
	else if (message->is_abort)
		answer(link, request_id, SASL_FAILED, NULL);
	else if (message->is_first)
		begin(sasl, link, request_id, message);
	else if (exchange == NULL)
		answer(link, request_id, SASL_TEMPORARY, NULL);
	else
		step(sasl, exchange, request_id, message);
}

/* ---- life ---- */

int
sasl_new(const struct sasl_parts *parts, struct sasl **sasl_out, struct err *err_out)
{
	struct sasl *sasl = xcalloc(1, sizeof(*sasl));

	sasl->parts = *parts;
	if (db_site_secret(parts->db, "fake_secret", sasl->verifier.fake_secret,
		sizeof(sasl->verifier.fake_secret), err_out) != 0) {
		free(sasl);
		return -1;
	}
	ensure(gsasl_init(&sasl->gsasl) == GSASL_OK);
	gsasl_callback_set(sasl->gsasl, on_property);
	sasl->mechanisms = xstrdup(parts->mechanisms);
	sasl->verifier.db = parts->db;
	sasl->verifier.pool = parts->pool;
	sasl->verifier.cache = sasl_cache_new();
	sasl->verifier.on_verdict = on_verdict;
	sasl->verifier.ctx = sasl;
	exchanges_init(&sasl->exchanges);
	sasl->sweep = timer_new(parts->loop, on_sweep, sasl);
	timer_set(sasl->sweep, SWEEP_MS);
	*sasl_out = sasl;
	return 0;
}

void
sasl_free(struct sasl *sasl)
{
	if (sasl == NULL)
		return;
	exchanges_fini(&sasl->exchanges);
	timer_free(sasl->sweep);
	sasl_cache_free(sasl->verifier.cache);
	gsasl_done(sasl->gsasl);
	free(sasl->mechanisms);
	free(sasl);
}

void
sasl_set_mechanisms(struct sasl *sasl, const char *mechanisms)
{
	free(sasl->mechanisms);
	sasl->mechanisms = xstrdup(mechanisms);
}

void
sasl_forget_link(struct sasl *sasl, struct link *link)
{
	exchanges_forget_link(&sasl->exchanges, link);
}

void
sasl_forget_user(struct sasl *sasl, int64_t user_id)
{
	sasl_cache_forget(sasl->verifier.cache, user_id);
}
