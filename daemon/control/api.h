/*
 * api - carries each request to the role that owns its noun, and the answer back
 *
 * Role     control
 * Owns     a request until it is answered
 * Context  loop
 * Fails    a role that is away, or doesn't answer in time, becomes 503 with words that say which
 *          and what to do
 */
#ifndef POSTERN_CONTROL_API_H
#define POSTERN_CONTROL_API_H

#include "daemon/control/http.h"
#include "daemon/core/link.h"

struct api;

/* The link to a role, or NULL while it is away. */
typedef struct link *(*api_link_fn)(enum role owner, void *ctx);

struct api *api_open(api_link_fn link_to, void *ctx);
/* A stop: answers with 503 at once what waits for servers elsewhere, which may take minutes. */
void api_drain(struct api *api);
/* The same with all that still waits. */
void api_give_up(struct api *api);
/* Gives up what still waits. */
void api_close(struct api *api);
/* A piece of the answer to a call that is under way; dropped if there is none. */
void api_on_progress(struct api *api, struct link *link, const struct msg_progress *progress);
/* The server's http_handler; `ctx` is the api. */
void api_on_request(struct http_request *request, void *ctx);

#endif
