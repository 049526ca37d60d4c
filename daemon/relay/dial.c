/* dial - the addresses of a name: which there are, which is next, and what was wrong with the others. */
#include "daemon/relay/dial.h"

#include "common/netaddr.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

void
dial_init(struct dial *dial, const char *host, uint16_t port)
{
	*dial = (struct dial){.host = host, .port = port};
}

int
dial_take_addresses(struct dial *dial, const struct dns_answer *answer, struct err *words_out)
{
	if (answer->count == 0)
		return err_set(words_out, "%s: %s", dial->host, answer->problem);
	dial->addresses = *answer;
	dial->families = FAMILY_BOTH;
	err_write(words_out, "%zu address%s", answer->count, answer->count > 1 ? "es" : "");
	return 0;
}

/* ---- families ---- */

static unsigned
family_bit(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? FAMILY_IPV4 : FAMILY_IPV6;
}

unsigned
dial_families(const struct dial *dial)
{
	unsigned families = 0;

	for (size_t i = 0; i < dial->addresses.count; i++)
		families |= family_bit(&dial->addresses.addresses[i]);
	return families;
}

unsigned
dial_family(const struct dial *dial)
{
	return dial->next > 0 ? family_bit(&dial->addresses.addresses[dial->next - 1]) : 0;
}

bool
dial_is_loopback(const struct dial *dial)
{
	struct netaddr address;

	return dial->next > 0 &&
	       netaddr_from_sockaddr(
		   (const struct sockaddr *)&dial->addresses.addresses[dial->next - 1], &address,
		   NULL) &&
	       netaddr_is_loopback(&address);
}

void
dial_choose(struct dial *dial, unsigned families)
{
	if ((dial_families(dial) & families) != 0)
		dial->families = families;
}

/* ---- one after the other ---- */

struct conn *
dial_next(struct dial *dial, struct loop *loop, int64_t timeout_ms,
    const struct conn_callbacks *callbacks, void *ctx)
{
	const struct sockaddr_storage *address;

	do {
		if (dial->next == dial->addresses.count)
			return NULL;
		address = &dial->addresses.addresses[dial->next++];
	} while ((family_bit(address) & dial->families) == 0);
	return conn_connect(loop, (const struct sockaddr *)address,
	    address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6),
	    timeout_ms, callbacks, ctx);
}

/* Of several addresses' problems the one that came furthest says most. */
void
dial_note_problem(struct dial *dial, enum phase phase, const char *problem)
{
	if (problem[0] == '\0' || phase < dial->furthest)
		return;
	dial->furthest = phase;
	(void)snprintf(
	    dial->problem, sizeof(dial->problem), "%s:%u: %s", dial->host, dial->port, problem);
}

void
dial_repeat(struct dial *dial)
{
	dial->next--;
}

void
dial_restart(struct dial *dial)
{
	dial->next = 0;
}

/* ---- the connection ---- */

const char *
dial_name_server(struct dial *dial, const struct conn *conn)
{
	const char *peer = conn_peer_text(conn);
	size_t host = (size_t)(strrchr(peer, ':') - peer);

	(void)snprintf(dial->server, sizeof(dial->server),
	    peer[0] == '[' ? "%s%.*s%s" : "%s[%.*s]%s", dial->host, (int)host, peer, peer + host);
	return dial->server;
}

bool
dial_is_about_tls(enum conn_end end)
{
	return end == CONN_TLS_FAILED || end == CONN_CERTIFICATE_BAD ||
	       end == CONN_CERTIFICATE_REJECTED;
}
