/* Names: resolv.conf, the hosts file, and a name server that the test plays. */
#include "common/netaddr.h"
#include "daemon/core/loop.h"
#include "daemon/relay/dns.h"
#include "daemon/relay/hostfiles.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define BYTES(text) ((struct msg_bytes){(const uint8_t *)(text), (uint32_t)strlen(text)})

static void
test_resolv_conf(void **state)
{
	static const struct {
		const char *name, *input, *servers;
		size_t search_count;
	} rows[] = {
	    {"empty", "", "127.0.0.1:53", 0},
	    {"two", "nameserver 192.0.2.1\n# no\nnameserver\t2001:db8::1\n",
		"192.0.2.1:53,[2001:db8::1]:53", 0},
	    {"a port", "nameserver [127.0.0.1]:5353", "127.0.0.1:5353", 0},
	    {"nonsense", "nameserver dns.example\nnameserver 1.2.3\nnameserver\n", "127.0.0.1:53",
		0},
	    {"a comment behind", "nameserver 192.0.2.1 ; mine\r\n", "192.0.2.1:53", 0},
	    {"search", "domain a.example\nsearch b.example c.example\n", "127.0.0.1:53", 2},
	    {"too many",
		"nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\n"
		"nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\n"
		"nameserver 2.2.2.2\n",
		"1.1.1.1:53,1.1.1.1:53,1.1.1.1:53,1.1.1.1:53,1.1.1.1:53,1.1.1.1:53,1.1.1.1:53,"
		"1.1.1.1:53",
		0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct resolv_conf conf;

		resolv_conf_parse(rows[i].input, strlen(rows[i].input), &conf);
		assert_string_equal(conf.servers, rows[i].servers);
		assert_int_equal(conf.search_count, rows[i].search_count);
		resolv_conf_fini(&conf);
	}
}

static void
test_hosts(void **state)
{
	static const char text[] = "127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\n"
				   "192.0.2.7 mail mail.example # the old one\nnonsense mail\n";
	static const struct {
		const char *name, *first;
		size_t count;
	} rows[] = {
	    {"localhost", "127.0.0.1", 2},
	    {"IP6-LOCALHOST", "::1", 1},
	    {"mail.example", "192.0.2.7", 1},
	    {"Mail", "192.0.2.7", 1},
	    {"old", NULL, 0},
	};
	struct hosts *hosts = hosts_new(text, strlen(text));
	struct netaddr found[4];
	char buffer[NETADDR_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(hosts_find(hosts, rows[i].name, found, 4), rows[i].count);
		if (rows[i].count > 0)
			assert_string_equal(netaddr_format(&found[0], buffer), rows[i].first);
	}
	hosts_free(hosts);
	hosts = hosts_new(NULL, 0);
	assert_int_equal(hosts_find(hosts, "localhost", found, 4), 2);
	assert_int_equal(hosts_find(hosts, "localhost", found, 1), 1);
	hosts_free(hosts);
}

/* ---- a name server ---- */

struct server {
	int fd;
	unsigned queries;
	struct event *event;
};

/* `known.example` is 192.0.2.9, everything else is unknown. */
static void
on_query(int fd, short what, void *ctx)
{
	static const uint8_t answer[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 9};
	struct server *server = ctx;
	uint8_t packet[512];
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);
	ssize_t size = recvfrom(fd, packet, 400, 0, (struct sockaddr *)&peer, &peer_size);
	bool is_known, is_a;
	size_t end = 12;

	assert_true(size > 17);
	server->queries++;
	is_known = memcmp(packet + 12, "\5known\7example", 15) == 0;
	while (packet[end] != 0)
		end += packet[end] + 1u;
	is_a = packet[end + 2] == 1;
	end += 5;
	packet[2] = 0x81;
	packet[3] = is_known ? 0x80 : 0x83;
	memset(packet + 6, 0, 6); /* no answers, no additional records */
	if (is_known && is_a) {
		packet[7] = 1;
		memcpy(packet + end, answer, sizeof(answer));
		end += sizeof(answer);
	}
	(void)sendto(fd, packet, end, 0, (struct sockaddr *)&peer, peer_size);
}

struct seen {
	unsigned count, addresses;
	char first[INET6_ADDRSTRLEN], problem[128];
	int port;
};

static void
on_answer(const struct dns_answer *answer, void *ctx)
{
	struct seen *seen = ctx;
	const struct sockaddr_in *v4 = (const void *)&answer->addresses[0];
	struct netaddr first;

	seen->count++;
	seen->addresses = (unsigned)answer->count;
	if (answer->count == 0) {
		(void)snprintf(seen->problem, sizeof(seen->problem), "%s", answer->problem);
		return;
	}
	assert_true(
	    netaddr_from_sockaddr((const struct sockaddr *)&answer->addresses[0], &first, NULL));
	(void)netaddr_format(&first, seen->first);
	seen->port = ntohs(v4->sin_port);
}

static void
test_queries(void **state)
{
	static const struct {
		const char *name, *first, *problem;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1", NULL},
	    {"[2001:db8::1]", "2001:db8::1", NULL},
	    {"localhost", "127.0.0.1", NULL},
	    {"here.example", "192.0.2.2", NULL},
	    {"known.example", "192.0.2.9", NULL},
	    {"unknown.example", NULL, "there is no such name"},
	    {"", NULL, "the name is empty"},
	};
	struct loop *loop = loop_new();
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	struct server server = {.fd = socket(AF_INET, SOCK_DGRAM, 0)};
	char conf[64];
	struct dns *dns;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
	server.event =
	    event_new(loop_base(loop), server.fd, EV_READ | EV_PERSIST, on_query, &server);
	(void)event_add(server.event, NULL);
	(void)snprintf(conf, sizeof(conf), "nameserver [127.0.0.1]:%d\n", ntohs(address.sin_port));
	dns = dns_new(loop, BYTES(conf), BYTES("192.0.2.2 here.example"), NULL);
	assert_non_null(dns);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen seen = {0}, cancelled = {0};

		(void)dns_resolve(dns, rows[i].name, 25, on_answer, &seen);
		dns_cancel(dns_resolve(dns, rows[i].name, 25, on_answer, &cancelled));
		assert_int_equal(seen.count, 0); /* never inside the call */
		for (unsigned turns = 0; seen.count == 0 && turns < 500; turns++)
			loop_turn(loop, 10);
		assert_int_equal(seen.count, 1);
		assert_int_equal(cancelled.count, 0);
		if (rows[i].first != NULL) {
			assert_string_equal(seen.first, rows[i].first);
			assert_int_equal(seen.port, 25);
		} else {
			assert_string_equal(seen.problem, rows[i].problem);
		}
	}
	/* A query that waits outlives a reload. */
	{
		struct seen seen = {0};

		(void)dns_resolve(dns, "known.example", 25, on_answer, &seen);
		assert_int_equal(dns_reload(dns, BYTES(conf), BYTES(""), NULL), 0);
		for (unsigned turns = 0; seen.count == 0 && turns < 500; turns++)
			loop_turn(loop, 10);
		assert_string_equal(seen.first, "192.0.2.9");
		(void)dns_resolve(dns, "known.example", 25, on_answer, &seen);
	}
	dns_free(dns);
	event_free(server.event);
	(void)close(server.fd);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_resolv_conf),
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
