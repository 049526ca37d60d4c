/*
 * auth_exchange - the inside of a client_auth, for the files that know mechanisms
 *
 * client_auth.c has base64 and the key of SCRAM; auth_library.c those that libgsasl knows, auth_ntlm.c
 * and auth_bearer.c the others. Nobody else includes this.
 */
#ifndef POSTERN_RELAY_AUTH_EXCHANGE_H
#define POSTERN_RELAY_AUTH_EXCHANGE_H

#include "daemon/relay/client_auth.h"

#include <gsasl.h>

/* A challenge, decoded; it has a NUL behind it. */
struct auth_challenge {
	const char *bytes;
	size_t size;
};

struct auth_ops {
	int (*begin)(struct client_auth *auth, const struct client_auth_settings *settings,
	    struct err *err_out);
	/* Appends the answer in clear. */
	enum auth_step (*step)(struct client_auth *auth, const struct auth_challenge *challenge,
	    struct buf *answer_out, struct err *err_out);
	void (*end)(struct client_auth *auth);
	bool is_first;
	bool skips_first; /* the first challenge says nothing, and need not be base64 */
};

struct client_auth {
	const struct auth_traits *traits;
	const struct auth_ops *ops;
	bool is_proved, is_unsupported;
	unsigned steps;
	char detail[400]; /* what the upstream said of the failure, "": nothing */

	/* auth_ntlm.c, auth_bearer.c */
	char *username, *domain, *host;
	unsigned port;

	/* auth_library.c */
	Gsasl *library;
	Gsasl_session *session;
	enum scram_hash hash;
	char *password;        /* for the key of SCRAM, NTLM's hash, or the token itself */
	struct scram_key *key; /* to be taken */
	char *challenge;       /* that waits for the key */
	size_t challenge_size;
};

extern const struct auth_ops auth_library_first; /* PLAIN, EXTERNAL, ANONYMOUS, SCRAM */
extern const struct auth_ops auth_library;       /* LOGIN, CRAM-MD5 */
extern const struct auth_ops auth_ntlm, auth_ntlm_v1;
extern const struct auth_ops auth_xoauth2, auth_bearer;

/* Wipes and frees it; NULL is allowed. */
void auth_wipe_text(char **text);

/* auth_library.c: SCRAM goes on with its key, which it frees. */
enum auth_step auth_library_use_key(
    struct client_auth *auth, struct scram_key *key, struct buf *answer_out, struct err *err_out);

#endif
