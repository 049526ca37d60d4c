/*
 * http - requests to a token server, with libcurl on the loop
 *
 * Role     relay: it has no files, no threads and no resolver but its own, and so has libcurl. Names
 *          are resolved by dns.h, CAs are given as bytes
 * Owns     connections and answers; borrows dns; copies what a request says
 * Context  loop; on_done runs in a later turn than http_post(), once, unless it was cancelled
 * Units    milliseconds, bytes
 * Fails    into the answer: status 0 and words
 *
 * HTTPS with a verified certificate (http to a loopback address, see common/url.h), TLS 1.2 at
 * least, HTTP/1.1; no redirects, no proxy, no cookies, nothing from the environment. An answer has
 * at most HTTP_ANSWER_MAX bytes and comes within HTTP_TIMEOUT_MS.
 */
#ifndef POSTERN_RELAY_HTTP_H
#define POSTERN_RELAY_HTTP_H

#include "daemon/core/messages.h"
#include "daemon/relay/dns.h"

#define HTTP_ANSWER_MAX (64u * 1024)
#define HTTP_TIMEOUT_MS (30 * 1000)

struct http;
struct http_call;

struct http_answer {
	unsigned status;        /* 0: there is none, see problem */
	struct msg_bytes body;  /* wiped after on_done */
	int64_t retry_after_ms; /* Retry-After; 0: it was not said */
	const char *problem;
};

typedef void (*http_done_fn)(const struct http_answer *answer, void *ctx);

/* Before the sandbox is closed. */
struct http *http_new(struct loop *loop, struct dns *dns, struct err *err_out);
/* Calls that wait are forgotten, their on_done isn't called. */
void http_free(struct http *http);
/* PEM, of servers without a CA of their own; borrowed until the next call of this. */
void http_set_cas(struct http *http, struct msg_bytes pem);

/* POST of a form (RFC 6749 appendix B). `ca`: PEM, empty for the general ones. */
struct http_call *http_post(struct http *http, const char *url, struct msg_bytes form,
    struct msg_bytes ca, http_done_fn on_done, void *ctx);
void http_cancel(struct http_call *call);

#endif
