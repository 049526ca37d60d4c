/* pop3_server - a thread that takes one connection after the other, in the manner that it was told. */
#include "tests/unit/pop3_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static void
say(int fd, const char *text)
{
	(void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static bool
hear(int fd, char *line, size_t size)
{
	size_t at = 0;

	while (at + 1 < size && recv(fd, line + at, 1, 0) == 1)
		if (line[at++] == '\n') {
			line[at] = '\0';
			return true;
		}
	return false;
}

/* One line of a list after the other, for as long as somebody listens. */
static void
drip(int fd)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

	while (send(fd, "X\r\n", 3, MSG_NOSIGNAL) == 3)
		(void)nanosleep(&pause, NULL);
}

static const char *
answer(struct pop3_server *server, const char *line)
{
	if (strncmp(line, "CAPA", 4) == 0)
		return server->manner == FORBIDS_ANOTHER ? "+OK\r\nLOGIN-DELAY 3600\r\n.\r\n"
							 : "-ERR what?\r\n";
	if (strncmp(line, "PASS", 4) != 0)
		return "+OK\r\n";
	server->passwords++;
	return server->manner == REFUSES   ? "-ERR [AUTH] no\r\n"
	       : server->manner == IS_BUSY ? "-ERR [IN-USE] wait\r\n"
					   : "+OK\r\n";
}

static void
talk(struct pop3_server *server, int fd)
{
	char line[300];

	if (server->manner == IS_SILENT) {
		(void)hear(fd, line, sizeof(line));
		return;
	}
	say(fd, "+OK hello\r\n");
	while (hear(fd, line, sizeof(line))) {
		if (server->manner == DRIPS) {
			say(fd, "+OK\r\n");
			drip(fd);
			return;
		}
		say(fd, answer(server, line));
		if (strncmp(line, "QUIT", 4) == 0)
			return;
	}
}

static void *
serve(void *ctx)
{
	struct pop3_server *server = ctx;
	int fd;

	while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
		server->begun++;
		talk(server, fd);
		(void)close(fd);
	}
	return NULL;
}

static socklen_t
loopback(int family, uint16_t port, struct sockaddr_storage *address_out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address_out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address_out;

	*address_out = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (family == AF_INET) {
		four->sin_port = htons(port);
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*four);
	}
	six->sin6_port = htons(port);
	six->sin6_addr = in6addr_loopback;
	return sizeof(*six);
}

void
pop3_server_start(struct pop3_server *server, int family, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t size = loopback(family, port, &address);
	int on = 1;

	server->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	if (family == AF_INET6)
		assert_int_equal(
		    setsockopt(server->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server->fd, 10), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(((struct sockaddr_in *)&address)->sin_port); /* in the same place */
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void
pop3_server_stop(struct pop3_server *server)
{
	(void)shutdown(server->fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->fd);
}
