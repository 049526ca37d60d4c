/*
 * silence - a test's server that doesn't greet: whether it waits for TLS is asked on a second
 * connection, lest the operator waits for the whole timeout to hear of a wrong port or tls
 *
 * Owns     the second connection
 * Context  loop
 * Fails    never: a server that doesn't answer that either waits for something else
 */
#ifndef POSTERN_RELAY_SILENCE_H
#define POSTERN_RELAY_SILENCE_H

#include "daemon/core/conn.h"

struct silence;

/* `on_tls` is called once for a server that was watched and not let go meanwhile. */
struct silence *silence_new(struct loop *loop, void (*on_tls)(void *ctx), void *ctx);
/* Not inside on_tls. NULL is allowed, here and for silence_end(). */
void silence_free(struct silence *silence);

/* The server at the other end of `conn` is to greet, in clear. */
void silence_watch(struct silence *silence, const struct conn *conn);
/* It said something, or nobody waits for it any more. */
void silence_end(struct silence *silence);

#endif
