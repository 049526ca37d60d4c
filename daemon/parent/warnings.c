/* warnings - looks at dates and versions. */
#include "daemon/parent/warnings.h"

#include <stdio.h>

void
warnings_of_certificates(
    const struct config *config, const struct files *files, time_t now, warning_fn warn)
{
	for (unsigned i = 0; i < files->pair_count; i++) {
		struct err words, text;
		enum keypair_state state = keypair_judge(&files->pairs[i], now, &words);

		if (state == KEYPAIR_GOOD)
			continue;
		if (i < config->tls.pair_count) {
			(void)err_set(
			    &text, "%s: %s", config->tls.pairs[i].certificate, words.text);
			(void)config_blame_pair(
			    config, &config->tls.pairs[i], "certificate", &text);
		} else {
			(void)err_set(
			    &text, "postern's own: %s; a reload makes a new one", words.text);
		}
		warn(state == KEYPAIR_NOT_VALID ? LOG_ERROR : LOG_WARNING, text.text);
	}
}

/* May be meant, where clients know SCRAM-SHA-256: hence no error. */
static void
warn_of_logins(const struct config *config, const struct config_listener *listener, warning_fn warn)
{
	bool has_other = config_has_mechanism(config, "SCRAM-SHA-256") ||
			 config_has_mechanism(config, "CRAM-MD5");
	struct err text;

	if (listener->tls != LISTENER_NONE || config->auth.without_tls != AUTH_CLEAR_NEVER ||
	    config->trusted_count > 0)
		return;
	(void)err_set(&text,
	    "listeners: the one of %s port %u has no TLS, and auth.without_tls is never: %s",
	    listener->address, listener->ports[0].first,
	    has_other ? "nobody can log in there by PLAIN or LOGIN" : "nobody can log in there");
	warn(LOG_WARNING, text.text);
}

void
warnings_of_listeners(const struct config *config, warning_fn warn)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		struct err text;

		warn_of_logins(config, listener, warn);
		if (listener->tls == LISTENER_NONE || listener->min_version >= TLS_VERSION_1_2)
			continue;
		(void)err_set(&text,
		    "listeners: the one of %s port %u takes TLS %s and weak ciphers (min_version): "
		    "keep it for devices that can do no better, on a network of their own",
		    listener->address, listener->ports[0].first,
		    listener->min_version == TLS_VERSION_1_0 ? "1.0" : "1.1");
		warn(LOG_WARNING, text.text);
	}
}
