/*
 * verifier - what is kept of a password: SCRAM-SHA-256 keys (RFC 5802, RFC 7677)
 *
 * Owns     nothing: a verifier is a value
 * Context  verifier_derive() and verifier_matches() take milliseconds: a pool's thread. The rest
 *          is quick.
 * Fails    verifier_parse(): -1, the text is none
 *
 * A client that proves itself by SCRAM and one that sends its password are held against the same
 * keys. As text: `SCRAM-SHA-256$ROUNDS:SALT$STOREDKEY:SERVERKEY`, the form that PostgreSQL uses.
 */
#ifndef POSTERN_ACCOUNTS_VERIFIER_H
#define POSTERN_ACCOUNTS_VERIFIER_H

#include "common/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFIER_SALT_SIZE 16
#define VERIFIER_KEY_SIZE 32
/* A generated password has nothing to gain from more rounds; a chosen one has. */
#define VERIFIER_ROUNDS_GENERATED 4096
#define VERIFIER_ROUNDS_CHOSEN 16384
#define VERIFIER_ROUNDS_MAX 1000000

struct verifier {
	uint32_t rounds;
	uint8_t salt[VERIFIER_SALT_SIZE];
	uint8_t stored_key[VERIFIER_KEY_SIZE];
	uint8_t server_key[VERIFIER_KEY_SIZE];
};

/* Fills the keys from the password (after SASLprep); `rounds` and `salt` are set before. */
void verifier_derive(struct verifier *verifier, const char *password);
/* Sets the rounds and a random salt. */
void verifier_init(struct verifier *verifier, uint32_t rounds);
bool verifier_matches(const struct verifier *verifier, const char *password);

/* For a login that doesn't exist: the same for each question, as expensive to hold a password
 * against as a real one, and no password matches. Half of the logins get the rounds of a chosen
 * password, so that rounds don't tell either. */
void verifier_fake(
    struct verifier *verifier, const uint8_t secret[static VERIFIER_KEY_SIZE], const char *login);

void verifier_format(const struct verifier *verifier, struct buf *out);
int verifier_parse(const char *text, struct verifier *verifier_out);

#endif
