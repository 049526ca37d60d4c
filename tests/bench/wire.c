/* wire - sockets of the load generator. */
#include "tests/bench/wire.h"

#include "common/err.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

static SSL_CTX *context;

void
wire_init_tls(void)
{
	context = SSL_CTX_new(TLS_client_method());
	ensure(context != NULL);
	SSL_CTX_set_mode(
	    context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int
wire_connect(struct wire *wire, const struct sockaddr *source, const struct sockaddr *address,
    socklen_t size)
{
	int on = 1;

	*wire = (struct wire){.wants_writing = true};
	wire->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (wire->fd < 0)
		return -1;
	(void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* the port is chosen with the destination: there are too few for all of them otherwise */
	(void)setsockopt(wire->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (source != NULL && bind(wire->fd, source, size) != 0) {
		wire_close(wire);
		return -1;
	}
	if (connect(wire->fd, address, size) == 0 || errno == EINPROGRESS)
		return 0;
	wire_close(wire);
	return -1;
}

void
wire_close(struct wire *wire)
{
	SSL_free(wire->ssl);
	if (wire->fd >= 0)
		(void)close(wire->fd);
	*wire = (struct wire){.fd = -1};
}

static ssize_t
judge_tls(struct wire *wire, int result)
{
	int error = SSL_get_error(wire->ssl, result);

	ERR_clear_error();
	wire->wants_writing = error == SSL_ERROR_WANT_WRITE;
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? WIRE_WAITS
									     : WIRE_ENDED;
}

bool
wire_start_tls(struct wire *wire, bool *has_ended_out)
{
	int result;

	*has_ended_out = false;
	if (wire->ssl == NULL) {
		wire->ssl = SSL_new(context);
		ensure(wire->ssl != NULL && SSL_set_fd(wire->ssl, wire->fd) == 1);
	}
	result = SSL_connect(wire->ssl);
	if (result == 1) {
		wire->wants_writing = false;
		return true;
	}
	*has_ended_out = judge_tls(wire, result) == WIRE_ENDED;
	return false;
}

static ssize_t
judge(struct wire *wire, ssize_t size, bool is_writing)
{
	wire->wants_writing = is_writing && size < 0;
	if (size > 0)
		return size;
	return size < 0 && (errno == EAGAIN || errno == EINTR) ? WIRE_WAITS : WIRE_ENDED;
}

ssize_t
wire_read(struct wire *wire, void *bytes, size_t size)
{
	int result;

	if (wire->ssl == NULL)
		return judge(wire, read(wire->fd, bytes, size), false);
	result = SSL_read(wire->ssl, bytes, (int)size);
	return result > 0 ? result : judge_tls(wire, result);
}

ssize_t
wire_write(struct wire *wire, const void *bytes, size_t size)
{
	int result;

	if (wire->ssl == NULL)
		return judge(wire, send(wire->fd, bytes, size, MSG_NOSIGNAL), true);
	result = SSL_write(wire->ssl, bytes, (int)size);
	return result > 0 ? result : judge_tls(wire, result);
}

ssize_t
wire_write_both(struct wire *wire, const struct iovec pieces[static 2])
{
	struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = 2};
	const struct iovec *first = pieces[0].iov_len > 0 ? &pieces[0] : &pieces[1];

	if (wire->ssl != NULL)
		return wire_write(wire, first->iov_base, first->iov_len);
	return judge(wire, sendmsg(wire->fd, &message, MSG_NOSIGNAL), true);
}
