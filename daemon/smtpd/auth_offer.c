/*
 * auth_offer - which mechanisms a client may use now. What shows the password needs TLS, or a
 * config that says otherwise; what proves it may be used in clear.
 */
#include "daemon/smtpd/session_private.h"

#include "common/format.h"

#include <string.h>

static bool
shows_password(const char *mechanism)
{
	return strcmp(mechanism, "PLAIN") == 0 || strcmp(mechanism, "LOGIN") == 0;
}

/* Whether a password may cross this connection. */
static bool
may_send_password(const struct session *session)
{
	switch (session->setup.config->auth.without_tls) {
	case AUTH_CLEAR_ALWAYS:
		return true;
	case AUTH_CLEAR_LOOPBACK:
		return session_has_tls(session) || session->setup.is_loopback;
	default:
		return session_has_tls(session);
	}
}

static bool
has_binding(const struct session *session)
{
	struct tls_binding binding;

	return session->setup.ports->tls_binding(session->setup.ctx, &binding);
}

/* Steps through "A B C"; the word is cut to `size`. */
static bool
next_word(const char **list, char *word, size_t size)
{
	size_t length;

	*list += strspn(*list, " ");
	length = strcspn(*list, " ");
	if (length == 0)
		return false;
	(void)format_text(word, size, "%.*s", (int)length, *list);
	*list += length;
	return true;
}

enum auth_usable
auth_usable(const struct session *session, const char *mechanism)
{
	if (!config_has_mechanism(session->setup.config, mechanism))
		return AUTH_UNKNOWN;
	if (shows_password(mechanism))
		return may_send_password(session) ? AUTH_USABLE : AUTH_NEEDS_TLS;
	if (strcmp(mechanism, AUTH_BOUND_MECHANISM) != 0)
		return AUTH_USABLE;
	if (!session_has_tls(session))
		return AUTH_NEEDS_TLS;
	return has_binding(session) ? AUTH_USABLE : AUTH_UNKNOWN;
}

/* The mechanisms that can be used, each with a blank before it; all, or those that show the
 * password. */
static void
append_usable(const struct session *session, bool only_shown, struct buf *out)
{
	const char *list = session->setup.config->auth.mechanisms;
	char word[32];

	while (next_word(&list, word, sizeof(word)))
		if ((!only_shown || shows_password(word)) &&
		    auth_usable(session, word) == AUTH_USABLE)
			buf_printf(out, " %s", word);
}

/* Clients from before RFC 2554 look for `AUTH=`; they know PLAIN and LOGIN. */
static void
offer_legacy(const struct session *session, struct buf *out)
{
	struct buf names;

	buf_init(&names);
	append_usable(session, true, &names);
	if (names.size > 0)
		buf_printf(out, "250-AUTH=%s\r\n", names.bytes + 1);
	buf_fini(&names);
}

void
auth_offer(const struct session *session, struct buf *out)
{
	struct buf names;

	buf_init(&names);
	append_usable(session, false, &names);
	if (names.size > 0)
		buf_printf(out, "250-AUTH%s\r\n", names.bytes);
	buf_fini(&names);
	if (session->setup.config->auth.legacy_line)
		offer_legacy(session, out);
}
