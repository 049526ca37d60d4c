/*
 * pop3_settings - the part of a profile that is about POP-before-SMTP
 *
 * Owns     copies of everything; the password is wiped at the end
 * Units    milliseconds
 * Fails    NULL and *err_out
 */
#ifndef POSTERN_RELAY_POP3_SETTINGS_H
#define POSTERN_RELAY_POP3_SETTINGS_H

#include "common/err.h"
#include "daemon/core/messages.h"
#include "daemon/core/tls.h"
#include "daemon/relay/pop3_method.h"

struct pop3_settings {
	char *host;
	uint16_t port;
	enum profile_tls tls;            /* PROFILE_STARTTLS is STLS */
	struct tls_context *tls_context; /* NULL with PROFILE_NONE */
	struct pop3_method method;
	char *username, *password;
	int64_t valid_ms; /* so long a login opens the SMTP server */
};

/* Of a profile that has a pop3_host. `system_cas` may be NULL. */
struct pop3_settings *pop3_settings_new(
    const struct msg_profile *message, struct tls_store *system_cas, struct err *err_out);
void pop3_settings_free(struct pop3_settings *settings); /* NULL is allowed */

#endif
