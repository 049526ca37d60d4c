/* scram_key - reads what a SCRAM server asks for, and derives the key with PBKDF2. */
#include "daemon/relay/scram_key.h"

#include "common/xalloc.h"

#include <gsasl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* The attribute that begins with `name=`; *size_out is its value's. NULL: there is none. */
static const char *
attribute(const char *message, size_t size, char name, size_t *size_out)
{
	const char *at = message, *end = message + size;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t length = (size_t)((comma != NULL ? comma : end) - at);

		if (length >= 2 && at[0] == name && at[1] == '=') {
			*size_out = length - 2;
			return at + 2;
		}
		at += length + 1;
	}
	return NULL;
}

static int
read_rounds(struct scram_key *key, const char *text, size_t size, struct err *err_out)
{
	unsigned rounds = 0;

	if (text == NULL || size == 0)
		return err_set(err_out, "it names no number of rounds");
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return err_set(err_out, "its number of rounds is none");
		if (rounds <= SCRAM_ROUNDS_MAX)
			rounds = rounds * 10 + (unsigned)(text[i] - '0');
	}
	if (rounds > SCRAM_ROUNDS_MAX)
		return err_set(err_out,
		    "it asks for more than %u rounds of key derivation, which is not done",
		    SCRAM_ROUNDS_MAX);
	if (rounds < SCRAM_ROUNDS_MIN)
		return err_set(err_out,
		    "it asks for %u rounds of key derivation, and less than %u don't protect the "
		    "password",
		    rounds, SCRAM_ROUNDS_MIN);
	key->rounds = rounds;
	return 0;
}

static int
read_salt(struct scram_key *key, const char *text, size_t size, struct err *err_out)
{
	char *salt = NULL;
	size_t salt_size = 0;
	bool is_good = text != NULL && size > 0 &&
		       gsasl_base64_from(text, size, &salt, &salt_size) == GSASL_OK &&
		       salt_size > 0 && salt_size <= SCRAM_SALT_MAX;

	if (is_good) {
		memcpy(key->salt, salt, salt_size);
		key->salt_size = salt_size;
	}
	gsasl_free(salt);
	return is_good ? 0 : err_set(err_out, "its salt can't be read");
}

/* RFC 5802 2.2 wants SASLprep; what that forbids is taken as it is, since a server that has such
 * a password did the same. */
static char *
prepare(const char *password)
{
	char *prepared = NULL, *copy;

	if (gsasl_saslprep(password, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) != GSASL_OK)
		return xstrdup(password);
	copy = xstrdup(prepared);
	OPENSSL_cleanse(prepared, strlen(prepared));
	gsasl_free(prepared);
	return copy;
}

struct scram_key *
scram_key_new(enum scram_hash hash, const char *server_first, size_t size, const char *password,
    struct err *err_out)
{
	struct scram_key *key = xcalloc(1, sizeof(*key));
	size_t rounds_size = 0, salt_size = 0;
	const char *rounds = attribute(server_first, size, 'i', &rounds_size);
	const char *salt = attribute(server_first, size, 's', &salt_size);

	key->hash = hash;
	if (read_rounds(key, rounds, rounds_size, err_out) != 0 ||
	    read_salt(key, salt, salt_size, err_out) != 0) {
		free(key);
		return NULL;
	}
	key->password = prepare(password);
	return key;
}

static void
forget_password(struct scram_key *key)
{
	if (key->password != NULL)
		OPENSSL_cleanse(key->password, strlen(key->password));
	free(key->password);
	key->password = NULL;
}

void
scram_key_free(struct scram_key *key)
{
	if (key == NULL)
		return;
	forget_password(key);
	OPENSSL_cleanse(key, sizeof(*key));
	free(key);
}

void
scram_key_derive(struct scram_key *key)
{
	const EVP_MD *digest = key->hash == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
	int size = EVP_MD_get_size(digest);

	ensure(PKCS5_PBKDF2_HMAC(key->password, (int)strlen(key->password), key->salt,
		   (int)key->salt_size, (int)key->rounds, digest, size, key->key) == 1);
	key->key_size = (size_t)size;
	forget_password(key);
}

bool
scram_key_take(struct scram_key *key, const struct scram_key *derived)
{
	if (derived == NULL || derived->hash != key->hash || derived->rounds != key->rounds ||
	    derived->salt_size != key->salt_size ||
	    memcmp(derived->salt, key->salt, key->salt_size) != 0)
		return false;
	memcpy(key->key, derived->key, derived->key_size);
	key->key_size = derived->key_size;
	forget_password(key);
	return true;
}

struct scram_key *
scram_key_copy(const struct scram_key *key)
{
	struct scram_key *copy = xmalloc(sizeof(*copy));

	*copy = *key;
	copy->password = NULL;
	return copy;
}
