/*
 * auth_bearer - a token in place of a password: OAUTHBEARER (RFC 7628) and its forerunner XOAUTH2.
 *
 * A server that refuses the token says why in a challenge, as JSON, and waits for an answer that means
 * nothing before its reply comes (RFC 7628 3.2.3).
 */
#include "common/utf8.h"
#include "common/xalloc.h"
#include "daemon/relay/auth_exchange.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 6750 2.1; also no character that ends a part of the message. */
static bool
is_token(const char *text)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static int
begin(struct client_auth *auth, const struct client_auth_settings *settings, struct err *err_out)
{
	if (!is_token(settings->secret))
		return err_set(err_out,
		    "%s needs an access token, which is printable ASCII without blanks",
		    auth->traits->mechanism);
	auth->username = xstrdup(settings->username);
	auth->password = xstrdup(settings->secret);
	auth->host = xstrdup(settings->host);
	auth->port = settings->port;
	return 0;
}

static void
end(struct client_auth *auth)
{
	free(auth->username);
	auth_wipe_text(&auth->password);
	free(auth->host);
}

/* A name within the header of GS2 (RFC 5801 4). */
static void
put_saslname(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == ',')
			buf_text(out, "=2C");
		else if (*name == '=')
			buf_text(out, "=3D");
		else
			buf_char(out, *name);
	}
}

static void
put_bearer(const struct client_auth *auth, struct buf *out)
{
	buf_text(out, "n,");
	if (auth->username[0] != '\0') {
		buf_text(out, "a=");
		put_saslname(out, auth->username);
	}
	buf_printf(out, ",\001host=%s\001port=%u\001auth=Bearer ", auth->host, auth->port);
	buf_text(out, auth->password);
	buf_text(out, "\001\001");
}

static void
put_xoauth2(const struct client_auth *auth, struct buf *out)
{
	buf_text(out, "user=");
	buf_text(out, auth->username);
	buf_text(out, "\001auth=Bearer ");
	buf_text(out, auth->password);
	buf_text(out, "\001\001");
}

/* ---- the refusal ---- */

static void
add_member(struct buf *out, const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	if (value == NULL || *value == '\0')
		return;
	buf_printf(out, "%s%s=", out->size > 0 ? " " : "", name);
	utf8_append_clean(out, value, strnlen(value, 200));
}

/* Google says status, schemes and scope, others what RFC 7628 3.2.2 and RFC 6750 name. */
static void
note_refusal(struct client_auth *auth, const struct auth_challenge *challenge)
{
	json_t *object =
	    json_loadb(challenge->bytes, challenge->size, JSON_REJECT_DUPLICATES, NULL);
	struct buf text;

	buf_init(&text);
	if (json_is_object(object)) {
		add_member(&text, object, "status");
		add_member(&text, object, "error");
		add_member(&text, object, "error_description");
		add_member(&text, object, "scope");
	} else {
		utf8_append_clean(
		    &text, challenge->bytes, challenge->size < 200 ? challenge->size : 200);
	}
	json_decref(object);
	if (text.size > 0)
		(void)snprintf(auth->detail, sizeof(auth->detail), "%s", text.bytes);
	buf_fini(&text);
}

static enum auth_step
step(struct client_auth *auth, bool is_xoauth2, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	switch (auth->steps++) {
	case 0:
		if (is_xoauth2)
			put_xoauth2(auth, answer_out);
		else
			put_bearer(auth, answer_out);
		return AUTH_STEP_ANSWERS;
	case 1:
		note_refusal(auth, challenge);
		if (!is_xoauth2) /* XOAUTH2's answer is nothing at all */
			buf_char(answer_out, '\001');
		return AUTH_STEP_ANSWERS;
	default:
		err_write(
		    err_out, "the upstream's %s challenge has no answer", auth->traits->mechanism);
		return AUTH_STEP_FAILED;
	}
}

static enum auth_step
step_xoauth2(struct client_auth *auth, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	return step(auth, true, challenge, answer_out, err_out);
}

static enum auth_step
step_bearer(struct client_auth *auth, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	return step(auth, false, challenge, answer_out, err_out);
}

const struct auth_ops auth_xoauth2 = {
    .begin = begin, .step = step_xoauth2, .end = end, .is_first = true};
const struct auth_ops auth_bearer = {
    .begin = begin, .step = step_bearer, .end = end, .is_first = true};
