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
	/* Of client_stream(). */
	void (*on_line)(const char *line, void *ctx);
	void *ctx;
};
void answer_fini(struct answer *answer);

/* `body` may be NULL. After success the caller calls answer_fini(). */
int client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer_out, struct err *err_out);

/* The same for a call that says how far it is: each whole line is handed over when it comes, with
 * `ctx`; the answer has the rest, which is the result. */
int client_stream(struct client *client, const char *path, const json_t *body,
    void (*on_line)(const char *line, void *ctx), void *ctx, struct answer *answer_out,
    struct err *err_out);

/* A path of the API: `parts` are put together, those at odd places percent-encoded (names).
 * The list ends with NULL. The caller frees. */
char *client_path(const char *const *parts);

#endif
