/* Accepting: all sockets of a set, never more clients than the limit, never a busy loop. */
#include "daemon/smtpd/listener.h"

#include "common/log.h"
#include "daemon/core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define TURNS_MAX 50

struct house {
	struct loop *loop;
	struct listeners *listeners;
	int fds[CLIENTS_MAX];
	unsigned doors[CLIENTS_MAX];
	uint16_t ports[CLIENTS_MAX];
	sa_family_t peer_families[CLIENTS_MAX];
	unsigned count;
};

static void
on_accept(const struct listener_guest *guest, void *ctx)
{
	struct house *house = ctx;

	assert_true(house->count < CLIENTS_MAX);
	house->doors[house->count] = guest->listener;
	house->ports[house->count] = guest->port;
	house->peer_families[house->count] = guest->peer.ss_family;
	house->fds[house->count++] = guest->fd;
}

static void
begin(struct house *house, unsigned limit)
{
	*house = (struct house){.loop = loop_new()};
	house->listeners = listeners_new(house->loop, limit, on_accept, house);
}

static void
end(struct house *house)
{
	for (unsigned i = 0; i < house->count; i++)
		(void)close(house->fds[i]);
	listeners_free(house->listeners);
	loop_free(house->loop);
}

static int
open_door(struct sockaddr_in *address_out)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*address_out);

	*address_out =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address_out, size), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address_out, &size), 0);
	return fd;
}

static int
dial(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static void
turn_until(struct house *house, unsigned count)
{
	for (int i = 0; i < TURNS_MAX && house->count < count; i++)
		loop_turn(house->loop, 100);
	assert_int_equal(house->count, count);
}

static void
turn_a_while(struct house *house)
{
	for (int i = 0; i < 5; i++)
		loop_turn(house->loop, 0);
}

static void
test_limit(void **state)
{
	struct house house;
	struct sockaddr_in address;
	int clients[3];

	begin(&house, 2);
	listeners_add(house.listeners, 5, open_door(&address));
	listeners_replace(house.listeners);
	for (int i = 0; i < 3; i++)
		clients[i] = dial(&address);
	turn_until(&house, 2);
	assert_int_equal(house.doors[1], 5);
	turn_a_while(&house);
	assert_int_equal(house.count, 2);
	listeners_release_client(house.listeners);
	turn_until(&house, 3);
	for (int i = 0; i < 3; i++)
		(void)close(clients[i]);
	end(&house);
}

static void
test_new_set_closes_the_old(void **state)
{
	struct house house;
	struct sockaddr_in old, new;
	int client;

	begin(&house, 10);
	listeners_add(house.listeners, 0, open_door(&old));
	listeners_replace(house.listeners);
	listeners_add(house.listeners, 1, open_door(&new));
	listeners_replace(house.listeners);
	assert_int_equal(dial(&old), -1);
	client = dial(&new);
	turn_until(&house, 1);
	assert_int_equal(house.doors[0], 1);
	assert_int_equal(house.ports[0], ntohs(new.sin_port));
	assert_int_equal(house.peer_families[0], AF_INET);
	listeners_close(house.listeners);
	assert_int_equal(dial(&new), -1);
	(void)close(client);
	end(&house);
}

/* EMFILE: one attempt, then rest; what waits is accepted when there is room again. */
static void
test_out_of_descriptors(void **state)
{
	struct house house;
	struct sockaddr_in address;
	struct rlimit old, low;
	int client, spare;

	begin(&house, 10);
	listeners_add(house.listeners, 0, open_door(&address));
	listeners_replace(house.listeners);
	client = dial(&address);
	spare = dup(client);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)spare;
	(void)close(spare);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	turn_a_while(&house);
	assert_int_equal(house.count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	turn_until(&house, 1);
	(void)close(client);
	end(&house);
}

/* Two processes that a client wakes, in one loop: the second one finds nothing. */
static void
test_who_comes_late_leaves_it_to_the_other_for_a_moment(void **state)
{
	struct house quick, late;
	struct sockaddr_in address;
	int clients[4], fd = open_door(&address);
	unsigned taken = 0;

	begin(&quick, CLIENTS_MAX);
	late = (struct house){.loop = quick.loop};
	late.listeners = listeners_new(late.loop, CLIENTS_MAX, on_accept, &late);
	listeners_add(quick.listeners, 0, fd);
	listeners_add(late.listeners, 0, dup(fd));
	listeners_replace(quick.listeners);
	listeners_replace(late.listeners);
	for (int i = 0; i < 4; i++) {
		clients[i] = dial(&address);
		for (int turns = 0; quick.count + late.count == taken && turns < TURNS_MAX; turns++)
			loop_turn(quick.loop, 20);
		assert_int_equal(quick.count + late.count, ++taken);
	}
	/* Both come late in turn, or one always does; whoever is left alone takes all. */
	listeners_close(quick.listeners);
	for (unsigned i = 0; i < 3; i++) {
		int client = dial(&address);
		unsigned before = late.count;

		for (int turns = 0; late.count == before && turns < TURNS_MAX; turns++)
			loop_turn(late.loop, 20);
		assert_int_equal(late.count, before + 1);
		(void)close(client);
	}
	for (int i = 0; i < 4; i++)
		(void)close(clients[i]);
	for (unsigned i = 0; i < late.count; i++)
		(void)close(late.fds[i]);
	listeners_free(late.listeners);
	end(&quick);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_new_set_closes_the_old),
	    cmocka_unit_test(test_out_of_descriptors),
	    cmocka_unit_test(test_who_comes_late_leaves_it_to_the_other_for_a_moment),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
