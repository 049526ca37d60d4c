/*
 * sasl - exchanges, driven by libgsasl. What it asks for comes from sasl_library; the verdict from
 * sasl_verify, often from the pool, when the exchange may be gone already. So a check carries the
 * exchange's number, never a pointer to it.
 */
#include "daemon/accounts/sasl.h"

#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/accounts/base64_buf.h"
#include "daemon/accounts/db_query.h"
#include "daemon/accounts/sasl_library.h"
#include "daemon/accounts/sasl_mechanism.h"
#include "daemon/accounts/sasl_private.h"
#include "daemon/core/loop.h"

#include <gsasl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGE_MS (10 * 60 * 1000)
#define SWEEP_MS (60 * 1000)
#define CHALLENGE_MAX 12288 /* as SASL_REPLY has it */

static void
on_sweep(void *ctx)
{
	struct sasl *sasl = ctx;

	exchanges_sweep(&sasl->exchanges, loop_now_ms(sasl->parts.loop));
	timer_set(sasl->sweep, SWEEP_MS);
}

/* ---- verdicts from the pool ---- */

static void
on_verdict(uint64_t number, const struct verified *verified, void *ctx)
{
	struct sasl *sasl = ctx;
	struct exchange *exchange = exchanges_find_number(&sasl->exchanges, number);

	/* The client may have gone meanwhile. */
	if (exchange != NULL)
		sasl_give_verdict(sasl, exchange, exchange->request_id, verified);
}

/* ---- steps ---- */

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
		sasl_give_verdict(sasl, exchange, request_id, &verified);
}

/* The keys that the proof fitted are a user's, or it could not have. */
static void
verify_proof(struct sasl *sasl, struct exchange *exchange, struct verified *verified_out)
{
	const struct credentials credentials = {
	    .authorization = exchange->authorization,
	    .login = exchange->login,
	};

	sasl_verify_proof(&sasl->verifier, &exchange->user, &credentials, verified_out);
}

static void
challenge(struct exchange *exchange, uint32_t request_id, const char *output, size_t output_size)
{
	struct msg_sasl_reply reply = {.outcome = SASL_CONTINUE};

	reply.token = (struct msg_bytes){(const uint8_t *)output, (uint32_t)output_size};
	exchange->challenges++;
	sasl_answer(exchange->smtpd, request_id, &reply);
}

/* LOGIN's prompts are no standard, but clients look for exactly these; the library has others. */
static void
ask_on(struct sasl *sasl, struct exchange *exchange, uint32_t request_id, const char *output,
    size_t output_size)
{
	static const char *const prompts[] = {"Username:", "Password:"};

	if (strcmp(exchange->mechanism->name, "LOGIN") == 0 && exchange->challenges < 2) {
		const char *prompt = prompts[exchange->challenges];

		challenge(exchange, request_id, prompt, strlen(prompt));
	} else if (output_size > CHALLENGE_MAX) {
		sasl_finish(sasl, exchange, request_id, SASL_MALFORMED);
	} else {
		challenge(exchange, request_id, output, output_size);
	}
}

/* A proof fits. SCRAM has something to show for itself before the end; who may not log in doesn't
 * see it, as if the proof were wrong. */
static void
take_proof(struct sasl *sasl, struct exchange *exchange, uint32_t request_id, const char *output,
    size_t output_size)
{
	struct verified verified;

	verify_proof(sasl, exchange, &verified);
	if (verified.verdict != VERDICT_GOOD || output_size == 0) {
		sasl_give_verdict(sasl, exchange, request_id, &verified);
		return;
	}
	exchange->is_proven = true;
	challenge(exchange, request_id, output, output_size);
}

/* The client has seen it, and says nothing more (RFC 4954 4: it's a 334 that 235 follows). */
static void
end_proof(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct msg_sasl_step *message)
{
	struct verified verified;

	if (message->token.size > 0) {
		sasl_finish(sasl, exchange, request_id, SASL_MALFORMED);
		return;
	}
	verify_proof(sasl, exchange, &verified);
	sasl_give_verdict(sasl, exchange, request_id, &verified);
}

static void
refuse(struct sasl *sasl, struct exchange *exchange, uint32_t request_id)
{
	const struct verified bad = {.verdict = VERDICT_BAD};
	const struct sasl_mechanism *mechanism = exchange->mechanism;

	if (mechanism->is_proof && !mechanism->is_server_first && exchange->login == NULL)
		/* SCRAM before it knows a login: no guess was made. */
		sasl_finish_bad(sasl, exchange, request_id,
		    &(struct msg_sasl_reply){.reason = "the client's channel binding is not "
						       "accepted (a downgrade)"});
	else
		sasl_give_verdict(sasl, exchange, request_id, &bad);
}

/* No response of these mechanisms is empty; the library would ask again. */
static bool
is_malformed(const struct exchange *exchange, const struct msg_sasl_step *message)
{
	bool is_response = message->has_token || exchange->challenges > 0;
	bool is_login = strcmp(exchange->mechanism->name, "LOGIN") == 0;

	if (message->is_first && message->has_token && exchange->mechanism->is_server_first)
		return true;
	return message->token.size > exchange->mechanism->response_max ||
	       (is_response && message->token.size == 0 && !is_login);
}

static bool
begins_with(struct msg_bytes token, const char *prefix)
{
	size_t size = strlen(prefix);

	return token.size >= size && memcmp(token.at, prefix, size) == 0;
}

/* A binding that isn't ours says nothing of the password (RFC 5802 6: that's an error of its own).
 */
static bool
is_binding_unknown(const struct exchange *exchange, struct msg_bytes token)
{
	if (!exchange->mechanism->is_bound || exchange->login != NULL || !begins_with(token, "p="))
		return false;
	return !begins_with(token, "p=tls-exporter,") &&
	       (exchange->unique == NULL || !begins_with(token, "p=tls-unique,"));
}

static void
step(struct sasl *sasl, struct exchange *exchange, uint32_t request_id,
    const struct msg_sasl_step *message)
{
	char *output = NULL;
	size_t output_size = 0;
	int rc = GSASL_MECHANISM_PARSE_ERROR;

	if (is_binding_unknown(exchange, message->token)) {
		sasl_finish(sasl, exchange, request_id, SASL_UNSUPPORTED);
		return;
	}
	if (!is_malformed(exchange, message))
		rc = gsasl_step(exchange->session, (const char *)message->token.at,
		    message->token.size, &output, &output_size);
	/* Before anything is shown or derived. */
	if ((rc != GSASL_NEEDS_MORE || exchange->login != NULL) &&
	    sasl_is_shut_out(sasl, exchange, request_id))
		;
	else if (exchange->has_problem)
		sasl_finish(sasl, exchange, request_id, SASL_TEMPORARY);
	else if (rc == GSASL_NEEDS_MORE)
		ask_on(sasl, exchange, request_id, output, output_size);
	else if (rc == GSASL_OK && exchange->mechanism->is_proof)
		take_proof(sasl, exchange, request_id, output, output_size);
	else if (rc == GSASL_OK && exchange->has_credentials)
		verify(sasl, exchange, request_id);
	else if (rc == GSASL_MECHANISM_PARSE_ERROR || rc == GSASL_BASE64_ERROR)
		sasl_finish(sasl, exchange, request_id, SASL_MALFORMED);
	else
		refuse(sasl, exchange, request_id);
	gsasl_free(output);
}

/* Gives the text, or NULL. */
static char *
text_of(struct msg_bytes bytes)
{
	struct buf text;

	if (bytes.size == 0)
		return NULL;
	buf_init(&text);
	base64_append(&text, bytes.at, bytes.size);
	return buf_give(&text);
}

/* A bound mechanism works with the binding; the unbound one knows by it that a client which says
 * that it saw no bound one was lied to (RFC 5802 6). */
static void
set_bindings(
    const struct sasl *sasl, struct exchange *exchange, const struct msg_sasl_step *message)
{
	if (sasl_mechanism_find(sasl->mechanisms, "SCRAM-SHA-256-PLUS") == NULL)
		return;
	exchange->exporter = text_of(message->exporter);
	exchange->unique = text_of(message->unique);
}

static struct exchange *
start_exchange(struct sasl *sasl, struct link *link, const struct sasl_mechanism *mechanism,
    const struct msg_sasl_step *message)
{
	struct exchange *exchange;
	Gsasl_session *session;

	if (gsasl_server_start(sasl->gsasl, mechanism->name, &session) != GSASL_OK)
		return NULL;
	exchange = exchanges_add(&sasl->exchanges, link, message->exchange, session);
	if (exchange == NULL)
		return NULL;
	exchange->mechanism = mechanism;
	set_bindings(sasl, exchange, message);
	exchange->ends_at_ms = loop_now_ms(sasl->parts.loop) + EXCHANGE_MS;
	(void)snprintf(exchange->client, sizeof(exchange->client), "%s", message->client);
	exchange->connection = message->connection;
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
	const struct sasl_mechanism *mechanism =
	    sasl_mechanism_find(sasl->mechanisms, message->mechanism);
	struct exchange *exchange;

	if (mechanism == NULL || (mechanism->is_bound && message->exporter.size == 0)) {
		sasl_answer_outcome(link, request_id, SASL_UNSUPPORTED);
		return;
	}
	exchange = start_exchange(sasl, link, mechanism, message);
	if (exchange == NULL) {
		sasl_answer_outcome(link, request_id, SASL_TEMPORARY);
		return;
	}
	if (message->has_token && strcmp(mechanism->name, "LOGIN") == 0)
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
		sasl_finish(sasl, exchange, request_id, SASL_FAILED);
	else if (message->is_abort)
		sasl_answer_outcome(link, request_id, SASL_FAILED);
	else if (message->is_first)
		begin(sasl, link, request_id, message);
	else if (exchange == NULL)
		sasl_answer_outcome(link, request_id, SASL_TEMPORARY);
	else if (exchange->is_proven)
		end_proof(sasl, exchange, request_id, message);
	else
		step(sasl, exchange, request_id, message);
}

/* ---- life ---- */

int
sasl_new(const struct sasl_parts *parts, struct sasl **sasl_out, struct err *err_out)
{
	struct sasl *sasl = xcalloc(1, sizeof(*sasl));

	sasl->parts = *parts;
	if (db_site_secret(parts->db, "fake_secret", sasl->verifier.users.fake_secret,
		sizeof(sasl->verifier.users.fake_secret), err_out) != 0) {
		free(sasl);
		return -1;
	}
	ensure(gsasl_init(&sasl->gsasl) == GSASL_OK);
	gsasl_callback_set(sasl->gsasl, sasl_on_property);
	gsasl_callback_hook_set(sasl->gsasl, &sasl->verifier.users);
	ensure(RAND_bytes(sasl->verifier.guess_key, sizeof(sasl->verifier.guess_key)) == 1);
	sasl->mechanisms = xstrdup(parts->mechanisms);
	sasl->verifier.users.db = parts->db;
	sasl->verifier.users.seal_key = parts->seal_key;
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

uint64_t
sasl_derivations(const struct sasl *sasl)
{
	return sasl->verifier.derivations;
}
