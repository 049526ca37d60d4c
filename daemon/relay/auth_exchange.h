/*
 * auth_exchange - the inside of a client_auth, for the files that know mechanisms
 *
 * client_auth.c has base64 and the key of SCRAM; auth_library.c those that libgsasl knows,
 * auth_bearer.c those that carry a token. Nobody
 * else includes this.
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
};

struct client_auth {
	const struct auth_traits *traits;
	const struct auth_ops *ops;
	bool is_proved, is_unsupported;

	char *bearer; /* auth_bearer.c: what is said */

	/* auth_library.c */
	Gsasl *library;
	Gsasl_session *session;
	enum scram_hash hash;
	unsigned steps;
	char *password;        /* for the key of SCRAM */
	struct scram_key *key; /* to be taken */
	char *challenge;       /* that waits for the key */
	size_t challenge_size;
};

extern const struct auth_ops auth_library_first; /* PLAIN, SCRAM */
extern const struct auth_ops auth_oauthbearer, auth_xoauth2;
extern const struct auth_ops auth_library; /* LOGIN, CRAM-MD5 */

/* Wipes and frees it; NULL is allowed. */
void auth_wipe_text(char **text);

/* auth_library.c: SCRAM goes on with its key, which it frees. */
enum auth_step auth_library_use_key(
    struct client_auth *auth, struct scram_key *key, struct buf *answer_out, struct err *err_out);

#endif
