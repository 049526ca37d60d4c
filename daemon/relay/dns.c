/* dns - c-ares, its sockets and its clock on our loop. */
#include "daemon/relay/dns.h"

#include "common/list.h"
#include "common/netaddr.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/relay/hostfiles.h"

#include <ares.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define TRY_MS 2000
#define TRIES 2

struct dns {
	struct loop *loop;
	ares_channel channel;
	struct hosts *hosts;
	struct list sockets;  /* of c-ares that are watched */
	struct list waiting;  /* queries that c-ares has */
	struct list answered; /* and those whose on_answer is due */
	struct timer *timeouts;
	struct timer *deliver;
	bool is_closing;
};

struct dns_socket {
	struct list link;
	struct dns *dns;
	struct event *event;
	ares_socket_t fd;
};

struct dns_query {
	struct list link;
	struct dns *dns;
	char *name;
	uint16_t port;
	dns_answer_fn on_answer; /* NULL: cancelled */
	void *ctx;
	struct dns_answer answer;
};

static void
arm_timeouts(struct dns *dns)
{
	struct timeval wait;

	if (ares_timeout(dns->channel, NULL, &wait) != NULL)
		timer_set(dns->timeouts, (int64_t)wait.tv_sec * 1000 + wait.tv_usec / 1000 + 1);
	else
		timer_stop(dns->timeouts);
}

static void
on_socket(int fd, short what, void *ctx)
{
	struct dns *dns = ctx;

	ares_process_fd(dns->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	arm_timeouts(dns);
}

static void
on_timeouts(void *ctx)
{
	struct dns *dns = ctx;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timeouts(dns);
}

static void
unwatch(struct dns_socket *socket)
{
	list_remove(&socket->link);
	event_free(socket->event);
	free(socket);
}

static void
watch(struct dns *dns, ares_socket_t fd, short what)
{
	struct dns_socket *socket = xcalloc(1, sizeof(*socket));

	socket->dns = dns;
	socket->fd = fd;
	socket->event = event_new(loop_base(dns->loop), fd, what | EV_PERSIST, on_socket, dns);
	ensure(socket->event != NULL);
	(void)event_add(socket->event, NULL);
	list_append(&dns->sockets, &socket->link);
}

/* c-ares says which of its sockets it waits for. */
static void
on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = ctx;

	LIST_EACH_SAFE (&dns->sockets, at, next)
		if (LIST_ENTRY(at, struct dns_socket, link)->fd == fd)
			unwatch(LIST_ENTRY(at, struct dns_socket, link));
	if (readable || writable)
		watch(dns, fd, (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0)));
}

static void
free_query(struct dns_query *query)
{
	list_remove(&query->link);
	free(query->name);
	free(query);
}

static void
on_deliver(void *ctx)
{
	struct dns *dns = ctx;
	struct list *first;

	while ((first = list_take_first(&dns->answered)) != NULL) {
		struct dns_query *query = LIST_ENTRY(first, struct dns_query, link);

		if (query->on_answer != NULL)
			query->on_answer(&query->answer, query->ctx);
		free_query(query);
	}
}

static void
finish(struct dns_query *query, const char *problem)
{
	query->answer.problem = query->answer.count > 0 ? NULL : problem;
	list_remove(&query->link);
	list_append(&query->dns->answered, &query->link);
	timer_set(query->dns->deliver, 0);
}

static void
add_address(struct dns_query *query, const struct sockaddr *address)
{
	struct sockaddr_storage *slot;

	if (query->answer.count == DNS_ADDRESSES_MAX)
		return;
	slot = &query->answer.addresses[query->answer.count];
	if (address->sa_family == AF_INET) {
		memcpy(slot, address, sizeof(struct sockaddr_in));
		((struct sockaddr_in *)slot)->sin_port = htons(query->port);
	} else if (address->sa_family == AF_INET6) {
		memcpy(slot, address, sizeof(struct sockaddr_in6));
		((struct sockaddr_in6 *)slot)->sin6_port = htons(query->port);
	} else {
		return;
	}
	query->answer.count++;
}

static void
add_netaddr(struct dns_query *query, const struct netaddr *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (netaddr_is_ipv4(address)) {
		memcpy(&v4.sin_addr, address->bytes + 12, 4);
		add_address(query, (const struct sockaddr *)&v4);
	} else {
		memcpy(&v6.sin6_addr, address->bytes, 16);
		add_address(query, (const struct sockaddr *)&v6);
	}
}

/* The answer needs no server: a literal, or a line of the hosts file. */
static bool
find_at_home(struct dns_query *query)
{
	struct netaddr found[DNS_ADDRESSES_MAX];
	size_t count = 1;

	if (!netaddr_parse(query->name, &found[0]))
		count = hosts_find(query->dns->hosts, query->name, found, DNS_ADDRESSES_MAX);
	for (size_t i = 0; i < count; i++)
		add_netaddr(query, &found[i]);
	return count > 0;
}

static const char *
problem_of(int status)
{
	switch (status) {
	case ARES_ENODATA:
		return "the name exists, but has no address";
	case ARES_ENOTFOUND:
		return "there is no such name";
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		return "the name server does not answer";
	default:
		return ares_strerror(status);
	}
}

static void start(struct dns_query *query);

static void
on_ares(void *ctx, int status, int timeouts, struct ares_addrinfo *found)
{
	struct dns_query *query = ctx;

	if (status == ARES_EDESTRUCTION && !query->dns->is_closing) {
		start(query); /* on the channel that replaced this one */
		return;
	}
	for (struct ares_addrinfo_node *at = found != NULL ? found->nodes : NULL; at != NULL;
	     at = at->ai_next)
		add_address(query, at->ai_addr);
	if (found != NULL)
		ares_freeaddrinfo(found);
	finish(query, problem_of(status == ARES_SUCCESS ? ARES_ENODATA : status));
}

static void
start(struct dns_query *query)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	size_t size = strlen(query->name);
	bool is_single = strchr(query->name, '.') == NULL;
	char *name;

	if (size == 0) {
		finish(query, "the name is empty");
		return;
	}
	/* With the dot behind it a name isn't searched for in other domains. */
	name = xasprintf("%s%s", query->name, is_single || query->name[size - 1] == '.' ? "" : ".");
	ares_getaddrinfo(query->dns->channel, name, NULL, &hints, on_ares, query);
	free(name);
	arm_timeouts(query->dns);
}

static int
make_channel(
    struct dns *dns, struct msg_bytes resolv_conf, ares_channel *channel_out, struct err *err_out)
{
	struct resolv_conf conf;
	struct ares_options options = {.timeout = TRY_MS, .tries = TRIES, .ndots = 1};
	char lookups[] = "b";
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
		   ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB;
	int status;

	resolv_conf_parse(resolv_conf.at, resolv_conf.size, &conf);
	options.lookups = lookups; /* DNS only: no file is opened later */
	options.domains = conf.search;
	options.ndomains = (int)conf.search_count;
	options.sock_state_cb = on_socket_state;
	options.sock_state_cb_data = dns;
	status = ares_init_options(channel_out, &options, mask);
	if (status == ARES_SUCCESS)
		status = ares_set_servers_ports_csv(*channel_out, conf.servers);
	resolv_conf_fini(&conf);
	if (status != ARES_SUCCESS)
		return err_set(err_out, "the resolver can't start: %s", ares_strerror(status));
	return 0;
}

struct dns *
dns_new(
    struct loop *loop, struct msg_bytes resolv_conf, struct msg_bytes hosts, struct err *err_out)
{
	struct dns *dns = xcalloc(1, sizeof(*dns));

	dns->loop = loop;
	list_init(&dns->sockets);
	list_init(&dns->waiting);
	list_init(&dns->answered);
	if (make_channel(dns, resolv_conf, &dns->channel, err_out) != 0) {
		free(dns);
		return NULL;
	}
	dns->hosts = hosts_new(hosts.at, hosts.size);
	dns->timeouts = timer_new(loop, on_timeouts, dns);
	dns->deliver = timer_new(loop, on_deliver, dns);
	return dns;
}

int
dns_reload(
    struct dns *dns, struct msg_bytes resolv_conf, struct msg_bytes hosts, struct err *err_out)
{
	ares_channel old = dns->channel;

	if (make_channel(dns, resolv_conf, &dns->channel, err_out) != 0) {
		dns->channel = old;
		return -1;
	}
	hosts_free(dns->hosts);
	dns->hosts = hosts_new(hosts.at, hosts.size);
	ares_destroy(old);
	arm_timeouts(dns);
	return 0;
}

void
dns_free(struct dns *dns)
{
	dns->is_closing = true;
	ares_destroy(dns->channel);
	LIST_EACH_SAFE (&dns->answered, at, next)
		free_query(LIST_ENTRY(at, struct dns_query, link));
	LIST_EACH_SAFE (&dns->sockets, at, next)
		unwatch(LIST_ENTRY(at, struct dns_socket, link));
	timer_free(dns->timeouts);
	timer_free(dns->deliver);
	hosts_free(dns->hosts);
	free(dns);
}

struct dns_query *
dns_resolve(struct dns *dns, const char *name, uint16_t port, dns_answer_fn on_answer, void *ctx)
{
	struct dns_query *query = xcalloc(1, sizeof(*query));
	size_t size = strlen(name);

	query->dns = dns;
	query->port = port;
	query->on_answer = on_answer;
	query->ctx = ctx;
	query->name = size > 2 && name[0] == '[' && name[size - 1] == ']'
			  ? xstrndup(name + 1, size - 2)
			  : xstrdup(name);
	list_append(&dns->waiting, &query->link);
	if (find_at_home(query))
		finish(query, NULL);
	else
		start(query);
	return query;
}

void
dns_cancel(struct dns_query *query)
{
	query->on_answer = NULL;
}
