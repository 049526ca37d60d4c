/*
 * listener - accepts clients on all the sockets that the parent handed in
 *
 * Role     smtpd
 * Owns     the listening sockets; on_accept takes the client's
 * Context  loop
 * Fails    out of descriptors or memory: accepting rests a second, then goes on; never spins
 *
 * All smtpds listen on the same sockets, thousands of them when ports are given as a range.
 * Accepting rests while `limit` clients are connected: the others wait in the kernel's queue.
 */
#ifndef POSTERN_SMTPD_LISTENER_H
#define POSTERN_SMTPD_LISTENER_H

#include <stdint.h>
#include <sys/socket.h>

struct listeners;
struct loop;

/* A client who has just come: what is known of him without asking. */
struct listener_guest {
	int fd;            /* non-blocking */
	unsigned listener; /* the index of the config's listener */
	uint16_t port;     /* ours; 0: not an internet socket */
	struct sockaddr_storage peer;
};

/* Takes the socket. */
typedef void (*listener_accept_fn)(const struct listener_guest *guest, void *ctx);

struct listeners *listeners_new(
    struct loop *loop, unsigned limit, listener_accept_fn on_accept, void *ctx);
void listeners_free(struct listeners *listeners);

/* Takes a socket of a new set. */
void listeners_add(struct listeners *listeners, unsigned listener, int fd);
/* The new set is complete: the one before it is closed. */
void listeners_replace(struct listeners *listeners);
void listeners_set_limit(struct listeners *listeners, unsigned limit);
/* Sockets that are listened on. */
unsigned listeners_door_count(const struct listeners *listeners);
/* A client that was given to on_accept is gone. */
void listeners_release_client(struct listeners *listeners);
/* No more clients: all sockets are closed. */
void listeners_close(struct listeners *listeners);

#endif
