/* auth_method - a table of mechanisms. */
#include "daemon/relay/auth_method.h"

#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct auth_traits methods[AUTH_METHODS] = {
	/*                          mechanism             option                plain  bound  mutual secret token  challenges */
	[AUTH_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", "scram-sha-256-plus", false, true,  true,  true,  false, 3},
	[AUTH_SCRAM_SHA_256] =      {"SCRAM-SHA-256",      "scram-sha-256",      false, false, true,  true,  false, 3},
	[AUTH_SCRAM_SHA_1_PLUS] =   {"SCRAM-SHA-1-PLUS",   "scram-sha-1-plus",   false, true,  true,  true,  false, 3},
	[AUTH_SCRAM_SHA_1] =        {"SCRAM-SHA-1",        "scram-sha-1",        false, false, true,  true,  false, 3},
	[AUTH_CRAM_MD5] =           {"CRAM-MD5",           "cram-md5",           false, false, false, true,  false, 1},
	[AUTH_NTLM] =               {"NTLM",               "ntlm",               false, false, false, true,  false, 2},
	[AUTH_LOGIN] =              {"LOGIN",              "login",              true,  false, false, true,  false, 2},
	[AUTH_PLAIN] =              {"PLAIN",              "plain",              true,  false, false, true,  false, 1},
	[AUTH_NTLM_V1] =            {"NTLM",               "ntlm-v1",            false, false, false, true,  false, 2},
	[AUTH_XOAUTH2] =            {"XOAUTH2",            "xoauth2",            false, false, false, true,  true, 2},
	[AUTH_OAUTHBEARER] =        {"OAUTHBEARER",        "oauthbearer",        false, false, false, true,  true, 2},
	[AUTH_EXTERNAL] =           {"EXTERNAL",           "external",           false, false, false, false, false, 1},
	[AUTH_ANONYMOUS] =          {"ANONYMOUS",          "anonymous",          false, false, false, false, false, 1},
};
/* clang-format on */

#define OF_AUTO (AUTH_BIT(AUTH_PLAIN + 1) - 1)

const struct auth_traits *
auth_traits(enum auth_method method)
{
	return &methods[method];
}

const char *
auth_method_name(enum auth_method method)
{
	return methods[method].mechanism;
}

unsigned
auth_method_bit(const char *name, size_t size)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (strlen(methods[i].mechanism) == size &&
		    strncasecmp(methods[i].mechanism, name, size) == 0)
			bits |= AUTH_BIT(i);
	return bits;
}

unsigned
auth_methods_plain(void)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < AUTH_METHODS; i++)
		bits |= methods[i].is_plain ? AUTH_BIT(i) : 0;
	return bits;
}

unsigned
auth_methods_token(void)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < AUTH_METHODS; i++)
		bits |= methods[i].is_token ? AUTH_BIT(i) : 0;
	return bits;
}

int
auth_methods_wanted(const char *auth, unsigned *methods_out, struct err *err_out)
{
	*methods_out = 0;
	if (auth[0] == '\0' || strcmp(auth, "none") == 0)
		return 0;
	if (strcmp(auth, "auto") == 0)
		*methods_out = OF_AUTO;
	if (strcmp(auth, "msn") == 0) /* an old name of the same */
		*methods_out = AUTH_BIT(AUTH_NTLM);
	for (unsigned i = 0; i < AUTH_METHODS; i++)
		if (strcmp(auth, methods[i].option) == 0)
			*methods_out = AUTH_BIT(i);
	if (*methods_out == 0)
		return err_set(err_out,
		    "auth %s is not supported: use none, auto, or the name of a method", auth);
	return 0;
}
