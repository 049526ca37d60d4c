/*
 * hostfiles - what resolv.conf and the hosts file say, as values
 *
 * Owns     its strings and tables
 * Context  pure; the parent reads the files, relay can't
 * Fails    never: a line that can't be understood is skipped, as resolvers do
 */
#ifndef POSTERN_RELAY_HOSTFILES_H
#define POSTERN_RELAY_HOSTFILES_H

#include "common/netaddr.h"

#include <stddef.h>
#include <stdint.h>

#define RESOLV_SERVERS_MAX 8
#define RESOLV_SEARCH_MAX 6

struct resolv_conf {
	/* `address` or `[address]:port`, separated by commas, as c-ares takes them */
	char servers[RESOLV_SERVERS_MAX * 64];
	char *search[RESOLV_SEARCH_MAX];
	size_t server_count, search_count;
};

void resolv_conf_parse(const void *text, size_t size, struct resolv_conf *conf_out);
void resolv_conf_fini(struct resolv_conf *conf);

struct hosts;

struct hosts *hosts_new(const void *text, size_t size);
void hosts_free(struct hosts *hosts);
/* Up to `max` addresses of a name, in the order of the file; without regard to case. `localhost`
 * is known without a line (RFC 6761). */
size_t hosts_find(
    const struct hosts *hosts, const char *name, struct netaddr *addresses_out, size_t max);

#endif
