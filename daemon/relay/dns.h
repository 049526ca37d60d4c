/*
 * dns - names of upstreams to addresses, with c-ares on the loop
 *
 * Owns     the resolver, its sockets, queries until they are answered or cancelled
 * Context  loop; on_answer runs in a later turn than dns_resolve()
 * Fails    into on_answer: no addresses, and words. No DNS error is for good: an upstream's name
 *          that isn't found today is most often found tomorrow
 *
 * IPv4 and IPv6, all addresses, in the order of RFC 6724. Literals (also in brackets), the hosts
 * file and localhost need no server. Names without a dot are tried with the search domains.
 */
#ifndef POSTERN_RELAY_DNS_H
#define POSTERN_RELAY_DNS_H

#include "daemon/core/messages.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct dns;
struct dns_query;
struct loop;

#define DNS_ADDRESSES_MAX 16

struct dns_answer {
	struct sockaddr_storage addresses[DNS_ADDRESSES_MAX];
	size_t count;        /* 0: see problem */
	const char *problem; /* in words */
};

typedef void (*dns_answer_fn)(const struct dns_answer *answer, void *ctx);

/* The contents of resolv.conf and of the hosts file; either may be empty. */
struct dns *dns_new(
    struct loop *loop, struct msg_bytes resolv_conf, struct msg_bytes hosts, struct err *err_out);
/* Queries that wait are asked again. */
int dns_reload(
    struct dns *dns, struct msg_bytes resolv_conf, struct msg_bytes hosts, struct err *err_out);
/* Queries that wait are forgotten, their on_answer isn't called. */
void dns_free(struct dns *dns);

struct dns_query *dns_resolve(
    struct dns *dns, const char *name, uint16_t port, dns_answer_fn on_answer, void *ctx);
/* on_answer will not be called. */
void dns_cancel(struct dns_query *query);

#endif
