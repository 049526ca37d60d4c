/*
 * client - calls of the daemon's API over its Unix socket
 *
 * Owns     a client owns its connection; an answer its body
 * Units    seconds
 * Fails    -1 and *err_out when the daemon can't be reached: the text says why and what to do
 */
#ifndef POSTERN_CTL_CLIENT_H
#define POSTERN_CTL_CLIENT_H

#include "common/buf.h"
#include "common/err.h"

#include <jansson.h>

struct client;

struct client *client_open(const char *socket_path);
void client_close(struct client *client);

struct answer {
	long status; /* of HTTP */
	struct buf body;
};
void answer_fini(struct answer *answer);

/* `body` may be NULL. After success the caller calls answer_fini(). */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer_out, struct err *err_out);

/* A path of the API: `parts` are put together, those at odd places percent-encoded (names).
 * The list ends with NULL. The caller frees. */
char *client_path(const char *const *parts);

#endif
