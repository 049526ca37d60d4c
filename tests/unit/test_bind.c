/* Listening sockets: ranges, both families, taken ports, and what a reload keeps. */
#include "daemon/parent/bind.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2))) static struct config *
config_of(const char *format, ...)
{
	struct config *config = NULL;
	struct err err = {""};
	char text[500];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (config_parse(text, strlen(text), &config, &err) != 0)
		fail_msg("%s", err.text);
	return config;
}

static int
update(struct bind_set *set, struct config *config, struct err *err_out)
{
	int status = bind_set_update(set, config, err_out);

	config_release(config);
	return status;
}

/* The address of this process alone: whoever else tests on this machine takes no port of it. */
static struct in_addr home;
static char home_text[INET_ADDRSTRLEN];

static void
choose_home(void)
{
	home.s_addr = htonl(0x7f400000u | ((unsigned)getpid() & 0x3fffffu));
	assert_non_null(inet_ntop(AF_INET, &home, home_text, sizeof(home_text)));
}

/* Another program's socket; *port 0 takes a free port. */
static int
take_port(unsigned *port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)*port), .sin_addr = home};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1) != 0) {
		(void)close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* The first of `count` ports in a row that nobody has. */
static unsigned
free_ports(unsigned count)
{
	for (unsigned first = 20000; first < 60000; first += count) {
		unsigned free_count = 0;

		for (unsigned port = first; port < first + count; port++) {
			int fd = take_port(&port);

			if (fd < 0)
				break;
			(void)close(fd);
			free_count++;
		}
		if (free_count == count)
			return first;
	}
	fail_msg("no %u free ports in a row", count);
	return 0;
}

static const struct bound_socket *
find_socket(const struct bind_set *set, int family, unsigned port)
{
	size_t count;
	const struct bound_socket *sockets = bind_set_sockets(set, &count);

	for (size_t i = 0; i < count; i++)
		if (sockets[i].address.sin6_family == family &&
		    ntohs(sockets[i].address.sin6_port) == port)
			return &sockets[i];
	return NULL;
}

static bool
can_connect(unsigned port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = home};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;

	status = connect(fd, (struct sockaddr *)&address, sizeof(address));
	(void)close(fd);
	return status == 0;
}

static void
test_ranges(void **state)
{
	unsigned first = free_ports(4);
	struct bind_set *set = bind_set_new();
	const struct bound_socket *row;
	struct err err = {""};
	size_t count;

	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u-%u\"; },"
				       "{ address = \"%s\"; ports = \"%u\"; tls = \"none\"; } );",
				 home_text, first, first + 2, home_text, first + 3),
			     &err),
	    0);
	(void)bind_set_sockets(set, &count);
	assert_int_equal(count, 4);
	for (unsigned port = first; port < first + 4; port++) {
		row = find_socket(set, AF_INET, port);
		assert_non_null(row);
		assert_int_equal(row->listener, port == first + 3 ? 1 : 0);
		assert_true(can_connect(port));
		assert_true(fcntl(row->fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(row->fd, F_GETFD) & FD_CLOEXEC);
	}
	bind_set_free(set);
	assert_false(can_connect(first));
}

static void
test_both_families(void **state)
{
	unsigned port = 20000;
	int ipv6 = socket(AF_INET6, SOCK_STREAM, 0);
	struct bind_set *set = bind_set_new();
	struct err err = {""};

	/* on all addresses: others may have it, or take it at any moment */
	while (update(set, config_of("listeners = ( { ports = \"%u\"; required = true; } );", port),
		   &err) != 0)
		assert_in_range(++port, 20000, 30000);
	assert_non_null(find_socket(set, AF_INET, port));
	if (ipv6 >= 0) {
		assert_non_null(find_socket(set, AF_INET6, port));
		(void)close(ipv6);
	}
	assert_int_equal(bind_set_listeners(set, &(size_t){0})->bound, 1);
	bind_set_free(set);
}

static size_t
read_log(int log, char *text, size_t size)
{
	ssize_t length = pread(log, text, size - 1, 0);

	assert_true(length >= 0);
	text[length] = '\0';
	return (size_t)length;
}

/* One warning names what is taken; the rest works, and the next update tries again. */
static void
test_taken_ports(void **state)
{
	unsigned first = free_ports(6), taken[3] = {first + 1, first + 2, first + 4};
	int others[3], log = memfd_create("log", MFD_CLOEXEC);
	struct bind_set *set = bind_set_new();
	const struct bound_listener *listener;
	char expected[100], text[1000];
	struct err err = {""};
	size_t count;

	for (size_t i = 0; i < 3; i++)
		others[i] = take_port(&taken[i]);
	log_open(log, false);
	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u-%u\"; } );",
				 home_text, first, first + 5),
			     &err),
	    0);
	log_open(STDERR_FILENO, false);
	listener = bind_set_listeners(set, &count);
	assert_int_equal(count, 1);
	assert_int_equal(listener->bound, 3);
	assert_int_equal(listener->skipped, 3);
	(void)snprintf(expected, sizeof(expected), "%u-%u,%u", first + 1, first + 2, first + 4);
	assert_string_equal(listener->skipped_ports, expected);
	(void)read_log(log, text, sizeof(text));
	assert_non_null(strstr(text, expected));
	assert_non_null(strstr(text, "count=3"));
	assert_ptr_equal(strchr(text, '\n'), strrchr(text, '\n'));

	for (size_t i = 0; i < 3; i++)
		(void)close(others[i]);
	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u-%u\"; } );",
				 home_text, first, first + 5),
			     &err),
	    0);
	assert_int_equal(bind_set_listeners(set, &count)->bound, 6);
	assert_true(find_socket(set, AF_INET, first)->is_kept);
	assert_false(find_socket(set, AF_INET, first + 1)->is_kept);
	bind_set_free(set);
	(void)close(log);
}

static void
test_reload_keeps_and_closes(void **state)
{
	unsigned first = free_ports(3);
	struct bind_set *set = bind_set_new();
	struct err err = {""};
	int kept;

	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u,%u\"; } );",
				 home_text, first, first + 1),
			     &err),
	    0);
	kept = find_socket(set, AF_INET, first + 1)->fd;
	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u\"; },"
				       "{ address = \"%s\"; ports = \"%u\"; } );",
				 home_text, first + 2, home_text, first + 1),
			     &err),
	    0);
	assert_int_equal(find_socket(set, AF_INET, first + 1)->fd, kept);
	assert_int_equal(find_socket(set, AF_INET, first + 1)->listener, 1);
	assert_false(can_connect(first));
	assert_true(can_connect(first + 1));
	assert_true(can_connect(first + 2));
	bind_set_free(set);
}

/* A failed update leaves everything as it was. */
static void
test_required(void **state)
{
	unsigned first = free_ports(3), taken = first + 1;
	int other = take_port(&taken);
	struct bind_set *set = bind_set_new();
	struct err err = {""};
	size_t count;

	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u\"; } );",
				 home_text, first),
			     &err),
	    0);
	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u-%u\";"
				       " required = true; } );",
				 home_text, first, first + 2),
			     &err),
	    -1);
	assert_non_null(strstr(err.text, "which are required: Address already in use"));
	(void)bind_set_sockets(set, &count);
	assert_int_equal(count, 1);
	assert_true(can_connect(first));
	assert_false(can_connect(first + 2));
	bind_set_free(set);
	(void)close(other);
}

static void
test_nothing_left(void **state)
{
	unsigned taken = 0;
	int other = take_port(&taken);
	struct bind_set *set = bind_set_new();
	struct err err = {""};

	assert_int_equal(update(set,
			     config_of("listeners = ( { address = \"%s\"; ports = \"%u\"; } );",
				 home_text, taken),
			     &err),
	    -1);
	assert_non_null(strstr(err.text, "cannot listen on any port"));
	bind_set_free(set);
	(void)close(other);
}

/* Thousands of ports: the limit of open files is raised, or else the error says to raise it. */
static void
test_large_range(void **state)
{
	struct rlimit limit;
	struct bind_set *set = bind_set_new();
	struct err err = {""};
	size_t count;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 512;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (update(set,
		config_of(
		    "listeners = ( { address = \"%s\"; ports = \"1025-8976\"; } );", home_text),
		&err) == 0) {
		(void)bind_set_sockets(set, &count);
		assert_in_range(count, 7000, 7952);
	} else {
		assert_true(limit.rlim_max < 16000);
		assert_non_null(strstr(err.text, "raise the limit of open files"));
	}
	bind_set_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ranges),
	    cmocka_unit_test(test_both_families),
	    cmocka_unit_test(test_taken_ports),
	    cmocka_unit_test(test_reload_keeps_and_closes),
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_nothing_left),
	    cmocka_unit_test(test_large_range),
	};

	choose_home();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
