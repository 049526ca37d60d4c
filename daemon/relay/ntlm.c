/* ntlm - NTLM's messages and responses; OpenSSL has the ciphers, md4.c what that lacks. */
#include "daemon/relay/ntlm.h"

#include "daemon/relay/md4.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <string.h>

static const uint8_t signature[8] = "NTLMSSP";

enum {
	WITH_UNICODE = 0x00000001,
	WITH_OEM = 0x00000002,
	WITH_TARGET = 0x00000004,
	WITH_NTLM = 0x00000200,
	WITH_ALWAYS_SIGN = 0x00008000, /* servers look for it; nothing is signed */
	WITH_EXTENDED_SECURITY = 0x00080000,
	WITH_TARGET_INFO = 0x00800000,
};

#define CHALLENGE_MIN 32         /* up to the nonce */
#define CHALLENGE_WITH_TARGET 48 /* up to the fields of the target information */
#define AUTHENTICATE_HEADER 72   /* with a version that says nothing, without MIC */
#define AV_END 0                 /* 2.2.2.1 */
#define AV_TIMESTAMP 7

/* ---- numbers and text ---- */

static void
put_le(struct buf *out, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		buf_char(out, (char)(value >> 8 * i));
}

static uint64_t
get_le(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

/* One character of UTF-8; what isn't that counts as Latin-1. */
static uint32_t
next_character(const char **text)
{
	const uint8_t *at = (const uint8_t *)*text;
	unsigned length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : at[0] >= 0xc0 ? 2 : 1;
	uint32_t character = length == 1 ? at[0] : at[0] & (0x7fu >> length);

	for (unsigned i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80) { /* also the end of the text */
			(*text)++;
			return at[0];
		}
		character = character << 6 | (at[i] & 0x3f);
	}
	*text += length;
	return character;
}

/* Letters of ASCII and Latin-1: what user names have. */
static uint32_t
upper(uint32_t character)
{
	bool is_ascii = character >= 'a' && character <= 'z';
	bool is_latin = character >= 0xe0 && character <= 0xfe && character != 0xf7;

	return is_ascii || is_latin ? character - 0x20 : character;
}

static void
put_utf16(struct buf *out, const char *text, bool is_upper)
{
	while (*text != '\0') {
		uint32_t character = next_character(&text);

		if (is_upper)
			character = upper(character);
		if (character < 0x10000) {
			put_le(out, character, 2);
			continue;
		}
		put_le(out, 0xd800 + ((character - 0x10000) >> 10 & 0x3ff), 2);
		put_le(out, 0xdc00 + (character & 0x3ff), 2);
	}
}

static void
wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

/* ---- hashes and responses ---- */

static void
hmac_md5(const uint8_t key[static NTLM_HASH_SIZE], const void *bytes, size_t size,
    uint8_t digest_out[static NTLM_HASH_SIZE])
{
	size_t digest_size = 0;

	ensure(EVP_Q_mac(NULL, "HMAC", NULL, "MD5", NULL, key, NTLM_HASH_SIZE, bytes, size,
		   digest_out, NTLM_HASH_SIZE, &digest_size) != NULL);
}

void
ntlm_hash(const char *password, uint8_t hash_out[static NTLM_HASH_SIZE])
{
	struct buf text;

	buf_init(&text);
	put_utf16(&text, password, false);
	md4((const uint8_t *)text.bytes, text.size, hash_out);
	wipe(&text);
}

void
ntlm_hash_v2(const struct ntlm_identity *identity, uint8_t hash_out[static NTLM_HASH_SIZE])
{
	uint8_t hash[NTLM_HASH_SIZE];
	struct buf text;

	buf_init(&text);
	put_utf16(&text, identity->user, true);
	put_utf16(&text, identity->domain, false);
	ntlm_hash(identity->password, hash);
	hmac_md5(hash, text.bytes != NULL ? text.bytes : "", text.size, hash_out);
	explicit_bzero(hash, sizeof(hash));
	wipe(&text);
}

/* DES with 56 bits, each seven of them in one byte. OpenSSL's triple DES with the same key twice is
 * DES: single DES is in a module only, as MD4 is. */
static void
des(const uint8_t key[static 7], const uint8_t nonce[static NTLM_NONCE_SIZE], uint8_t *out)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	uint8_t wide[16];
	uint64_t bits = 0;
	int size;

	for (unsigned i = 0; i < 7; i++)
		bits = bits << 8 | key[i];
	for (unsigned i = 0; i < 8; i++)
		wide[i] = wide[i + 8] = (uint8_t)((bits >> (49 - 7 * i) & 0x7f) << 1);
	ensure(cipher != NULL);
	ensure(EVP_EncryptInit_ex(cipher, EVP_des_ede_ecb(), NULL, wide, NULL) == 1);
	(void)EVP_CIPHER_CTX_set_padding(cipher, 0);
	ensure(EVP_EncryptUpdate(cipher, out, &size, nonce, NTLM_NONCE_SIZE) == 1);
	EVP_CIPHER_CTX_free(cipher);
	explicit_bzero(wide, sizeof(wide));
}

void
ntlm_response_v1(const uint8_t hash[static NTLM_HASH_SIZE],
    const uint8_t nonce[static NTLM_NONCE_SIZE], uint8_t response_out[static NTLM_V1_SIZE])
{
	uint8_t keys[21] = {0};

	memcpy(keys, hash, NTLM_HASH_SIZE);
	for (unsigned i = 0; i < 3; i++)
		des(keys + 7 * i, nonce, response_out + 8 * i);
	explicit_bzero(keys, sizeof(keys));
}

void
ntlm_response_v2(const uint8_t hash[static NTLM_HASH_SIZE], const struct ntlm_challenge *challenge,
    const struct ntlm_chance *chance, struct buf *out)
{
	uint8_t proof[NTLM_HASH_SIZE];
	struct buf text;

	buf_init(&text);
	buf_append(&text, challenge->nonce, NTLM_NONCE_SIZE);
	put_le(&text, 0x0101, 8); /* versions, and reserved */
	put_le(&text, challenge->has_time ? challenge->time : chance->time, 8);
	buf_append(&text, chance->nonce, NTLM_NONCE_SIZE);
	put_le(&text, 0, 4);
	buf_append(&text, challenge->target, challenge->target_size);
	put_le(&text, 0, 4);
	hmac_md5(hash, text.bytes, text.size, proof);
	buf_append(out, proof, sizeof(proof));
	buf_append(out, text.bytes + NTLM_NONCE_SIZE, text.size - NTLM_NONCE_SIZE);
	buf_fini(&text);
}

/* LMv2 (3.3.2): with the server's time there is none. */
static void
response_lm_v2(const uint8_t hash[static NTLM_HASH_SIZE], const struct ntlm_challenge *challenge,
    const struct ntlm_chance *chance, struct buf *out)
{
	uint8_t both[2 * NTLM_NONCE_SIZE], digest[NTLM_HASH_SIZE];

	if (challenge->has_time) {
		put_le(out, 0, 8);
		put_le(out, 0, 8);
		put_le(out, 0, 8);
		return;
	}
	memcpy(both, challenge->nonce, NTLM_NONCE_SIZE);
	memcpy(both + NTLM_NONCE_SIZE, chance->nonce, NTLM_NONCE_SIZE);
	hmac_md5(hash, both, sizeof(both), digest);
	buf_append(out, digest, sizeof(digest));
	buf_append(out, chance->nonce, NTLM_NONCE_SIZE);
}

/* ---- the server's message ---- */

static int
bad(struct err *err_out, const char *what)
{
	return err_set(err_out, "the upstream's NTLM challenge can't be read: %s", what);
}

/* AV_PAIRs up to their end, which is within the size. */
static int
check_target(struct ntlm_challenge *challenge, struct err *err_out)
{
	size_t at = 0;

	for (;;) {
		const uint8_t *pair = challenge->target + at;
		size_t left = challenge->target_size - at, length;

		if (left < 4)
			return bad(err_out, "its target information has no end");
		length = (size_t)get_le(pair + 2, 2);
		if (length > left - 4)
			return bad(err_out, "its target information is cut off");
		at += 4 + length;
		if (get_le(pair, 2) == AV_END)
			break;
		if (get_le(pair, 2) == AV_TIMESTAMP && length == 8) {
			challenge->has_time = true;
			challenge->time = get_le(pair + 4, 8);
		}
	}
	challenge->target_size = at;
	return 0;
}

static int
read_target(
    struct ntlm_challenge *challenge, const uint8_t *bytes, size_t size, struct err *err_out)
{
	size_t length, offset;

	/* Old servers have none: an end alone. */
	challenge->target_size = 4;
	if ((challenge->flags & WITH_TARGET_INFO) == 0 || size < CHALLENGE_WITH_TARGET)
		return 0;
	length = (size_t)get_le(bytes + 40, 2);
	offset = (size_t)get_le(bytes + 44, 4);
	if (length == 0)
		return 0;
	if (length > NTLM_TARGET_MAX)
		return bad(err_out, "its target information is too long");
	if (offset > size || length > size - offset)
		return bad(err_out, "its target information lies outside of it");
	memcpy(challenge->target, bytes + offset, length);
	challenge->target_size = length;
	return check_target(challenge, err_out);
}

int
ntlm_read_challenge(
    const uint8_t *bytes, size_t size, struct ntlm_challenge *challenge_out, struct err *err_out)
{
	*challenge_out = (struct ntlm_challenge){0};
	if (size < CHALLENGE_MIN || memcmp(bytes, signature, sizeof(signature)) != 0)
		return bad(err_out, "it is no NTLM message");
	if (get_le(bytes + 8, 4) != 2)
		return bad(err_out, "it is another message");
	challenge_out->flags = (uint32_t)get_le(bytes + 20, 4);
	memcpy(challenge_out->nonce, bytes + 24, NTLM_NONCE_SIZE);
	return read_target(challenge_out, bytes, size, err_out);
}

/* ---- our messages ---- */

static uint32_t
flags_of(enum ntlm_version version)
{
	uint32_t flags = WITH_UNICODE | WITH_OEM | WITH_TARGET | WITH_NTLM | WITH_ALWAYS_SIGN;

	return version == NTLM_V2 ? flags | WITH_EXTENDED_SECURITY | WITH_TARGET_INFO : flags;
}

void
ntlm_negotiate(enum ntlm_version version, struct buf *out)
{
	buf_append(out, signature, sizeof(signature));
	put_le(out, 1, 4);
	put_le(out, flags_of(version), 4);
	put_le(out, 0, 8); /* neither domain nor workstation */
	put_le(out, 0, 8);
	put_le(out, 0, 8); /* nor version */
}

/* Its length twice, and where it will stand (2.2.1.3); it gathers in the payload. */
static void
put_field(struct buf *out, struct buf *payload, const struct buf *field)
{
	put_le(out, field->size, 2);
	put_le(out, field->size, 2);
	put_le(out, AUTHENTICATE_HEADER + payload->size, 4);
	if (field->size > 0)
		buf_append(payload, field->bytes, field->size);
}

static void
put_text_field(struct buf *out, struct buf *payload, const char *text, bool is_unicode)
{
	struct buf field;

	buf_init(&field);
	if (is_unicode)
		put_utf16(&field, text, false);
	else
		buf_text(&field, text);
	put_field(out, payload, &field);
	buf_fini(&field);
}

static void
put_responses(enum ntlm_version version, const struct ntlm_identity *identity,
    const struct ntlm_challenge *challenge, const struct ntlm_chance *chance, struct buf *lm,
    struct buf *nt)
{
	uint8_t hash[NTLM_HASH_SIZE], response[NTLM_V1_SIZE];

	if (version == NTLM_V2) {
		ntlm_hash_v2(identity, hash);
		response_lm_v2(hash, challenge, chance, lm);
		ntlm_response_v2(hash, challenge, chance, nt);
	} else {
		ntlm_hash(identity->password, hash);
		ntlm_response_v1(hash, challenge->nonce, response);
		buf_append(lm, response, sizeof(response)); /* LM's own is weaker still */
		buf_append(nt, response, sizeof(response));
	}
	explicit_bzero(hash, sizeof(hash));
}

void
ntlm_authenticate(enum ntlm_version version, const struct ntlm_identity *identity,
    const struct ntlm_challenge *challenge, const struct ntlm_chance *chance, struct buf *out)
{
	bool is_unicode = (challenge->flags & WITH_UNICODE) != 0;
	uint32_t flags = challenge->flags & flags_of(version);
	struct buf lm, nt, none, payload;

	buf_init(&lm);
	buf_init(&nt);
	buf_init(&none);
	buf_init(&payload);
	put_responses(version, identity, challenge, chance, &lm, &nt);
	buf_append(out, signature, sizeof(signature));
	put_le(out, 3, 4);
	put_field(out, &payload, &lm);
	put_field(out, &payload, &nt);
	put_text_field(out, &payload, identity->domain, is_unicode);
	put_text_field(out, &payload, identity->user, is_unicode);
	put_text_field(out, &payload, "WORKSTATION", is_unicode);
	put_field(out, &payload, &none); /* no session key */
	put_le(out, flags & ~(uint32_t)(is_unicode ? WITH_OEM : WITH_UNICODE), 4);
	put_le(out, 0, 8); /* no version */
	buf_append(out, payload.bytes, payload.size);
	wipe(&lm);
	wipe(&nt);
	buf_fini(&none);
	wipe(&payload);
}
