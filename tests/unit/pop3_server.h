/*
 * pop3_server - a POP3 server on loopback, on a thread, which counts what it hears
 *
 * Owns     its socket and its thread
 */
#ifndef POSTERN_TESTS_POP3_SERVER_H
#define POSTERN_TESTS_POP3_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum pop3_manner { GOOD, REFUSES, IS_BUSY, IS_SILENT, DRIPS, FORBIDS_ANOTHER };

struct pop3_server {
	int fd;
	uint16_t port;
	pthread_t thread;
	_Atomic enum pop3_manner manner;
	atomic_uint begun, passwords;
};

/* On loopback in this family (AF_INET, AF_INET6); `port` 0: any that is free. */
void pop3_server_start(struct pop3_server *server, int family, uint16_t port);
/* Nobody talks to it any more. */
void pop3_server_stop(struct pop3_server *server);

#endif
