/*
 * capabilities - what an upstream announced in its answer to EHLO
 *
 * Owns     nothing
 * Context  pure
 */
#ifndef POSTERN_RELAY_CAPABILITIES_H
#define POSTERN_RELAY_CAPABILITIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capabilities {
	bool has_pipelining;
	bool has_chunking; /* RFC 3030 */
	bool has_8bitmime;
	bool has_starttls;
	bool has_size;
	bool has_auth;
	bool has_dsn;         /* RFC 3461 */
	bool has_smtputf8;    /* RFC 6531 */
	bool has_mt_priority; /* RFC 6710 */
	bool has_requiretls;  /* RFC 8689 */
	/* RFC 9422; 0: none */
	uint32_t mail_max;         /* messages on one connection */
	uint32_t rcpt_max;         /* recipients of one message */
	uint32_t rcpt_domain_max;  /* domains of recipients on one connection */
	uint64_t size_limit_bytes; /* 0: none */
	unsigned auth_methods;     /* AUTH_BIT()s of those that are built */
};

/* One line without its code: `SIZE 1000`, `AUTH PLAIN LOGIN`, also `AUTH=PLAIN` as old servers
 * have it. Unknown keywords are skipped. */
void capabilities_add(struct capabilities *capabilities, const char *line);

#endif
