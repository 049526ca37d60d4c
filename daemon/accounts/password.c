/* password - random ones, and the one form of chosen ones. */
#include "daemon/accounts/password.h"

#include "common/xalloc.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS 4
#define GROUP_SIZE 5

/* Without i, l, o, 0 and 1. 31 letters: 20 of them carry 99 bits. */
static const char alphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";

static char
random_letter(void)
{
	const unsigned letters = sizeof(alphabet) - 1;
	uint8_t byte;

	/* What is beyond the last full round of the alphabet would favour its first letters. */
	do
		ensure(RAND_bytes(&byte, 1) == 1);
	while (byte >= 256 / letters * letters);
	return alphabet[byte % letters];
}

char *
password_generate(void)
{
	char *password = xcalloc(1, GROUPS * (GROUP_SIZE + 1));
	char *at = password;

	for (int group = 0; group < GROUPS; group++) {
		if (group > 0)
			*at++ = '-';
		for (int i = 0; i < GROUP_SIZE; i++)
			*at++ = random_letter();
	}
	return password;
}

int
password_prepare(const char *text, char **prepared_out, struct err *err_out)
{
	char *prepared = NULL;
	int rc;

	if (*text == '\0' || strlen(text) > PASSWORD_SIZE_MAX)
		return err_set(err_out, "the password must have 1 to %d bytes", PASSWORD_SIZE_MAX);
	rc = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
	if (rc != GSASL_OK || *prepared == '\0') {
		gsasl_free(prepared);
		return err_set(err_out, "the password has characters that SASLprep (RFC 4013) "
					"forbids: use printable UTF-8 text");
	}
	*prepared_out = xstrdup(prepared);
	OPENSSL_cleanse(prepared, strlen(prepared));
	gsasl_free(prepared);
	return 0;
}

void
password_free(char *password)
{
	if (password == NULL)
		return;
	OPENSSL_cleanse(password, strlen(password));
	free(password);
}
