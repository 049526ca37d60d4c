/*
 * client - one connection and its session: moves the bytes, asks the other roles
 *
 * Role     smtpd
 * Owns     the connection, the session, the questions and the message that are under way
 * Context  loop
 * Fails    never: a client that is gone is closed, logged, and given back to its house
 */
#ifndef POSTERN_SMTPD_CLIENT_H
#define POSTERN_SMTPD_CLIENT_H

#include "common/list.h"
#include "daemon/core/role.h"
#include "daemon/core/tls.h"
#include "daemon/smtpd/grants.h"
#include "daemon/smtpd/handoff.h"
#include "daemon/smtpd/lease.h"
#include "daemon/smtpd/listener.h"
#include "daemon/smtpd/user_limits.h"

struct client;

/* What all clients of this process share. */
struct client_house {
	struct role_context *role;
	struct grant_table *grants;
	struct handoff *handoff;
	struct user_limits *user_limits;
	struct lease *lease;
	struct list clients;
	uint64_t next_exchange, last_number;
	/* A client is gone. */
	void (*on_gone)(void *ctx);
	void *ctx;
};

struct client_door {
	enum listener_tls tls;
	struct tls_context *context; /* NULL: there is none; held by the client */
};

/* Takes the socket. */
void client_open(
    struct client_house *house, const struct listener_guest *guest, const struct client_door *door);
/* Who is connected, to an accounts role that is new. */
void admission_tell_all(struct client_house *house, struct link *link);
/* For the lease; ctx is the house. */
void admission_give_back(void *ctx);
/* 421 to all who have no transaction under way. */
void client_drain_all(struct client_house *house);
/* At once, whatever they do. */
void client_close_all(struct client_house *house);

#endif
