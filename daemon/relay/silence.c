/* silence - a timer, and a ClientHello where the server has said nothing by then. */
#include "daemon/relay/silence.h"

#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/other_protocol.h"

#include <event2/buffer.h>
#include <netinet/in.h>
#include <stdlib.h>

/* Longer than servers let clients wait that may be sending spam. */
#define SILENCE_MS (8 * 1000)
#define ANSWER_MS (5 * 1000)

struct silence {
	struct loop *loop;
	void (*on_tls)(void *ctx);
	void *ctx;
	struct sockaddr_storage address;
	struct timer *timer;
	struct conn *conn; /* that asks, or NULL */
};

/* A ClientHello of TLS 1.2 with one cipher: whoever knows TLS answers it, by a refusal at least. */
static const uint8_t hello[50] = {0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3, /* 32 bytes of no matter */
    [44] = 0, 2, 0xc0, 0x2f, 1, 0};

static void
on_input(struct conn *conn, void *ctx)
{
	struct silence *silence = ctx;
	struct evbuffer *input = conn_input(conn);
	bool is_tls = other_protocol_is_tls(evbuffer_pullup(input, -1), evbuffer_get_length(input));

	silence_end(silence);
	if (is_tls)
		silence->on_tls(silence->ctx);
}

static void
on_connected(struct conn *conn, void *ctx)
{
	conn_write(conn, hello, sizeof(hello));
	conn_set_deadline(conn, ANSWER_MS);
}

static void
ignore(struct conn *conn, void *ctx)
{
	/* there is neither TLS of ours nor more to be said */
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct silence *silence = ctx;

	silence->conn = NULL; /* it frees itself */
}

static const struct conn_callbacks callbacks = {
    .on_input = on_input,
    .on_connected = on_connected,
    .on_secured = ignore,
    .on_drained = ignore,
    .on_closed = on_closed,
};

static void
on_silence(void *ctx)
{
	struct silence *silence = ctx;

	silence->conn = conn_connect(silence->loop, (const struct sockaddr *)&silence->address,
	    silence->address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						  : sizeof(struct sockaddr_in6),
	    ANSWER_MS, &callbacks, silence);
}

struct silence *
silence_new(struct loop *loop, void (*on_tls)(void *ctx), void *ctx)
{
	struct silence *silence = xcalloc(1, sizeof(*silence));

	silence->loop = loop;
	silence->on_tls = on_tls;
	silence->ctx = ctx;
	silence->timer = timer_new(loop, on_silence, silence);
	return silence;
}

void
silence_free(struct silence *silence)
{
	if (silence == NULL)
		return;
	silence_end(silence);
	timer_free(silence->timer);
	free(silence);
}

void
silence_watch(struct silence *silence, const struct conn *conn)
{
	silence_end(silence);
	silence->address = *conn_peer(conn);
	timer_set(silence->timer, SILENCE_MS);
}

void
silence_end(struct silence *silence)
{
	if (silence == NULL)
		return;
	timer_stop(silence->timer);
	if (silence->conn != NULL)
		conn_close(silence->conn);
	silence->conn = NULL;
}
