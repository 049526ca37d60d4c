/*
 * netaddr - IP addresses and networks; IPv4 is kept in its mapped form ::ffff:a.b.c.d
 *
 * Owns     nothing
 * Units    prefixes in bits of 128
 * Fails    false for what isn't an address or a network
 */
#ifndef POSTERN_COMMON_NETADDR_H
#define POSTERN_COMMON_NETADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct netaddr {
	uint8_t bytes[16];
};

#define NETADDR_TEXT_SIZE 46
#define NETADDR_ORIGIN_TEXT_SIZE (NETADDR_TEXT_SIZE + 3)

/* IPv4 or IPv6 without brackets, port or scope. */
bool netaddr_parse(const char *text, struct netaddr *address_out);
/* `127.0.0.0/8`, `::1/128`, or an address alone. Bits below the prefix must be zero. */
bool netaddr_parse_network(
    const char *text, struct netaddr *network_out, unsigned *prefix_bits_out);
/* From AF_INET or AF_INET6; the port may be NULL. False for other families. */
bool netaddr_from_sockaddr(
    const struct sockaddr *socket_address, struct netaddr *address_out, uint16_t *port_out);

bool netaddr_is_ipv4(const struct netaddr *address);
bool netaddr_is_loopback(const struct netaddr *address);
bool netaddr_is_within(
    const struct netaddr *address, const struct netaddr *network, unsigned prefix_bits);

/* What limits on clients count: an IPv4 address as it is, of an IPv6 address its /64, which is the
 * least that one customer has; ::1 stays itself. */
struct netaddr netaddr_origin(const struct netaddr *address);
/* The /48 around an origin, which is the most that one customer usually has, as an origin of its own;
 * false for those that aren't of a /64. */
bool netaddr_wide_origin(const struct netaddr *origin, struct netaddr *wide_out);
bool netaddr_is_wide(const struct netaddr *origin);
/* As netaddr_format(), and `/64` behind a /64, `/48` behind a /48. */
const char *netaddr_format_origin(
    const struct netaddr *origin, char buffer[static NETADDR_ORIGIN_TEXT_SIZE]);
/* An address, or a text of netaddr_format_origin(). */
bool netaddr_parse_origin(const char *text, struct netaddr *origin_out);
/* For tables; the seed keeps others from choosing addresses that collide. */
uint64_t netaddr_hash(const struct netaddr *address, uint64_t seed);

/* IPv4 dotted, IPv6 as RFC 5952 has it. */
const char *netaddr_format(const struct netaddr *address, char buffer[static NETADDR_TEXT_SIZE]);

#endif
