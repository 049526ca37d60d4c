/* verifier - SCRAM-SHA-256 keys from passwords, with OpenSSL (twice as fast as libgsasl's). */
#include "daemon/accounts/verifier.h"

#include "common/err.h"
#include "daemon/accounts/base64_buf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "SCRAM-SHA-256$"

static void
hmac(const uint8_t key[static VERIFIER_KEY_SIZE], const char *text,
    uint8_t out[static VERIFIER_KEY_SIZE])
{
	ensure(HMAC(EVP_sha256(), key, VERIFIER_KEY_SIZE, (const unsigned char *)text, strlen(text),
		   out, NULL) != NULL);
}

/* RFC 5802 section 3: SaltedPassword, ClientKey, StoredKey, ServerKey. */
void
verifier_derive(struct verifier *verifier, const char *password)
{
	uint8_t salted[VERIFIER_KEY_SIZE], client_key[VERIFIER_KEY_SIZE];

	ensure(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), verifier->salt,
		   sizeof(verifier->salt), (int)verifier->rounds, EVP_sha256(), sizeof(salted),
		   salted) == 1);
	hmac(salted, "Client Key", client_key);
	hmac(salted, "Server Key", verifier->server_key);
	ensure(SHA256(client_key, sizeof(client_key), verifier->stored_key) != NULL);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client_key, sizeof(client_key));
}

void
verifier_init(struct verifier *verifier, uint32_t rounds)
{
	*verifier = (struct verifier){.rounds = rounds};
	ensure(RAND_bytes(verifier->salt, sizeof(verifier->salt)) == 1);
}

bool
verifier_matches(const struct verifier *verifier, const char *password)
{
	struct verifier derived = *verifier;
	bool is_equal;

	verifier_derive(&derived, password);
	is_equal = CRYPTO_memcmp(
		       derived.stored_key, verifier->stored_key, sizeof(derived.stored_key)) == 0;
	OPENSSL_cleanse(&derived, sizeof(derived));
	return is_equal;
}

static void
fake_part(const uint8_t secret[static VERIFIER_KEY_SIZE], const char *what, const char *login,
    uint8_t out[static VERIFIER_KEY_SIZE])
{
	struct buf text;

	buf_init(&text);
	buf_printf(&text, "fake %s %s", what, login);
	hmac(secret, text.bytes, out);
	buf_fini(&text);
}

void
verifier_fake(
    struct verifier *verifier, const uint8_t secret[static VERIFIER_KEY_SIZE], const char *login)
{
	uint8_t bytes[VERIFIER_KEY_SIZE];

	fake_part(secret, "salt", login, bytes);
	memcpy(verifier->salt, bytes, sizeof(verifier->salt));
	verifier->rounds =
	    bytes[VERIFIER_KEY_SIZE - 1] & 1 ? VERIFIER_ROUNDS_CHOSEN : VERIFIER_ROUNDS_GENERATED;
	fake_part(secret, "stored key", login, verifier->stored_key);
	fake_part(secret, "server key", login, verifier->server_key);
}

void
verifier_format(const struct verifier *verifier, struct buf *out)
{
	buf_printf(out, PREFIX "%u:", verifier->rounds);
	base64_append(out, verifier->salt, sizeof(verifier->salt));
	buf_char(out, '$');
	base64_append(out, verifier->stored_key, sizeof(verifier->stored_key));
	buf_char(out, ':');
	base64_append(out, verifier->server_key, sizeof(verifier->server_key));
}

/* Reads base64 of exactly `size` bytes up to `end`, and steps behind it. */
static int
take_bytes(const char **at, char end, uint8_t *out, size_t size)
{
	const char *stop = strchr(*at, end);

	if (stop == NULL || base64_take(*at, (size_t)(stop - *at), out, size) != (ssize_t)size)
		return -1;
	*at = end == '\0' ? stop : stop + 1;
	return 0;
}

int
verifier_parse(const char *text, struct verifier *verifier_out)
{
	char *end;
	const char *at;
	unsigned long rounds;

	if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return -1;
	rounds = strtoul(text + strlen(PREFIX), &end, 10);
	if (*end != ':' || rounds < 1 || rounds > VERIFIER_ROUNDS_MAX)
		return -1;
	verifier_out->rounds = (uint32_t)rounds;
	at = end + 1;
	if (take_bytes(&at, '$', verifier_out->salt, sizeof(verifier_out->salt)) != 0 ||
	    take_bytes(&at, ':', verifier_out->stored_key, VERIFIER_KEY_SIZE) != 0)
		return -1;
	return take_bytes(&at, '\0', verifier_out->server_key, VERIFIER_KEY_SIZE);
}
