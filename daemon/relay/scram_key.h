/*
 * scram_key - the key that SCRAM derives from a password (RFC 5802 section 3, SaltedPassword)
 *
 * Owns     copies of everything, wiped by scram_key_free()
 * Context  scram_key_derive() may run on a thread; it takes a tenth of a second for each 100,000
 *          rounds
 * Fails    -1 and *err_out: what the upstream asks for is out of bounds
 *
 * An upstream chooses salt and rounds. Too few would let one that only pretends to be the
 * upstream try passwords at leisure, too many keep us busy: what is out of bounds is refused before
 * anything is derived.
 */
#ifndef POSTERN_RELAY_SCRAM_KEY_H
#define POSTERN_RELAY_SCRAM_KEY_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRAM_ROUNDS_MIN 4096 /* RFC 5802 5.1, RFC 7677 section 4 */
#define SCRAM_ROUNDS_MAX 600000
#define SCRAM_SALT_MAX 1024
#define SCRAM_HASH_MAX 32

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };

struct scram_key {
	enum scram_hash hash;
	unsigned rounds;
	uint8_t salt[SCRAM_SALT_MAX];
	size_t salt_size;
	char *password; /* prepared (RFC 4013); NULL once the key is derived */
	uint8_t key[SCRAM_HASH_MAX];
	size_t key_size; /* 0: not derived yet */
};

/* From the server's first message, `r=…,s=…,i=…`. Gives a key that is to be derived. */
struct scram_key *scram_key_new(enum scram_hash hash, const char *server_first, size_t size,
    const char *password, struct err *err_out);
void scram_key_free(struct scram_key *key); /* NULL is allowed */
void scram_key_derive(struct scram_key *key);
/* True if `derived`, which comes from the same password, is for the same salt and rounds: then `key`
 * is derived as well. NULL is allowed. */
bool scram_key_take(struct scram_key *key, const struct scram_key *derived);
/* Gives a copy of one that is derived. */
struct scram_key *scram_key_copy(const struct scram_key *key);

#endif
