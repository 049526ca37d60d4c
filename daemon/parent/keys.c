/* keys - the seal key, ticket keys, and the certificate that the config names. */
#include "daemon/parent/keys.h"

#include "common/xalloc.h"
#include "daemon/parent/certificate.h"
#include "daemon/parent/keyfile.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SEAL_KEY_SIZE 32
#define TICKET_KEYS_SIZE 80

static void
append_random(struct buf *out, size_t size)
{
	uint8_t bytes[TICKET_KEYS_SIZE];

	ensure(size <= sizeof(bytes) && RAND_bytes(bytes, (int)size) == 1);
	buf_append(out, bytes, size);
	explicit_bzero(bytes, sizeof(bytes));
}

int
keys_seal(const char *state_dir, struct buf *out, struct err *err_out)
{
	struct keyfile_dir dir;
	int result;

	if (keyfile_open_dir(state_dir, &dir, err_out) != 0)
		return -1;
	result = keyfile_read_private(&dir, "seal.key", out, err_out);
	if (result == 1) {
		append_random(out, SEAL_KEY_SIZE);
		result = keyfile_write(&dir, "seal.key", 0600, out->bytes, out->size, err_out);
	}
	if (result == 0 && out->size != SEAL_KEY_SIZE)
		result = err_set(err_out,
		    "%s/seal.key has %zu bytes instead of %d: restore it from a backup, or remove "
		    "it and give all upstream passwords again",
		    state_dir, out->size, SEAL_KEY_SIZE);
	keyfile_close_dir(&dir);
	return result;
}

void
keys_tickets(struct buf *out)
{
	append_random(out, TICKET_KEYS_SIZE);
}

static int
check_pair(X509 *certificate, EVP_PKEY *key, const char *certificate_path, const char *key_path,
    struct err *err_out)
{
	if (certificate == NULL)
		return err_set(err_out,
		    "%s: there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)",
		    certificate_path);
	if (key == NULL)
		return err_set(err_out,
		    "%s: there is no private key in it (PEM, without a passphrase)", key_path);
	if (X509_check_private_key(certificate, key) != 1)
		return err_set(err_out, "%s is not the key of the certificate in %s", key_path,
		    certificate_path);
	return 0;
}

int
keys_read_certificate(const char *certificate_path, const char *key_path,
    struct buf *certificate_out, struct buf *key_out, struct err *err_out)
{
	X509 *certificate;
	EVP_PKEY *key;
	int result;

	if (keyfile_read_path(certificate_path, certificate_out, err_out) != 0 ||
	    keyfile_read_path(key_path, key_out, err_out) != 0)
		return -1;
	certificate = certificate_parse(certificate_out);
	key = certificate_parse_key(key_out);
	result = check_pair(certificate, key, certificate_path, key_path, err_out);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return result;
}
