/* tls_tickets - OpenSSL asks here for the key of each ticket that it writes or reads. */
#include "daemon/core/tls_tickets.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/tls_private.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/* What the callback returns (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)). */
enum { TICKET_ERROR = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_RENEW = 2 };

struct ticket_key {
	uint8_t name[16], mac[32], cipher[32];
};

struct tls_tickets {
	struct ticket_key keys[TICKET_KEYS_MAX];
	unsigned count;
	unsigned references;
};

_Static_assert(sizeof(struct ticket_key) == TICKET_KEY_SIZE, "keys are copied as they come");

struct tls_tickets *
tls_tickets_new(void)
{
	struct tls_tickets *tickets = xcalloc(1, sizeof(*tickets));

	tickets->references = 1;
	return tickets;
}

int
tls_tickets_set(struct tls_tickets *tickets, struct msg_bytes keys, struct err *err_out)
{
	if (keys.size == 0 || keys.size % TICKET_KEY_SIZE != 0 || keys.size > sizeof(tickets->keys))
		return err_set(err_out, "TLS ticket keys: %u bytes instead of 1 to %d times %d",
		    keys.size, TICKET_KEYS_MAX, TICKET_KEY_SIZE);
	explicit_bzero(tickets->keys, sizeof(tickets->keys));
	memcpy(tickets->keys, keys.at, keys.size);
	tickets->count = keys.size / TICKET_KEY_SIZE;
	return 0;
}

struct tls_tickets *
tls_tickets_hold(struct tls_tickets *tickets)
{
	tickets->references++;
	return tickets;
}

void
tls_tickets_release(struct tls_tickets *tickets)
{
	if (tickets == NULL || --tickets->references > 0)
		return;
	explicit_bzero(tickets, sizeof(*tickets));
	free(tickets);
}

static bool
set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	OSSL_PARAM parameters[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
	    OSSL_PARAM_construct_end()};

	return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int
write_ticket(
    struct ticket_key *key, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	memcpy(name, key->name, sizeof(key->name));
	if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
	    EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
	    !set_mac_key(mac, key))
		return TICKET_ERROR;
	return TICKET_GOOD;
}

static int
read_ticket(struct tls_tickets *tickets, const uint8_t *name, const uint8_t *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	for (unsigned i = 0; i < tickets->count; i++) {
		struct ticket_key *key = &tickets->keys[i];

		if (memcmp(name, key->name, sizeof(key->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
		    !set_mac_key(mac, key))
			return TICKET_ERROR;
		return i == 0 ? TICKET_GOOD : TICKET_RENEW;
	}
	return TICKET_UNKNOWN;
}

int
tls_tickets_callback(
    SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_writing)
{
	struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (tickets->count == 0)
		return TICKET_UNKNOWN;
	if (!is_writing)
		return read_ticket(tickets, name, iv, cipher, mac);
	return write_ticket(&tickets->keys[0], name, iv, cipher, mac);
}
