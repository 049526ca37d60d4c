/*
 * dial - a server's addresses, in turn until one greets: the same for SMTP and POP3
 *
 * Owns     nothing; borrows the host's name. Embedded in what drives it: that resolves the name, and
 *          hears of the connections
 * Context  loop
 * Units    milliseconds
 * Fails    dial_next(): NULL when no address is left; `furthest` and `problem` say how far it came
 *
 *	dial_init → dial_take_addresses → dial_next → dial_name_server, or dial_note_problem → dial_next …
 */
#ifndef POSTERN_RELAY_DIAL_H
#define POSTERN_RELAY_DIAL_H

#include "common/err.h"
#include "daemon/core/conn.h"
#include "daemon/relay/classify.h"
#include "daemon/relay/dns.h"

#include <stdbool.h>

/* Which of IPv4 and IPv6. */
#define FAMILY_IPV4 1u
#define FAMILY_IPV6 2u
#define FAMILY_BOTH (FAMILY_IPV4 | FAMILY_IPV6)

struct dial {
	const char *host;
	uint16_t port;
	struct dns_answer addresses;
	unsigned families;   /* that are tried */
	size_t next;         /* address */
	enum phase furthest; /* of the addresses that did not greet */
	char problem[600];   /* and what it was */
	char server[320];    /* host[ip]:port; "" before a connection */
};

void dial_init(struct dial *dial, const char *host, uint16_t port);
/* The answer to the query for the name: how many there are, in words; -1: why there are none. */
int dial_take_addresses(struct dial *dial, const struct dns_answer *answer, struct err *words_out);

/* The families that there are; that of the last address that was tried, 0: none was. */
unsigned dial_families(const struct dial *dial);
unsigned dial_family(const struct dial *dial);
/* Of that address. */
bool dial_is_loopback(const struct dial *dial);
/* Leaves out the addresses of other families, if there are some of these. */
void dial_choose(struct dial *dial, unsigned families);

/* Connects to the next address, within `timeout_ms`. */
struct conn *dial_next(struct dial *dial, struct loop *loop, int64_t timeout_ms,
    const struct conn_callbacks *callbacks, void *ctx);
/* Why the last address did not greet, and in which phase that was; "": nothing was wrong. */
void dial_note_problem(struct dial *dial, enum phase phase, const char *problem);
/* The last address once more; all of them. */
void dial_repeat(struct dial *dial);
void dial_restart(struct dial *dial);

/* Writes down whom it is connected to, and gives that. */
const char *dial_name_server(struct dial *dial, const struct conn *conn);
/* Whether a connection ended because of TLS, although TLS stood or nobody waited for it. */
bool dial_is_about_tls(enum conn_end end);

#endif
