/* netaddr - IP addresses and networks. */
#include "common/netaddr.h"

#include "common/err.h"
#include "common/format.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void
set_ipv4(struct netaddr *address, const void *bytes)
{
	memcpy(address->bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(address->bytes + sizeof(mapped_prefix), bytes, 4);
}

bool
netaddr_parse(const char *text, struct netaddr *address_out)
{
	uint8_t ipv4[4];

	if (inet_pton(AF_INET, text, ipv4) == 1) {
		set_ipv4(address_out, ipv4);
		return true;
	}
	return inet_pton(AF_INET6, text, address_out->bytes) == 1;
}

static bool
parse_prefix(const char *text, unsigned limit, unsigned *bits_out)
{
	unsigned bits = 0;

	if (text[0] == '\0' || strlen(text) > 3 || strspn(text, "0123456789") != strlen(text))
		return false;
	for (; *text != '\0'; text++)
		bits = bits * 10 + (unsigned)(*text - '0');
	*bits_out = bits;
	return bits <= limit;
}

/* With the bits below the prefix cleared. */
static struct netaddr
masked(const struct netaddr *address, unsigned prefix_bits)
{
	struct netaddr network = *address;

	for (unsigned i = 0; i < sizeof(network.bytes); i++) {
		unsigned kept = prefix_bits > i * 8 ? prefix_bits - i * 8 : 0;

		if (kept < 8)
			network.bytes[i] &= (uint8_t)(0xff00u >> kept);
	}
	return network;
}

bool
netaddr_parse_network(const char *text, struct netaddr *network_out, unsigned *prefix_bits_out)
{
	char address[NETADDR_TEXT_SIZE];
	const char *slash = strchrnul(text, '/');
	struct netaddr network;
	unsigned family_bits, bits;

	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!netaddr_parse(address, network_out))
		return false;
	/* a prefix counts the bits of the family in which it's written */
	family_bits = strchr(address, ':') != NULL ? 128 : 32;
	bits = family_bits;
	if (*slash == '/' && !parse_prefix(slash + 1, family_bits, &bits))
		return false;
	*prefix_bits_out = 128 - family_bits + bits;
	network = masked(network_out, *prefix_bits_out);
	return memcmp(&network, network_out, sizeof(network)) == 0;
}

bool
netaddr_from_sockaddr(
    const struct sockaddr *socket_address, struct netaddr *address_out, uint16_t *port_out)
{
	const struct sockaddr_in *ipv4 = (const void *)socket_address;
	const struct sockaddr_in6 *ipv6 = (const void *)socket_address;

	if (socket_address->sa_family == AF_INET)
		set_ipv4(address_out, &ipv4->sin_addr);
	else if (socket_address->sa_family == AF_INET6)
		memcpy(address_out->bytes, &ipv6->sin6_addr, sizeof(address_out->bytes));
	else
		return false;
	if (port_out != NULL)
		*port_out =
		    ntohs(socket_address->sa_family == AF_INET ? ipv4->sin_port : ipv6->sin6_port);
	return true;
}

bool
netaddr_is_ipv4(const struct netaddr *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool
netaddr_is_loopback(const struct netaddr *address)
{
	static const struct netaddr ipv6 = {.bytes = {[15] = 1}};

	if (netaddr_is_ipv4(address))
		return address->bytes[12] == 127;
	return memcmp(address, &ipv6, sizeof(ipv6)) == 0;
}

bool
netaddr_is_within(
    const struct netaddr *address, const struct netaddr *network, unsigned prefix_bits)
{
	struct netaddr own = masked(address, prefix_bits);

	return memcmp(&own, network, sizeof(own)) == 0;
}

const char *
netaddr_format(const struct netaddr *address, char buffer[static NETADDR_TEXT_SIZE])
{
	const uint8_t *ipv4 = address->bytes + 12;

	if (netaddr_is_ipv4(address))
		(void)format_text(
		    buffer, NETADDR_TEXT_SIZE, "%u.%u.%u.%u", ipv4[0], ipv4[1], ipv4[2], ipv4[3]);
	else
		ensure(inet_ntop(AF_INET6, address->bytes, buffer, NETADDR_TEXT_SIZE) != NULL);
	return buffer;
}

struct netaddr
netaddr_origin(const struct netaddr *address)
{
	if (netaddr_is_ipv4(address) || netaddr_is_loopback(address))
		return *address;
	return masked(address, 64);
}

/* No /64 has anything in its last byte; this tells 2001:db8::/48 from 2001:db8::/64. */
#define WIDE_MARK 48

static bool
has_prefix(const struct netaddr *origin)
{
	return !netaddr_is_ipv4(origin) && !netaddr_is_loopback(origin);
}

bool
netaddr_is_wide(const struct netaddr *origin)
{
	return has_prefix(origin) && origin->bytes[15] == WIDE_MARK;
}

bool
netaddr_wide_origin(const struct netaddr *origin, struct netaddr *wide_out)
{
	*wide_out = masked(origin, 48);
	wide_out->bytes[15] = WIDE_MARK;
	return has_prefix(origin) && !netaddr_is_wide(origin);
}

const char *
netaddr_format_origin(const struct netaddr *origin, char buffer[static NETADDR_ORIGIN_TEXT_SIZE])
{
	struct netaddr network = *origin;

	if (netaddr_is_wide(origin))
		network.bytes[15] = 0;
	(void)netaddr_format(&network, buffer);
	if (has_prefix(origin))
		(void)strcat(buffer, netaddr_is_wide(origin) ? "/48" : "/64");
	return buffer;
}

bool
netaddr_parse_origin(const char *text, struct netaddr *origin_out)
{
	struct netaddr address;
	unsigned prefix_bits;

	if (!netaddr_parse_network(text, &address, &prefix_bits))
		return false;
	*origin_out = netaddr_origin(&address);
	if (prefix_bits == 48)
		return netaddr_wide_origin(&address, origin_out);
	return prefix_bits == 128 || (prefix_bits == 64 && !netaddr_is_ipv4(&address));
}

/* The finalizer of MurmurHash3, over both halves. */
uint64_t
netaddr_hash(const struct netaddr *address, uint64_t seed)
{
	uint64_t halves[2], hash = seed;

	memcpy(halves, address->bytes, sizeof(halves));
	for (int i = 0; i < 2; i++) {
		hash ^= halves[i];
		hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
		hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
		hash ^= hash >> 33;
	}
	return hash;
}
