/*
 * ntlm - the messages of NTLM and their responses, as [MS-NLMP] has them
 *
 * Owns     nothing
 * Context  pure
 * Fails    ntlm_read_challenge(): -1 and *err_out; every offset and length in it is checked
 *
 * NTLMv2 is what servers have asked for since 1998. NTLMv1 is so weak that a recorded login gives the
 * password away; it is for servers that know nothing else. Sessions are neither signed nor sealed, so
 * there is no key exchange, and no MIC.
 */
#ifndef POSTERN_RELAY_NTLM_H
#define POSTERN_RELAY_NTLM_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTLM_HASH_SIZE 16
#define NTLM_NONCE_SIZE 8
#define NTLM_V1_SIZE 24
#define NTLM_TARGET_MAX 4096 /* bytes of target information */

enum ntlm_version { NTLM_V1, NTLM_V2 };

struct ntlm_identity {
	const char *user, *domain, *password; /* UTF-8 */
};

/* What the CHALLENGE_MESSAGE said (2.2.1.2). */
struct ntlm_challenge {
	uint32_t flags;
	uint8_t nonce[NTLM_NONCE_SIZE];
	uint8_t target[NTLM_TARGET_MAX]; /* AV_PAIRs, with their end */
	size_t target_size;
	bool has_time;
	uint64_t time; /* FILETIME */
};

/* What differs from login to login. */
struct ntlm_chance {
	uint8_t nonce[NTLM_NONCE_SIZE];
	uint64_t time; /* FILETIME; the server's comes first */
};

/* Appends the NEGOTIATE_MESSAGE (2.2.1.1). */
void ntlm_negotiate(enum ntlm_version version, struct buf *out);
int ntlm_read_challenge(
    const uint8_t *bytes, size_t size, struct ntlm_challenge *challenge_out, struct err *err_out);
/* Appends the AUTHENTICATE_MESSAGE (2.2.1.3). */
void ntlm_authenticate(enum ntlm_version version, const struct ntlm_identity *identity,
    const struct ntlm_challenge *challenge, const struct ntlm_chance *chance, struct buf *out);

/* Its parts: the hash of the password (3.3.1), that of NTLMv2 (3.3.2), and the responses. */
void ntlm_hash(const char *password, uint8_t hash_out[static NTLM_HASH_SIZE]);
void ntlm_hash_v2(const struct ntlm_identity *identity, uint8_t hash_out[static NTLM_HASH_SIZE]);
void ntlm_response_v1(const uint8_t hash[static NTLM_HASH_SIZE],
    const uint8_t nonce[static NTLM_NONCE_SIZE], uint8_t response_out[static NTLM_V1_SIZE]);
/* Appends the NTProofStr and what it is made of. */
void ntlm_response_v2(const uint8_t hash[static NTLM_HASH_SIZE],
    const struct ntlm_challenge *challenge, const struct ntlm_chance *chance, struct buf *out);

#endif
