/* user_secret - sealed under the login, which never changes. */
#include "daemon/accounts/user_secret.h"

#include "common/xalloc.h"
#include "daemon/accounts/sasl_mechanism.h"
#include "daemon/accounts/seal.h"

#include <stdlib.h>

/* Gives the context. */
static char *
context_of(const struct user *user)
{
	return xasprintf("user/%s/secret", user->login);
}

bool
user_secret_is_kept(const char *mechanisms)
{
	return sasl_mechanism_find(mechanisms, "CRAM-MD5") != NULL;
}

int
user_secret_seal(
    struct user *user, struct msg_bytes seal_key, const char *password, struct err *err_out)
{
	char *context = context_of(user), *sealed;
	int rc = seal_close(seal_key, context, password, &sealed, err_out);

	free(context);
	if (rc != 0)
		return -1;
	free(user->secret);
	user->secret = sealed;
	return 0;
}

int
user_secret_open(
    const struct user *user, struct msg_bytes seal_key, char **password_out, struct err *err_out)
{
	char *context = context_of(user);
	struct err why;
	int rc = seal_open(seal_key, context, user->secret, password_out, &why);

	free(context);
	if (rc == 0)
		return 0;
	return err_set(err_out,
	    "the secret of user %s for CRAM-MD5 can't be read: %.200s; restore seal.key, or give "
	    "the user a new password (user reset-password %s)",
	    user->login, why.text, user->login);
}
