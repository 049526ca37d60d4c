/* sense - what load.c asks of values once they are read. */
#include "daemon/config/sense.h"

#include "common/netaddr.h"

#include <string.h>

/* How wide a trusted network may be, of 128 bits: /8 of IPv4, which is the widest private one
 * (10.0.0.0/8), and /32 of IPv6, which is what a provider has. */
#define IPV4_BITS 96
#define LEAST_IPV4 (IPV4_BITS + 8)
#define LEAST_IPV6 32

static const struct netaddr all_ipv4 = {{[10] = 0xff, [11] = 0xff}};

/* ::/0 is all of IPv4 too: its addresses are kept as ::ffff:a.b.c.d. */
static bool
has_all_ipv4(const uint8_t address[static 16], unsigned prefix_bits)
{
	struct netaddr network;

	memcpy(network.bytes, address, sizeof(network.bytes));
	return prefix_bits <= IPV4_BITS && netaddr_is_within(&all_ipv4, &network, prefix_bits);
}

static bool
is_ipv4(const struct config_trusted *trusted)
{
	struct netaddr network;

	memcpy(network.bytes, trusted->address, sizeof(network.bytes));
	return trusted->prefix_bits >= IPV4_BITS && netaddr_is_ipv4(&network);
}

int
sense_check_trusted(const struct config_trusted *trusted, struct err *err_out)
{
	static const char widest[] = "at least /8 for IPv4, at least /32 for IPv6";
	bool has_all = has_all_ipv4(trusted->address, trusted->prefix_bits);
	unsigned least = is_ipv4(trusted) ? LEAST_IPV4 : LEAST_IPV6;

	if (has_all || trusted->prefix_bits == 0)
		return err_set(err_out,
		    "%s would let anybody on the internet send without a login; "
		    "name the network of the devices, %s",
		    trusted->network, widest);
	if (trusted->prefix_bits < least)
		return err_set(err_out,
		    "%s would let much of the internet send without a login; "
		    "name the network of the devices, %s",
		    trusted->network, widest);
	return 0;
}

int
sense_check_refused(const struct config_networks *refused, struct err *err_out)
{
	for (size_t i = 0; i < refused->count; i++)
		if (has_all_ipv4(refused->items[i].address, refused->items[i].prefix_bits))
			return err_set(err_out,
			    "a network of all of IPv4 would refuse every client of it; name those "
			    "that are meant, or give the listeners the addresses they are for");
	return 0;
}

int
sense_check_legacy_line(const struct config *config, struct err *err_out)
{
	if (!config->auth.legacy_line || config_has_mechanism(config, "LOGIN") ||
	    config_has_mechanism(config, "PLAIN"))
		return 0;
	return err_set(err_out,
	    "true needs LOGIN or PLAIN among auth.mechanisms: the line names only these two");
}

int
sense_check_html(const char *html, struct err *err_out)
{
	static const char *const tags[] = {"<html", "</html", "<body", "</body", "<head>"};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (strcasestr(html, tags[i]) != NULL)
			return err_set(err_out,
			    "must be what stands inside of a page's body, without %s", tags[i]);
	return 0;
}
