/*
 * auth_bearer - OAUTHBEARER (RFC 7628) and XOAUTH2, which Google made before it and Microsoft knows
 * alone. Both say the token at once; what is wrong with it comes as a challenge, whose answer says
 * nothing, before the upstream refuses.
 */
#include "common/xalloc.h"
#include "daemon/relay/auth_exchange.h"

#include <string.h>

#define SEPARATOR "\x01"

/* RFC 5801 section 4: a comma and an equals sign in a name are escaped. */
static void
append_name(struct buf *out, const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == ',')
			buf_text(out, "=2C");
		else if (*name == '=')
			buf_text(out, "=3D");
		else
			buf_char(out, *name);
}

static int
check(const struct client_auth_settings *settings, struct err *err_out)
{
	if (strpbrk(settings->secret, SEPARATOR "\r\n") == NULL &&
	    strpbrk(settings->username, SEPARATOR "\r\n") == NULL)
		return 0;
	return err_set(err_out, "the user name or the token has control characters");
}

static int
begin_bearer(
    struct client_auth *auth, const struct client_auth_settings *settings, struct err *err_out)
{
	struct buf text;

	if (check(settings, err_out) != 0)
		return -1;
	buf_init(&text);
	buf_text(&text, "n,a=");
	append_name(&text, settings->username);
	buf_printf(&text, "," SEPARATOR "auth=Bearer %s" SEPARATOR SEPARATOR, settings->secret);
	auth->bearer = buf_give(&text);
	return 0;
}

static int
begin_xoauth2(
    struct client_auth *auth, const struct client_auth_settings *settings, struct err *err_out)
{
	if (check(settings, err_out) != 0)
		return -1;
	auth->bearer = xasprintf("user=%s" SEPARATOR "auth=Bearer %s" SEPARATOR SEPARATOR,
	    settings->username, settings->secret);
	return 0;
}

static enum auth_step
step(struct client_auth *auth, const char *to_an_error, struct buf *answer_out, struct err *err_out)
{
	if (auth->steps > 1) {
		err_write(err_out, "the upstream asks %s without end", auth->traits->mechanism);
		return AUTH_STEP_FAILED;
	}
	buf_text(answer_out, auth->steps++ == 0 ? auth->bearer : to_an_error);
	return AUTH_STEP_ANSWERS;
}

static enum auth_step
step_bearer(struct client_auth *auth, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	return step(auth, SEPARATOR, answer_out, err_out);
}

static enum auth_step
step_xoauth2(struct client_auth *auth, const struct auth_challenge *challenge,
    struct buf *answer_out, struct err *err_out)
{
	return step(auth, "", answer_out, err_out);
}

static void
end(struct client_auth *auth)
{
	auth_wipe_text(&auth->bearer);
}

const struct auth_ops auth_oauthbearer = {begin_bearer, step_bearer, end, .is_first = true};
const struct auth_ops auth_xoauth2 = {begin_xoauth2, step_xoauth2, end, .is_first = true};
