/* sasl_mechanism - a table, and the config's list held against it. */
#include "daemon/accounts/sasl_mechanism.h"

#include <string.h>
#include <strings.h>

/* The library keeps several copies of what a proof begins with, while the client takes its time. */
#define PROOF_MAX 2048
#define PASSWORD_MAX 12288

/* clang-format off */
static const struct sasl_mechanism mechanisms[] = {
	/* name                response_max  is_proof bound  server first */
	{ "SCRAM-SHA-256-PLUS", PROOF_MAX,    true,    true,  false },
	{ "SCRAM-SHA-256",      PROOF_MAX,    true,    false, false },
	{ "CRAM-MD5",           PROOF_MAX,    true,    false, true },
	{ "LOGIN",              PASSWORD_MAX, false,   false, false },
	{ "PLAIN",              PASSWORD_MAX, false,   false, false },
};
/* clang-format on */

static bool
has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at++)
		if ((at == words || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

const struct sasl_mechanism *
sasl_mechanism_find(const char *configured, const char *name)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (strcasecmp(mechanisms[i].name, name) == 0)
			return has_word(configured, mechanisms[i].name) ? &mechanisms[i] : NULL;
	return NULL;
}
