/*
 * bind - the sockets of all listeners.
 *
 * An update builds a new array of sockets beside the old one. What both want moves over, so that
 * clients who are just connecting don't notice a reload; only when everything that is required
 * is there does the new array take the old one's place.
 */
#include "daemon/parent/bind.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
/* Beside listening sockets and clients: links, databases, upstream connections, the log. */
#define OTHER_FILES 4096

struct sockets {
	struct bound_socket *rows;
	size_t count, capacity;
};

struct bind_set {
	struct sockets sockets;
	struct bound_socket **by_address; /* the sockets, sorted, while an update runs */
	bool *is_kept;                    /* one for each socket, while an update runs */
	struct bound_listener *listeners;
	size_t listener_count;
};

/* One listener while its ports are opened. */
struct attempt {
	struct bind_set *set;
	struct sockets *sockets; /* the new ones */
	unsigned listener;
	struct bound_listener *result;
	uint8_t *skipped; /* a byte for each port */
};

static void
sockets_append(struct sockets *sockets, const struct bound_socket *row)
{
	if (sockets->count == sockets->capacity) {
		sockets->capacity = sockets->capacity > 0 ? sockets->capacity * 2 : 16;
		sockets->rows = xrealloc(sockets->rows, sockets->capacity, sizeof(*sockets->rows));
	}
	sockets->rows[sockets->count++] = *row;
}

static int
compare_addresses(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	return memcmp(a, b, sizeof(*a));
}

static int
compare_rows(const void *a, const void *b)
{
	const struct bound_socket *const *x = a, *const *y = b;

	return compare_addresses(&(*x)->address, &(*y)->address);
}

static void
begin_update(struct bind_set *set)
{
	set->is_kept = xcalloc(set->sockets.count + 1, sizeof(bool));
	set->by_address = xcalloc(set->sockets.count + 1, sizeof(struct bound_socket *));
	for (size_t i = 0; i < set->sockets.count; i++)
		set->by_address[i] = &set->sockets.rows[i];
	qsort(set->by_address, set->sockets.count, sizeof(struct bound_socket *), compare_rows);
}

static void
end_update(struct bind_set *set)
{
	free(set->by_address);
	free(set->is_kept);
	set->by_address = NULL;
	set->is_kept = NULL;
}

/* The socket of the old set with this address, for the new one; -1 if there is none. */
static int
keep_socket(struct bind_set *set, const struct sockaddr_in6 *address)
{
	const struct bound_socket wanted = {.address = *address}, *key = &wanted;
	struct bound_socket **found = bsearch(
	    &key, set->by_address, set->sockets.count, sizeof(struct bound_socket *), compare_rows);
	bool *is_kept;

	if (found == NULL)
		return -1;
	is_kept = &set->is_kept[*found - set->sockets.rows];
	if (*is_kept) /* two listeners want the same */
		return -1;
	*is_kept = true;
	return (*found)->fd;
}

/* Returns the listening socket, or -1 with errno. */
static int
open_socket(const struct sockaddr_in6 *address)
{
	int family = address->sin6_family, on = 1, reason;
	socklen_t size = family == AF_INET6 ? sizeof(*address) : sizeof(struct sockaddr_in);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	/* clients' sockets have it of this one */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	/* `*` opens both families by itself, so that one may be taken without the other */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, (const struct sockaddr *)address, size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	reason = errno;
	(void)close(fd);
	errno = reason;
	return -1;
}

static bool
is_missing_ipv6(const struct sockaddr_in6 *address, int reason)
{
	return address->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr) &&
	       (reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL);
}

static void
skip_port(struct attempt *attempt, uint16_t port, int reason)
{
	if (attempt->result->skipped++ == 0)
		attempt->result->reason = reason;
	attempt->skipped[port] = 1;
}

/* 0 when the socket is open or a machine without IPv6 has none, else the errno. */
static int
open_address(struct attempt *attempt, const struct sockaddr_in6 *address)
{
	struct bound_socket row = {.listener = attempt->listener, .address = *address};

	row.fd = keep_socket(attempt->set, address);
	row.is_kept = row.fd >= 0;
	if (!row.is_kept)
		row.fd = open_socket(address);
	if (row.fd < 0)
		return is_missing_ipv6(address, errno) ? 0 : errno;
	sockets_append(attempt->sockets, &row);
	return 0;
}

/* The addresses to open for "*" or for one address; returns how many. */
static size_t
listener_addresses(const char *text, struct sockaddr_in6 addresses_out[static 2])
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&addresses_out[0];
	bool is_any = strcmp(text, "*") == 0;

	memset(addresses_out, 0, 2 * sizeof(*addresses_out));
	if (is_any || inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		addresses_out[1].sin6_family = AF_INET6; /* the unspecified address */
		return is_any ? 2 : 1;
	}
	addresses_out[0].sin6_family = AF_INET6;
	ensure(inet_pton(AF_INET6, text, &addresses_out[0].sin6_addr) == 1);
	return 1;
}

/* -1 when files ran out: then it is no use to go on. */
static int
open_port(struct attempt *attempt, struct sockaddr_in6 *addresses, size_t count, uint16_t port,
    struct err *err_out)
{
	int reason = 0;

	for (size_t i = 0; i < count; i++) {
		int failed;

		addresses[i].sin6_port = htons(port); /* at the same place in sockaddr_in */
		failed = open_address(attempt, &addresses[i]);
		if (failed != 0)
			reason = failed;
	}
	if (reason == EMFILE || reason == ENFILE)
		return err_set(err_out,
		    "cannot listen on port %u: %s; raise the limit of open files (LimitNOFILE)",
		    port, strerror(reason));
	if (reason != 0)
		skip_port(attempt, port, reason);
	else
		attempt->result->bound++;
	return 0;
}

static char *
format_ports(const uint8_t *marks)
{
	struct buf text;

	buf_init(&text);
	for (unsigned port = 1, last; port <= UINT16_MAX; port = last + 1) {
		last = port;
		if (!marks[port])
			continue;
		while (last < UINT16_MAX && marks[last + 1])
			last++;
		buf_printf(&text, "%s%u", text.size > 0 ? "," : "", port);
		if (last > port)
			buf_printf(&text, "-%u", last);
	}
	return buf_give(&text);
}

static int
open_ports(struct attempt *attempt, const struct config_listener *listener, struct err *err_out)
{
	struct sockaddr_in6 addresses[2];
	size_t count = listener_addresses(listener->address, addresses);

	for (size_t i = 0; i < listener->port_count; i++)
		for (unsigned port = listener->ports[i].first; port <= listener->ports[i].last;
		     port++)
			if (open_port(attempt, addresses, count, (uint16_t)port, err_out) != 0)
				return -1;
	return 0;
}

static int
open_listener(struct attempt *attempt, const struct config_listener *listener, struct err *err_out)
{
	struct bound_listener *result = attempt->result;
	int status;

	attempt->skipped = xcalloc(UINT16_MAX + 1, 1);
	status = open_ports(attempt, listener, err_out);
	result->skipped_ports = format_ports(attempt->skipped);
	free(attempt->skipped);
	if (status == 0 && listener->is_required && result->skipped > 0)
		return err_set(err_out, "cannot listen on %s, ports %.300s, which are required: %s",
		    listener->address, result->skipped_ports, strerror(result->reason));
	return status;
}

static size_t
count_wanted(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->listener_count; i++) {
		const struct config_listener *listener = &config->listeners[i];
		size_t families = strcmp(listener->address, "*") == 0 ? 2 : 1;

		for (size_t j = 0; j < listener->port_count; j++)
			count +=
			    families * (listener->ports[j].last - listener->ports[j].first + 1u);
	}
	return count;
}

/* Roles inherit the limit: an smtpd needs the listening sockets and its clients. Root may raise
 * the hard limit too. What can't be had shows when a socket can't be opened. */
static void
raise_file_limit(const struct config *config)
{
	rlim_t wanted = count_wanted(config) + config->limits.connections + OTHER_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max < wanted) {
		struct rlimit raised = {.rlim_cur = wanted, .rlim_max = wanted};

		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			return;
	}
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
warn_skipped(const struct config_listener *listener, const struct bound_listener *result)
{
	struct log_line line;
	struct err reason;

	if (!log_begin(&line, LOG_WARNING, EVENT_PROBLEM, 0))
		return;
	(void)err_set(&reason, "cannot listen on some ports, tried again at reload: %s",
	    strerror(result->reason));
	log_text(&line, KEY_LISTENER, listener->address);
	log_number(&line, KEY_COUNT, result->skipped);
	log_text(&line, KEY_PORTS, result->skipped_ports);
	log_text(&line, KEY_REASON, reason.text);
	log_end(&line);
}

static void
free_listeners(struct bound_listener *listeners, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(listeners[i].skipped_ports);
	free(listeners);
}

/* A failed update: what it opened goes, what it would have kept stays. */
static void
close_new(struct sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++)
		if (!sockets->rows[i].is_kept)
			(void)close(sockets->rows[i].fd);
	free(sockets->rows);
}

/* A successful one: old sockets that nobody asked for any more go. */
static void
close_vanished(struct bind_set *set)
{
	for (size_t i = 0; i < set->sockets.count; i++)
		if (!set->is_kept[i])
			(void)close(set->sockets.rows[i].fd);
	free(set->sockets.rows);
}

static int
open_all(struct bind_set *set, const struct config *config, struct sockets *sockets,
    struct bound_listener *results, struct err *err_out)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		struct attempt attempt = {
		    .set = set, .sockets = sockets, .listener = (unsigned)i, .result = &results[i]};

		if (open_listener(&attempt, &config->listeners[i], err_out) != 0)
			return -1;
	}
	if (sockets->count > 0)
		return 0;
	return err_set(err_out,
	    "cannot listen on any port of any listener, as on %s, ports %.300s: %s",
	    config->listeners[0].address, results[0].skipped_ports, strerror(results[0].reason));
}

static void
replace(struct bind_set *set, const struct config *config, const struct sockets *sockets,
    struct bound_listener *results)
{
	close_vanished(set);
	free_listeners(set->listeners, set->listener_count);
	set->sockets = *sockets;
	set->listeners = results;
	set->listener_count = config->listener_count;
	for (size_t i = 0; i < set->listener_count; i++)
		if (results[i].skipped > 0)
			warn_skipped(&config->listeners[i], &results[i]);
}

int
bind_set_update(struct bind_set *set, const struct config *config, struct err *err_out)
{
	struct bound_listener *results = xcalloc(config->listener_count, sizeof(*results));
	struct sockets sockets = {0};
	int status;

	raise_file_limit(config);
	begin_update(set);
	status = open_all(set, config, &sockets, results, err_out);
	if (status == 0) {
		replace(set, config, &sockets, results);
	} else {
		close_new(&sockets);
		free_listeners(results, config->listener_count);
	}
	end_update(set);
	return status;
}

const struct bound_socket *
bind_set_sockets(const struct bind_set *set, size_t *count_out)
{
	*count_out = set->sockets.count;
	return set->sockets.rows;
}

const struct bound_listener *
bind_set_listeners(const struct bind_set *set, size_t *count_out)
{
	*count_out = set->listener_count;
	return set->listeners;
}

struct bind_set *
bind_set_new(void)
{
	return xcalloc(1, sizeof(struct bind_set));
}

void
bind_set_free(struct bind_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->sockets.count; i++)
		(void)close(set->sockets.rows[i].fd);
	free(set->sockets.rows);
	free_listeners(set->listeners, set->listener_count);
	free(set);
}
