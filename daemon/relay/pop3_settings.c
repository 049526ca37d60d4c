/* pop3_settings - from accounts, made ready for use. */
#include "daemon/relay/pop3_settings.h"

#include "common/xalloc.h"
#include "daemon/relay/profile.h"

#include <stdlib.h>
#include <string.h>

static int
check_values(const struct msg_profile *message, struct pop3_settings *settings, struct err *err_out)
{
	if (message->pop3_port == 0 || message->pop3_valid_ms == 0)
		return err_set(err_out, "the profile's POP3 has no port, or holds for no time");
	if (message->pop3_tls > PROFILE_IMPLICIT || message->pop3_tls == PROFILE_OPPORTUNISTIC ||
	    message->pop3_tls_min > TLS_VERSION_1_3 ||
	    message->pop3_tls_verify > VERIFY_FINGERPRINT)
		return err_set(err_out, "the TLS settings of the profile's POP3 are out of range");
	if (!pop3_method_find(message->pop3_auth, &settings->method))
		return err_set(err_out, "pop3_auth: there is no method %s", message->pop3_auth);
	return 0;
}

static int
make_tls(struct pop3_settings *settings, const struct msg_profile *message,
    struct tls_store *system_cas, struct err *err_out)
{
	const struct tls_client_settings tls = {
	    .min_version = message->pop3_tls_min,
	    .max_version = TLS_VERSION_1_3,
	    .verify = message->pop3_tls_verify,
	    .fingerprint = message->pop3_fingerprint,
	    .store = system_cas,
	};

	if (settings->tls == PROFILE_NONE)
		return 0;
	settings->tls_context = profile_make_tls(&tls, message->pop3_ca, err_out);
	return settings->tls_context != NULL ? 0 : -1;
}

static char *
copy_secret(struct msg_bytes bytes)
{
	char *copy = xcalloc(1, bytes.size + 1);

	if (bytes.size > 0)
		memcpy(copy, bytes.at, bytes.size);
	return copy;
}

struct pop3_settings *
pop3_settings_new(
    const struct msg_profile *message, struct tls_store *system_cas, struct err *err_out)
{
	struct pop3_settings *settings = xcalloc(1, sizeof(*settings));

	settings->host = xstrdup(message->pop3_host);
	settings->port = message->pop3_port;
	settings->tls = message->pop3_tls;
	settings->username = xstrdup(message->pop3_username);
	settings->password = copy_secret(message->pop3_secret);
	settings->valid_ms = message->pop3_valid_ms;
	if (check_values(message, settings, err_out) == 0 &&
	    make_tls(settings, message, system_cas, err_out) == 0)
		return settings;
	pop3_settings_free(settings);
	return NULL;
}

void
pop3_settings_free(struct pop3_settings *settings)
{
	if (settings == NULL)
		return;
	explicit_bzero(settings->password, strlen(settings->password));
	free(settings->password);
	tls_release(settings->tls_context);
	free(settings->host);
	free(settings->username);
	free(settings);
}
