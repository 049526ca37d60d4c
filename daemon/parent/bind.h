/*
 * bind - the sockets of all listeners, kept over reloads
 *
 * Role     parent
 * Owns     the sockets; those that are handed to a role are copies
 * Context  loop, at start and at reload; nothing here waits
 * Fails    -1 and *err_out; the set is then as it was before
 *
 * A listener may be a range of thousands of ports, some of which belong to other programs: those
 * are skipped, with one warning that counts and names them, and tried again at the next update.
 */
#ifndef POSTERN_PARENT_BIND_H
#define POSTERN_PARENT_BIND_H

#include "common/err.h"
#include "daemon/config/config.h"

#include <netinet/in.h>

struct bind_set;

struct bind_set *bind_set_new(void);
void bind_set_free(struct bind_set *set); /* NULL is allowed */

struct bound_socket {
	unsigned listener; /* index of the config's listener */
	int fd;
	struct sockaddr_in6 address; /* or a sockaddr_in: see sin6_family */
	bool is_kept;                /* was open before the last update */
};

struct bound_listener {
	unsigned bound, skipped; /* ports; skipped on one address is skipped */
	char *skipped_ports;     /* "25,1024-1031", or "" */
	int reason;              /* errno of the first that was skipped, or 0 */
};

/* Opens what the config's listeners ask for, keeps what is open already, closes the rest, and
 * raises the limit of open files for all of it. Fails if a port of a required listener is not to
 * be had, or no port at all. */
int bind_set_update(struct bind_set *set, const struct config *config, struct err *err_out);

/* The open sockets, those of the first listener first. Valid until the next update. */
const struct bound_socket *bind_set_sockets(const struct bind_set *set, size_t *count_out);
/* One for each listener of the config, in its order. Valid until the next update. */
const struct bound_listener *bind_set_listeners(const struct bind_set *set, size_t *count_out);

#endif
