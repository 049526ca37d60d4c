/* sasl_library - properties of libgsasl, from an exchange and its user. */
#include "daemon/accounts/sasl_library.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/base64_buf.h"
#include "daemon/accounts/sasl_exchange.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* Gives a copy. gsasl_property_get() would call the callback again, without end. */
static char *
property(Gsasl_session *session, Gsasl_property name)
{
	const char *value = gsasl_property_fast(session, name);

	return xstrdup(value == NULL ? "" : value);
}

void
sasl_note_identity(struct exchange *exchange)
{
	free(exchange->authorization);
	free(exchange->login);
	exchange->authorization = property(exchange->session, GSASL_AUTHZID);
	exchange->login = property(exchange->session, GSASL_AUTHID);
}

static int
take_credentials(struct exchange *exchange)
{
	if (exchange->has_credentials)
		return GSASL_NO_CALLBACK;
	exchange->has_credentials = true;
	sasl_note_identity(exchange);
	exchange->password = property(exchange->session, GSASL_PASSWORD);
	return GSASL_OK;
}

/* ---- what a proof is held against ---- */

/* Without it the library goes on by itself, and what comes of that is not used. */
static int
note_problem(struct exchange *exchange, const struct err *err)
{
	log_problem(LOG_ERROR, "a login can't be checked: %s", err->text);
	exchange->has_problem = true;
	return GSASL_NO_CALLBACK;
}

static int
give_bytes(Gsasl_session *session, Gsasl_property name, const uint8_t *bytes, size_t size)
{
	struct buf text;
	int rc;

	buf_init(&text);
	base64_append(&text, bytes, size);
	rc = gsasl_property_set(session, name, text.bytes);
	OPENSSL_cleanse(text.bytes, text.size);
	buf_fini(&text);
	return rc;
}

/* The first that SCRAM asks for, once it knows the login. */
static int
give_rounds(struct exchange *exchange, const struct sasl_users *users)
{
	char text[16];
	struct err err;

	sasl_note_identity(exchange);
	if (sasl_user_find(users, exchange->login, &exchange->user, &err) != 0)
		return note_problem(exchange, &err);
	(void)snprintf(text, sizeof(text), "%u", exchange->user.verifier.rounds);
	return gsasl_property_set(exchange->session, GSASL_SCRAM_ITER, text);
}

static int
give_secret(struct exchange *exchange, const struct sasl_users *users)
{
	struct err err;

	sasl_note_identity(exchange);
	if (sasl_user_find_secret(users, exchange->login, &exchange->user, &err) != 0)
		return note_problem(exchange, &err);
	return gsasl_property_set(exchange->session, GSASL_PASSWORD, exchange->user.secret);
}

static int
give_binding(Gsasl_session *session, Gsasl_property name, const char *binding)
{
	return binding == NULL ? GSASL_NO_CALLBACK : gsasl_property_set(session, name, binding);
}

int
sasl_on_property(Gsasl *gsasl, Gsasl_session *session, Gsasl_property name)
{
	struct exchange *exchange = gsasl_session_hook_get(session);
	const struct sasl_users *users = gsasl_callback_hook_get(gsasl);
	const struct verifier *verifier;

	if (exchange == NULL)
		return GSASL_NO_CALLBACK;
	verifier = &exchange->user.verifier;
	switch (name) {
	case GSASL_VALIDATE_SIMPLE:
		return take_credentials(exchange);
	case GSASL_CB_TLS_EXPORTER:
		return give_binding(session, name, exchange->exporter);
	case GSASL_CB_TLS_UNIQUE:
		return give_binding(session, name, exchange->unique);
	case GSASL_SCRAM_ITER:
		return give_rounds(exchange, users);
	case GSASL_SCRAM_SALT:
		return give_bytes(session, name, verifier->salt, sizeof(verifier->salt));
	case GSASL_SCRAM_SERVERKEY:
		return give_bytes(
		    session, name, verifier->server_key, sizeof(verifier->server_key));
	case GSASL_SCRAM_STOREDKEY:
		return give_bytes(
		    session, name, verifier->stored_key, sizeof(verifier->stored_key));
	case GSASL_PASSWORD:
		return exchange->mechanism->is_server_first ? give_secret(exchange, users)
							    : GSASL_NO_CALLBACK;
	default:
		return GSASL_NO_CALLBACK;
	}
}
