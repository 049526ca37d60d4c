/* sasl_cache - a direct-mapped table of HMAC-SHA256(key, user, credential, password). */
#include "daemon/accounts/sasl_cache.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/xalloc.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 8192
#define MAC_SIZE 32

struct place {
	int64_t user_id; /* 0: empty */
	uint8_t mac[MAC_SIZE];
};

struct sasl_cache {
	uint8_t key[MAC_SIZE];
	struct place places[PLACES];
};

struct sasl_cache *
sasl_cache_new(void)
{
	struct sasl_cache *cache = xcalloc(1, sizeof(*cache));

	ensure(RAND_bytes(cache->key, sizeof(cache->key)) == 1);
	return cache;
}

void
sasl_cache_free(struct sasl_cache *cache)
{
	if (cache == NULL)
		return;
	OPENSSL_cleanse(cache, sizeof(*cache));
	free(cache);
}

static void
make_mac(const struct sasl_cache *cache, int64_t user_id, int64_t credential, const char *password,
    uint8_t mac_out[static MAC_SIZE])
{
	struct buf text;

	buf_init(&text);
	buf_append(&text, &user_id, sizeof(user_id));
	buf_append(&text, &credential, sizeof(credential));
	buf_text(&text, password);
	ensure(HMAC(EVP_sha256(), cache->key, sizeof(cache->key), (const unsigned char *)text.bytes,
		   text.size, mac_out, NULL) != NULL);
	OPENSSL_cleanse(text.bytes, text.size);
	buf_fini(&text);
}

static size_t
place_of(int64_t user_id)
{
	return (size_t)((uint64_t)user_id % PLACES);
}

bool
sasl_cache_matches(
    const struct sasl_cache *cache, int64_t user_id, int64_t credential, const char *password)
{
	const struct place *place = &cache->places[place_of(user_id)];
	uint8_t mac[MAC_SIZE];

	make_mac(cache, user_id, credential, password, mac);
	return CRYPTO_memcmp(mac, place->mac, sizeof(mac)) == 0 && user_id != 0 &&
	       place->user_id == user_id;
}

void
sasl_cache_put(struct sasl_cache *cache, int64_t user_id, int64_t credential, const char *password)
{
	struct place *place = &cache->places[place_of(user_id)];

	place->user_id = user_id;
	make_mac(cache, user_id, credential, password, place->mac);
}

void
sasl_cache_forget(struct sasl_cache *cache, int64_t user_id)
{
	struct place *place = &cache->places[place_of(user_id)];

	if (place->user_id == user_id)
		OPENSSL_cleanse(place, sizeof(*place));
}
