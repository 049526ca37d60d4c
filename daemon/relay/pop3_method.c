/* pop3_method - a row for each name that a profile's pop3_auth may have, and APOP. */
#include "daemon/relay/pop3_method.h"

#include "common/err.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	struct pop3_method method;
} rows[] = {
    {"none", {.auth = POP3_AUTH_NONE}},
    {"login", {.auth = POP3_AUTH_LOGIN}},
    {"apop", {.auth = POP3_AUTH_APOP}},
    {"plain", {.auth = POP3_AUTH_SASL, .mechanism = AUTH_PLAIN}},
    {"cram-md5", {.auth = POP3_AUTH_SASL, .mechanism = AUTH_CRAM_MD5}},
    {"ntlm", {.auth = POP3_AUTH_SASL, .mechanism = AUTH_NTLM}},
    {"msn", {.auth = POP3_AUTH_SASL, .mechanism = AUTH_NTLM}}, /* an old name of the same */
    {"ntlm-v1", {.auth = POP3_AUTH_SASL, .mechanism = AUTH_NTLM_V1}},
};

bool
pop3_method_find(const char *name, struct pop3_method *method_out)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		*method_out = rows[i].method;
		return true;
	}
	return false;
}

const char *
pop3_method_name(const struct pop3_method *method)
{
	switch (method->auth) {
	case POP3_AUTH_LOGIN:
		return "USER/PASS";
	case POP3_AUTH_APOP:
		return "APOP";
	case POP3_AUTH_SASL:
		return auth_method_name(method->mechanism);
	case POP3_AUTH_NONE:
		break;
	}
	return "";
}

/* ---- APOP ---- */

static bool
is_atext(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Gives what stands behind a dot-atom; NULL if there is none. */
static const char *
skip_dot_atom(const char *at)
{
	for (;;) {
		if (!is_atext(*at))
			return NULL;
		while (is_atext(*at))
			at++;
		if (*at != '.')
			return at;
		at++;
	}
}

/* [192.0.2.1], as hosts without a name say. */
static const char *
skip_literal(const char *at)
{
	if (*at++ != '[')
		return NULL;
	while (isalnum((unsigned char)*at) || *at == '.' || *at == ':')
		at++;
	return *at == ']' ? at + 1 : NULL;
}

bool
pop3_find_stamp(const char *greeting, char stamp_out[static POP3_STAMP_SIZE])
{
	const char *start = strchr(greeting, '<');
	const char *at = start == NULL ? NULL : skip_dot_atom(start + 1);

	if (at == NULL || *at != '@')
		return false;
	at = at[1] == '[' ? skip_literal(at + 1) : skip_dot_atom(at + 1);
	if (at == NULL || *at != '>' || at - start + 2 > POP3_STAMP_SIZE)
		return false;
	(void)snprintf(stamp_out, POP3_STAMP_SIZE, "%.*s", (int)(at - start) + 1, start);
	return true;
}

void
pop3_digest(const char *stamp, const char *password, char digest_out[static POP3_DIGEST_SIZE])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	ensure(context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
	       EVP_DigestUpdate(context, stamp, strlen(stamp)) == 1 &&
	       EVP_DigestUpdate(context, password, strlen(password)) == 1 &&
	       EVP_DigestFinal_ex(context, digest, &size) == 1);
	EVP_MD_CTX_free(context);
	for (unsigned i = 0; i < 16; i++)
		(void)snprintf(digest_out + (size_t)2 * i, 3, "%02x", digest[i]);
	OPENSSL_cleanse(digest, sizeof(digest));
}
