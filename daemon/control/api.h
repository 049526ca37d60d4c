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
#include "daemon/core/role.h"

struct api;

struct api *api_open(struct role_context *role);
/* Answers what still waits with 503. */
void api_close(struct api *api);
/* The server's http_handler; `ctx` is the api. */
void api_on_request(struct http_request *request, void *ctx);

#endif
