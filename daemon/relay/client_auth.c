/* client_auth - PLAIN, LOGIN and CRAM-MD5 towards an upstream. */
#include "daemon/relay/client_auth.h"

#include "common/xalloc.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct client_auth {
	enum auth_method method;
	Gsasl *sasl;
	Gsasl_session *session;
};

static const struct {
	const char *mechanism; /* of SASL */
	const char *option;    /* of a profile */
} methods[AUTH_METHODS] = {
    [AUTH_CRAM_MD5] = {"CRAM-MD5", "cram-md5"},
    [AUTH_LOGIN] = {"LOGIN", "login"},
    [AUTH_PLAIN] = {"PLAIN", "plain"},
};

const char *
auth_method_name(enum auth_method method)
{
	return methods[method].mechanism;
}

unsigned
auth_method_bit(const char *name, size_t size)
{
	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (strlen(methods[i].mechanism) == size &&
		    strncasecmp(methods[i].mechanism, name, size) == 0)
			return AUTH_BIT(i);
	return 0;
}

int
auth_methods_wanted(const char *auth, unsigned *methods_out, struct err *err_out)
{
	*methods_out = 0;
	if (auth[0] == '\0' || strcmp(auth, "none") == 0)
		return 0;
	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (strcmp(auth, "auto") == 0 || strcmp(auth, methods[i].option) == 0)
			*methods_out |= AUTH_BIT(i);
	if (*methods_out == 0)
		return err_set(err_out,
		    "auth %s is not supported: use none, auto, plain, login or cram-md5", auth);
	return 0;
}

static int
set_property(struct client_auth *auth, Gsasl_property property, const void *value, size_t size)
{
	return gsasl_property_set_raw(auth->session, property, value, size);
}

static int
begin(struct client_auth *auth, const struct client_auth_settings *settings)
{
	const char *user = settings->username;
	int status = gsasl_init(&auth->sasl);

	if (status == GSASL_OK)
		status = gsasl_client_start(
		    auth->sasl, methods[settings->method].mechanism, &auth->session);
	if (status == GSASL_OK)
		status = set_property(auth, GSASL_AUTHID, user, strlen(user));
	if (status == GSASL_OK)
		status =
		    set_property(auth, GSASL_PASSWORD, settings->secret, settings->secret_size);
	return status;
}

struct client_auth *
client_auth_new(const struct client_auth_settings *settings, struct err *err_out)
{
	struct client_auth *auth = xcalloc(1, sizeof(*auth));
	int status;

	auth->method = settings->method;
	status = begin(auth, settings);
	if (status == GSASL_OK)
		return auth;
	(void)err_set(err_out, "%s can't begin: %s", auth_method_name(settings->method),
	    gsasl_strerror(status));
	client_auth_free(auth);
	return NULL;
}

void
client_auth_free(struct client_auth *auth)
{
	if (auth == NULL)
		return;
	if (auth->session != NULL)
		gsasl_finish(auth->session);
	if (auth->sasl != NULL)
		gsasl_done(auth->sasl);
	free(auth);
}

int
client_auth_step(
    struct client_auth *auth, const char *challenge, struct buf *answer_out, struct err *err_out)
{
	char *answer = NULL;
	int status = gsasl_step64(auth->session, challenge, &answer);

	if (status != GSASL_OK && status != GSASL_NEEDS_MORE) {
		gsasl_free(answer);
		return err_set(err_out, "the upstream's %s challenge can't be answered: %s",
		    auth_method_name(auth->method), gsasl_strerror(status));
	}
	buf_text(answer_out, answer);
	OPENSSL_cleanse(answer, strlen(answer));
	gsasl_free(answer);
	return 0;
}

bool
client_auth_is_first(const struct client_auth *auth)
{
	return auth->method == AUTH_PLAIN;
}
