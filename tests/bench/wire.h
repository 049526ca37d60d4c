/*
 * wire - a non-blocking socket, in clear or with TLS, for the load generator
 *
 * Owns     its socket and TLS session
 * Fails    WIRE_ENDED
 */
#ifndef POSTERN_BENCH_WIRE_H
#define POSTERN_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

struct wire {
	int fd;
	void *ssl;          /* SSL, NULL in clear */
	bool wants_writing; /* what the last call that waits is waiting for */
};

enum { WIRE_WAITS = 0, WIRE_ENDED = -1 };

/* Once, before the first wire_start_tls(). Certificates are not verified. */
void wire_init_tls(void);

/* `source` is the address to come from, of the same family; NULL: any. */
int wire_connect(struct wire *wire, const struct sockaddr *source, const struct sockaddr *address,
    socklen_t size);
void wire_close(struct wire *wire);
/* True once the handshake is done; false: call again when the socket is ready, or it has ended. */
bool wire_start_tls(struct wire *wire, bool *has_ended_out);
/* Bytes that were moved, WIRE_WAITS, or WIRE_ENDED. */
ssize_t wire_read(struct wire *wire, void *bytes, size_t size);
ssize_t wire_write(struct wire *wire, const void *bytes, size_t size);
/* The same for two pieces at once, one behind the other; with TLS only of the first that isn't empty. */
ssize_t wire_write_both(struct wire *wire, const struct iovec pieces[static 2]);

#endif
