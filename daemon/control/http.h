/*
 * http - the HTTP server under the API: requests in, JSON replies out
 *
 * Role     control
 * Owns     the listening socket, the connections, a request until http_reply()
 * Context  loop; on_request may reply at once or in a later turn
 * Units    bytes, milliseconds
 * Fails    a client that is slow, gone or too big is dropped here; http_reply() to a client that
 *          went away is allowed and does nothing
 *
 * evhttp does the parsing. What it does not do is done here: a deadline for a whole request (its
 * own is for each read), a limit of connections (then nothing is accepted until one closes), and
 * an end of the connection where a client sent a second request before the first was answered,
 * which evhttp would leave unanswered. A request that evhttp itself refuses (malformed, unknown
 * method, far too big) gets evhttp's page with the right status; every other error is JSON.
 */
#ifndef POSTERN_CONTROL_HTTP_H
#define POSTERN_CONTROL_HTTP_H

#include "common/err.h"
#include "daemon/core/messages.h"

struct http_request;
struct http_server;
struct loop;

#define HTTP_BODY_MAX (1u << 20)

typedef void (*http_handler)(struct http_request *request, void *ctx);

struct http_server *http_open(struct loop *loop, http_handler on_request, void *ctx);
/* Takes the listening socket; replaces the one there was. */
int http_listen(struct http_server *server, int fd, struct err *err_out);
/* Takes no more connections, closes those that have no request, and calls `on_idle` in a later
 * turn once the replies to the others are written. */
void http_drain(struct http_server *server, void (*on_idle)(void *ctx), void *ctx);
/* Ends everything at once; requests that wait for a reply stay valid until http_reply(). */
void http_close(struct http_server *server);

/* All of these live as long as the request. */
const char *http_method(const struct http_request *request);
/* Path and query as they came, percent-encoded. */
const char *http_target(const struct http_request *request);
struct msg_bytes http_body(const struct http_request *request);

/* Lines that come before the reply, which is the last then, without a status of its own: what was wrong
 * stands in it. The connection ends behind it. */
void http_stream(struct http_request *request, const char *content_type, struct msg_bytes line);
/* A header of the reply that is to come. */
void http_set_header(struct http_request *request, const char *name, const char *value);
/* Replies and frees the request. `status` 204 has no body. */
void http_reply(
    struct http_request *request, unsigned status, const char *content_type, struct msg_bytes body);

#endif
