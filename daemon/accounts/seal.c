/* seal - AES-256-GCM with a random nonce for each sealing; few enough for one key's life. */
#include "daemon/accounts/seal.h"

#include "common/xalloc.h"
#include "daemon/accounts/base64_buf.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_SIZE 12
#define TAG_SIZE 16
#define OVERHEAD (NONCE_SIZE + TAG_SIZE)

static int
check_key(struct msg_bytes key, struct err *err_out)
{
	if (key.size == SEAL_KEY_SIZE)
		return 0;
	if (key.size == 0)
		return err_set(err_out, "there is no seal.key to keep secrets with");
	return err_set(err_out, "seal.key has %u bytes, it must have %d", key.size, SEAL_KEY_SIZE);
}

static EVP_CIPHER_CTX *
begin(const uint8_t *key, const uint8_t *nonce, const char *context, int is_sealing)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	int size;

	ensure(cipher != NULL);
	ensure(EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key, nonce, is_sealing) == 1);
	ensure(EVP_CipherUpdate(
		   cipher, NULL, &size, (const unsigned char *)context, (int)strlen(context)) == 1);
	return cipher;
}

int
seal_close(struct msg_bytes key, const char *context, const char *secret, char **sealed_out,
    struct err *err_out)
{
	uint8_t sealed[SEAL_SECRET_MAX + OVERHEAD];
	size_t length = strlen(secret);
	EVP_CIPHER_CTX *cipher;
	struct buf text;
	int size;

	if (check_key(key, err_out) != 0)
		return -1;
	if (length > SEAL_SECRET_MAX)
		return err_set(err_out, "a secret has at most %d bytes", SEAL_SECRET_MAX);
	ensure(RAND_bytes(sealed, NONCE_SIZE) == 1);
	cipher = begin(key.at, sealed, context, 1);
	ensure(EVP_CipherUpdate(cipher, sealed + NONCE_SIZE, &size, (const unsigned char *)secret,
		   (int)length) == 1);
	ensure(EVP_CipherFinal_ex(cipher, sealed + NONCE_SIZE + length, &size) == 1);
	ensure(EVP_CIPHER_CTX_ctrl(
		   cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, sealed + NONCE_SIZE + length) == 1);
	EVP_CIPHER_CTX_free(cipher);

	buf_init(&text);
	base64_append(&text, sealed, length + OVERHEAD);
	*sealed_out = buf_give(&text);
	return 0;
}

int
seal_open(struct msg_bytes key, const char *context, const char *sealed, char **secret_out,
    struct err *err_out)
{
	uint8_t bytes[SEAL_SECRET_MAX + OVERHEAD];
	ssize_t size = base64_take(sealed, strlen(sealed), bytes, sizeof(bytes));
	EVP_CIPHER_CTX *cipher;
	size_t length;
	int part;
	char *secret;

	if (check_key(key, err_out) != 0)
		return -1;
	if (size < OVERHEAD)
		return err_set(err_out, "the sealed secret is damaged");
	length = (size_t)size - OVERHEAD;
	secret = xcalloc(1, length + 1);
	cipher = begin(key.at, bytes, context, 0);
	ensure(EVP_CipherUpdate(
		   cipher, (unsigned char *)secret, &part, bytes + NONCE_SIZE, (int)length) == 1);
	ensure(EVP_CIPHER_CTX_ctrl(
		   cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, bytes + NONCE_SIZE + length) == 1);
	if (EVP_CipherFinal_ex(cipher, (unsigned char *)secret + length, &part) != 1) {
		EVP_CIPHER_CTX_free(cipher);
		OPENSSL_cleanse(secret, length);
		free(secret);
		return err_set(err_out, "seal.key is not the one that the secret was sealed with");
	}
	EVP_CIPHER_CTX_free(cipher);
	*secret_out = secret;
	return 0;
}
