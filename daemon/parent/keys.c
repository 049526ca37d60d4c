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
check_pair(X509 *certificate, EVP_PKEY *key, const struct config *config, struct err *err_out)
{
	const char *option = "tls.key";

	if (certificate == NULL) {
		(void)err_set(err_out,
		    "there is no certificate in %s (PEM, -----BEGIN CERTIFICATE-----)",
		    config->tls.certificate);
		option = "tls.certificate";
	} else if (key == NULL) {
		(void)err_set(err_out, "there is no private key in %s (PEM, without a passphrase)",
		    config->tls.key);
	} else if (X509_check_private_key(certificate, key) != 1) {
		(void)err_set(err_out, "%s is not the key of the certificate in %s",
		    config->tls.key, config->tls.certificate);
	} else {
		return 0;
	}
	return config_blame(config, option, err_out);
}

int
keys_read_certificate(const struct config *config, struct buf *certificate_out, struct buf *key_out,
    struct err *err_out)
{
	X509 *certificate;
	EVP_PKEY *key;
	int result;

	if (keyfile_read_path(config->tls.certificate, certificate_out, err_out) != 0)
		return config_blame(config, "tls.certificate", err_out);
	if (keyfile_read_path(config->tls.key, key_out, err_out) != 0)
		return config_blame(config, "tls.key", err_out);
	certificate = certificate_parse(certificate_out);
	key = certificate_parse_key(key_out);
	result = check_pair(certificate, key, config, err_out);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return result;
}
