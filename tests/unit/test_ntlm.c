/* MD4 by RFC 1320, NTLM by the examples of [MS-NLMP] 4.2, and challenges that lie. */
#include "daemon/relay/md4.h"
#include "daemon/relay/ntlm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void
assert_hex(const void *bytes, size_t size, const char *expected)
{
	char text[1024] = "";

	assert_true(size < sizeof(text) / 2);
	for (size_t i = 0; i < size; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	assert_string_equal(text, expected);
}

static void
test_md4(void **state)
{
	static const char *const rows[][2] = {
	    {"", "31d6cfe0d16ae931b73c59d7e0c089c0"},
	    {"a", "bde52cb31de33e46245e05fbdbd6fb24"},
	    {"abc", "a448017aaf21d8525fc10ae87aa6729d"},
	    {"message digest", "d9130a8164549fe818874806e1c7014b"},
	    {"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"},
	    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		"043f8582f241db351ce627e153e7f0e4"},
	    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		"e33b4ddc9c38f2199c3e7b164fcc0536"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t digest[MD4_SIZE];

		md4((const uint8_t *)rows[i][0], strlen(rows[i][0]), digest);
		assert_hex(digest, MD4_SIZE, rows[i][1]);
	}
}

/* ---- [MS-NLMP] 4.2 ---- */

static const struct ntlm_identity identity = {"User", "Domain", "Password"};
static const uint8_t nonce[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
static const struct ntlm_chance chance = {
    .nonce = {0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa}, .time = 0};
static const uint8_t target[] = {2, 0, 12, 0, 'D', 0, 'o', 0, 'm', 0, 'a', 0, 'i', 0, 'n', 0, 1, 0,
    12, 0, 'S', 0, 'e', 0, 'r', 0, 'v', 0, 'e', 0, 'r', 0, 0, 0, 0, 0};

static void
test_v1(void **state)
{
	uint8_t hash[NTLM_HASH_SIZE], response[NTLM_V1_SIZE];

	ntlm_hash("Password", hash);
	assert_hex(hash, sizeof(hash), "a4f49c406510bdcab6824ee7c30fd852");
	ntlm_response_v1(hash, nonce, response);
	assert_hex(response, sizeof(response), "67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
}

static void
test_v2(void **state)
{
	struct ntlm_challenge challenge = {.target_size = sizeof(target)};
	uint8_t hash[NTLM_HASH_SIZE];
	struct buf response;

	memcpy(challenge.nonce, nonce, sizeof(nonce));
	memcpy(challenge.target, target, sizeof(target));
	ntlm_hash_v2(&identity, hash);
	assert_hex(hash, sizeof(hash), "0c868a403bfd7a93a3001ef22ef02e3f");
	buf_init(&response);
	ntlm_response_v2(hash, &challenge, &chance, &response);
	assert_hex(response.bytes, response.size,
	    "68cd0ab851e51c96aabc927bebef6a1c"
	    "01010000000000000000000000000000aaaaaaaaaaaaaaaa00000000"
	    "02000c0044006f006d00610069006e0001000c005300650072007600650072000000000000000000");
	buf_fini(&response);
}

/* ---- messages ---- */

struct message {
	uint8_t bytes[256];
	size_t size;
};

/* 4.2.4.3, with 56 bytes in front of its payload. */
static struct message
make_challenge(uint32_t flags)
{
	struct message message = {
	    .bytes = "NTLMSSP\0\2\0\0\0\14\0\14\0\70\0\0\0", .size = 56 + 12 + sizeof(target)};

	for (int i = 0; i < 4; i++)
		message.bytes[20 + i] = (uint8_t)(flags >> 8 * i);
	memcpy(message.bytes + 24, nonce, sizeof(nonce));
	message.bytes[40] = message.bytes[42] = sizeof(target);
	message.bytes[44] = 56 + 12;
	memcpy(message.bytes + 56, "S\0e\0r\0v\0e\0r\0", 12);
	memcpy(message.bytes + 68, target, sizeof(target));
	return message;
}

#define USUAL 0xe28a8233u

static void
test_authenticate(void **state)
{
	struct message message = make_challenge(USUAL);
	struct ntlm_challenge challenge;
	struct buf out;
	struct err err;

	assert_int_equal(ntlm_read_challenge(message.bytes, message.size, &challenge, &err), 0);
	assert_int_equal(challenge.target_size, sizeof(target));
	assert_false(challenge.has_time);
	buf_init(&out);
	ntlm_authenticate(NTLM_V2, &identity, &challenge, &chance, &out);
	assert_hex(out.bytes, 72,
	    "4e544c4d5353500003000000"
	    "1800180048000000" /* LMv2 */
	    "5400540060000000" /* NTLMv2 */
	    "0c000c00b4000000" /* the domain, in UTF-16 */
	    "08000800c0000000" /* the user */
	    "16001600c8000000" /* the workstation */
	    "00000000de000000" /* no session key */
	    "01828800"
	    "0000000000000000");
	assert_hex(out.bytes + 72, 24, "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa");
	assert_hex(out.bytes + 96, 16, "68cd0ab851e51c96aabc927bebef6a1c");
	assert_hex(out.bytes + 0xb4, 20, "44006f006d00610069006e005500730065007200");
	buf_fini(&out);
}

static void
test_authenticate_v1(void **state)
{
	struct message message = make_challenge(0x00008206);
	struct ntlm_challenge challenge;
	struct buf out;
	struct err err;

	/* as old servers have it, without target information */
	assert_int_equal(ntlm_read_challenge(message.bytes, 40, &challenge, &err), 0);
	buf_init(&out);
	ntlm_authenticate(NTLM_V1, &identity, &challenge, &chance, &out);
	assert_hex(out.bytes + 96, 24, "67c43011f30298a2ad35ece64f16331c44bdbed927841f94");
	assert_memory_equal(out.bytes + 120, "DomainUserWORKSTATION", 21);
	assert_int_equal(out.size, 120 + 21);
	buf_fini(&out);
}

/* With the server's time there is no LMv2, and that time is said. */
static void
test_server_time(void **state)
{
	struct message message = make_challenge(USUAL);
	static const uint8_t with_time[] = {
	    7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 9, 9, 9, 9};
	struct ntlm_challenge challenge;
	struct buf out;
	struct err err;

	memcpy(message.bytes + 68, with_time, sizeof(with_time));
	assert_int_equal(ntlm_read_challenge(message.bytes, message.size, &challenge, &err), 0);
	assert_true(challenge.has_time);
	assert_int_equal(challenge.target_size, 16); /* up to its end */
	buf_init(&out);
	ntlm_authenticate(NTLM_V2, &identity, &challenge, &chance, &out);
	assert_hex(out.bytes + 72, 24, "000000000000000000000000000000000000000000000000");
	assert_hex(out.bytes + 112, 16, "01010000000000000102030405060708");
	buf_fini(&out);
}

static const struct {
	size_t at;
	uint8_t value[4];
	size_t size, length; /* of the value; of the message, 0: as it is */
	const char *words;
} lies[] = {
    {0, {'X'}, 1, 0, "no NTLM message"},
    {8, {3}, 1, 0, "another message"},
    {0, {0}, 0, 31, "no NTLM message"},
    {44, {0xff, 0xff, 0xff, 0xff}, 4, 0, "lies outside"},
    {44, {69}, 1, 0, "lies outside"},
    {40, {0xff, 0x0f}, 2, 0, "lies outside"},
    {40, {0xff, 0xff}, 2, 0, "too long"},
    {40, {3}, 1, 0, "has no end"},
    {40, {32}, 1, 0, "has no end"},
    {70, {0xff, 0xff}, 2, 0, "cut off"},
    {86, {13}, 1, 0, "has no end"},
};

static void
test_lies(void **state)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct message message = make_challenge(USUAL);
		struct ntlm_challenge challenge;
		struct err err = {""};
		/* of its very size, so that a sanitizer sees what is read behind it */
		size_t size = lies[i].length != 0 ? lies[i].length : message.size;
		uint8_t *copy = malloc(size);

		memcpy(message.bytes + lies[i].at, lies[i].value, lies[i].size);
		memcpy(copy, message.bytes, size);
		assert_int_equal(ntlm_read_challenge(copy, size, &challenge, &err), -1);
		if (strstr(err.text, lies[i].words) == NULL)
			fail_msg("%zu: %s", i, err.text);
		free(copy);
	}
}

/* Whatever is cut off or changed, nothing outside of it is read. */
static void
test_every_length_and_byte(void **state)
{
	const struct message message = make_challenge(USUAL);
	struct ntlm_challenge challenge;
	struct err err;

	for (size_t size = 0; size <= message.size; size++) {
		uint8_t *copy = malloc(size + 1);

		memcpy(copy, message.bytes, size);
		(void)ntlm_read_challenge(copy, size, &challenge, &err);
		free(copy);
	}
	for (size_t at = 0; at < message.size; at++)
		for (int value = 0; value < 256; value += 5) {
			uint8_t *copy = malloc(message.size);
			struct buf out;

			memcpy(copy, message.bytes, message.size);
			copy[at] = (uint8_t)value;
			buf_init(&out);
			if (ntlm_read_challenge(copy, message.size, &challenge, &err) == 0)
				ntlm_authenticate(NTLM_V2, &identity, &challenge, &chance, &out);
			buf_fini(&out);
			free(copy);
		}
}

static void
test_names_beyond_ascii(void **state)
{
	static const struct {
		const char *user;
		const char *utf16;
	} rows[] = {{"j\xc3\xb6rg", "4a00d60052004700"}, {"\xf0\x9f\x93\xa7", "3dd8e7dc"},
	    {"\xff\xc3", "ff00c300"}};
	struct message message = make_challenge(USUAL);
	struct ntlm_challenge challenge;
	struct err err;
	uint8_t upper[NTLM_HASH_SIZE], lower[NTLM_HASH_SIZE];

	assert_int_equal(ntlm_read_challenge(message.bytes, message.size, &challenge, &err), 0);
	for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct ntlm_identity other = {rows[i].user, "", "x"};
		struct buf out;

		buf_init(&out);
		ntlm_authenticate(NTLM_V2, &other, &challenge, &chance, &out);
		assert_hex(out.bytes + 0xb4, strlen(rows[i].utf16) / 2, rows[i].utf16);
		buf_fini(&out);
	}
	/* its case doesn't matter */
	ntlm_hash_v2(&(struct ntlm_identity){"j\xc3\xb6rg", "d", "x"}, lower);
	ntlm_hash_v2(&(struct ntlm_identity){"J\xc3\x96RG", "d", "x"}, upper);
	assert_memory_equal(lower, upper, sizeof(lower));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_md4),
	    cmocka_unit_test(test_v1),
	    cmocka_unit_test(test_v2),
	    cmocka_unit_test(test_authenticate),
	    cmocka_unit_test(test_authenticate_v1),
	    cmocka_unit_test(test_server_time),
	    cmocka_unit_test(test_lies),
	    cmocka_unit_test(test_every_length_and_byte),
	    cmocka_unit_test(test_names_beyond_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
