/*
 * md4 - the digest of RFC 1320, which NTLM makes its hash of a password with
 *
 * Owns     nothing
 *
 * It protects nothing by itself. OpenSSL has it in a module only, which a role that has been shut in
 * can't load.
 */
#ifndef POSTERN_RELAY_MD4_H
#define POSTERN_RELAY_MD4_H

#include <stddef.h>
#include <stdint.h>

#define MD4_SIZE 16

void md4(const uint8_t *bytes, size_t size, uint8_t digest_out[static MD4_SIZE]);

#endif
