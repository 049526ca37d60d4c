/*
 * channel_silence - a test's upstream that doesn't greet: whether it waits for TLS is asked on a second
 * connection, lest the operator waits for the whole timeout to hear of a wrong port or tls
 */
#include "daemon/relay/channel_private.h"
#include "daemon/relay/other_protocol.h"

#include <event2/buffer.h>
#include <netinet/in.h>

/* Longer than servers let clients wait that may be sending spam. */
#define SILENCE_MS (8 * 1000)
#define ANSWER_MS (5 * 1000)

/* A ClientHello of TLS 1.2 with one cipher: whoever knows TLS answers it, by a refusal at least. */
static const uint8_t hello[50] = {0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3, /* 32 bytes of no matter */
    [44] = 0, 2, 0xc0, 0x2f, 1, 0};

static void
on_input(struct conn *conn, void *ctx)
{
	struct channel *channel = ctx;
	struct evbuffer *input = conn_input(conn);
	bool is_tls = other_protocol_is_tls(evbuffer_pullup(input, -1), evbuffer_get_length(input));

	channel_end_silence(channel);
	if (is_tls && channel->phase == PHASE_GREETING)
		channel_end_early(channel, PHASE_GREETING, OTHER_PROTOCOL_TLS);
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
	struct channel *channel = ctx;

	channel->silence_conn = NULL; /* it frees itself */
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
	struct channel *channel = ctx;
	const struct sockaddr_storage *address;

	if (channel->phase != PHASE_GREETING || channel->conn == NULL)
		return;
	address = conn_peer(channel->conn);
	channel->silence_conn = conn_connect(channel->loop, (const struct sockaddr *)address,
	    address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6),
	    ANSWER_MS, &callbacks, channel);
}

void
channel_watch_silence(struct channel *channel)
{
	if (!channel->profile->is_tested)
		return;
	if (channel->silence == NULL)
		channel->silence = timer_new(channel->loop, on_silence, channel);
	timer_set(channel->silence, SILENCE_MS);
}

void
channel_end_silence(struct channel *channel)
{
	if (channel->silence != NULL)
		timer_stop(channel->silence);
	if (channel->silence_conn != NULL)
		conn_close(channel->silence_conn);
	channel->silence_conn = NULL;
}
