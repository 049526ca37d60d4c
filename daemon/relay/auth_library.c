/*
 * auth_library - PLAIN, LOGIN, CRAM-MD5, EXTERNAL, ANONYMOUS and SCRAM by libgsasl.
 *
 * The library is never left to derive SCRAM's key: what the upstream asks for is checked first, the
 * key comes from scram_key.c. Only the mechanisms with -PLUS are told of a channel binding: in
 * version 2.2 the others fail when there is one.
 */
#include "common/xalloc.h"
#include "daemon/relay/auth_exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
set_bytes(struct client_auth *auth, Gsasl_property property, const uint8_t *bytes, size_t size)
{
	char *text = NULL;
	int status = gsasl_base64_to((const char *)bytes, size, &text, NULL);

	if (status == GSASL_OK)
		status = gsasl_property_set(auth->session, property, text);
	gsasl_free(text);
	return status;
}

/* tls-unique is what servers before TLS 1.3 know (RFC 5802 section 6), tls-exporter what they have
 * since (RFC 9266). */
static int
set_binding(struct client_auth *auth, const struct tls_binding *binding)
{
	if (!auth->traits->is_bound)
		return GSASL_OK;
	if (binding == NULL)
		return GSASL_NO_CB_TLS_EXPORTER;
	if (binding->unique_size > 0)
		return set_bytes(auth, GSASL_CB_TLS_UNIQUE, binding->unique, binding->unique_size);
	return set_bytes(auth, GSASL_CB_TLS_EXPORTER, binding->exporter, TLS_EXPORTER_SIZE);
}

static bool
is_scram(const struct client_auth *auth)
{
	return auth->traits->is_mutual;
}

/* With EXTERNAL it is whom to act as, the certificate's owner if it's empty (RFC 4422 A.1); with
 * ANONYMOUS a trace of who it was (RFC 4505). */
static Gsasl_property
name_property(enum auth_method method)
{
	switch (method) {
	case AUTH_EXTERNAL:
		return GSASL_AUTHZID;
	case AUTH_ANONYMOUS:
		return GSASL_ANONYMOUS_TOKEN;
	default:
		return GSASL_AUTHID;
	}
}

static int
start(struct client_auth *auth, const struct client_auth_settings *settings)
{
	int status = gsasl_init(&auth->library);

	if (status == GSASL_OK)
		status = gsasl_client_start(auth->library, auth->traits->mechanism, &auth->session);
	if (status == GSASL_OK)
		status = gsasl_property_set(
		    auth->session, name_property(settings->method), settings->username);
	if (status == GSASL_OK && !is_scram(auth) && auth->traits->has_secret)
		status = gsasl_property_set(auth->session, GSASL_PASSWORD, settings->secret);
	if (status == GSASL_OK)
		status = set_binding(auth, settings->binding);
	return status;
}

static int
begin(struct client_auth *auth, const struct client_auth_settings *settings, struct err *err_out)
{
	int status = start(auth, settings);

	if (status != GSASL_OK)
		return err_set(
		    err_out, "%s can't begin: %s", auth->traits->mechanism, gsasl_strerror(status));
	if (is_scram(auth))
		auth->password = xstrdup(settings->secret);
	auth->hash =
	    strstr(auth->traits->mechanism, "SHA-256") != NULL ? SCRAM_SHA_256 : SCRAM_SHA_1;
	return 0;
}

static void
end(struct client_auth *auth)
{
	if (auth->session != NULL)
		gsasl_finish(auth->session);
	if (auth->library != NULL)
		gsasl_done(auth->library);
	auth_wipe_text(&auth->password);
	scram_key_free(auth->key);
	free(auth->challenge);
}

static enum auth_step
library_step(struct client_auth *auth, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	char *answer = NULL;
	size_t size = 0;
	int status = gsasl_step(auth->session, challenge->bytes, challenge->size, &answer, &size);

	auth->steps++;
	if (status != GSASL_OK && status != GSASL_NEEDS_MORE) {
		gsasl_free(answer);
		err_write(err_out, "the upstream's %s challenge can't be answered: %s",
		    auth->traits->mechanism, gsasl_strerror(status));
		return AUTH_STEP_FAILED;
	}
	auth->is_proved |= status == GSASL_OK;
	if (size > 0) {
		buf_append(answer_out, answer, size);
		explicit_bzero(answer, size);
	}
	gsasl_free(answer);
	return AUTH_STEP_ANSWERS;
}

/* ---- SCRAM ---- */

/* `e=` in place of a proof (RFC 5802 section 7). */
static enum auth_step
note_server_error(
    struct client_auth *auth, const struct auth_challenge *challenge, struct err *err_out)
{
	auth->is_unsupported = strstr(challenge->bytes, "channel-binding") != NULL;
	err_write(err_out, "the upstream refuses %s: %.100s", auth->traits->mechanism,
	    challenge->bytes + 2);
	return AUTH_STEP_FAILED;
}

static enum auth_step
want_key(struct client_auth *auth, const struct auth_challenge *challenge, struct err *err_out)
{
	struct err why;

	auth->key =
	    scram_key_new(auth->hash, challenge->bytes, challenge->size, auth->password, &why);
	if (auth->key == NULL) {
		err_write(err_out, "the upstream's %s challenge is not answered: %s",
		    auth->traits->mechanism, why.text);
		return AUTH_STEP_FAILED;
	}
	auth->challenge = xstrndup(challenge->bytes, challenge->size);
	auth->challenge_size = strlen(auth->challenge);
	return AUTH_STEP_WANTS_KEY;
}

static enum auth_step
step(struct client_auth *auth, const struct auth_challenge *challenge, struct buf *answer_out,
    struct err *err_out)
{
	if (is_scram(auth) && auth->steps > 0 && strncmp(challenge->bytes, "e=", 2) == 0)
		return note_server_error(auth, challenge, err_out);
	if (is_scram(auth) && auth->steps == 1 && auth->challenge == NULL)
		return want_key(auth, challenge, err_out);
	return library_step(auth, challenge, answer_out, err_out);
}

enum auth_step
auth_library_use_key(
    struct client_auth *auth, struct scram_key *key, struct buf *answer_out, struct err *err_out)
{
	const struct auth_challenge challenge = {auth->challenge, auth->challenge_size};
	char hex[2 * SCRAM_HASH_MAX + 1];

	for (size_t i = 0; i < key->key_size; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", key->key[i]);
	(void)gsasl_property_set(auth->session, GSASL_SCRAM_SALTED_PASSWORD, hex);
	explicit_bzero(hex, sizeof(hex));
	scram_key_free(key);
	return library_step(auth, &challenge, answer_out, err_out);
}

const struct auth_ops auth_library_first = {
    .begin = begin, .step = step, .end = end, .is_first = true};
const struct auth_ops auth_library = {.begin = begin, .step = step, .end = end, .is_first = false};
