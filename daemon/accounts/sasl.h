/*
 * sasl - the server side of SASL: smtpd carries tokens, this says who the client is
 *
 * Owns     exchanges between two steps (bounded), the cache of good passwords
 * Context  loop; derivations run on the pool
 * Fails    what isn't the client's fault (overload, the database) is SASL_TEMPORARY, never a
 *          refusal
 *
 * Mechanisms: SCRAM-SHA-256 and -PLUS (RFC 5802, 7677; bound by tls-exporter, RFC 9266, or
 * tls-unique, RFC 5929),
 * CRAM-MD5 (RFC 2195), PLAIN (RFC 4616) and LOGIN, as far as the config names them. An unknown
 * login, an inactive user and a wrong password get the same reply after the same work. A password
 * that was good before is answered at once, and never waits behind those that have to be derived.
 */
#ifndef POSTERN_ACCOUNTS_SASL_H
#define POSTERN_ACCOUNTS_SASL_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/grants.h"
#include "daemon/accounts/presence.h"
#include "daemon/core/link.h"
#include "daemon/core/pool.h"

struct sasl;

/* The end of an exchange that said who the client is. Several mechanisms tried with one password
 * are several attempts of one guess. */
struct sasl_attempt {
	const char *client;    /* address and port */
	unsigned smtpd;        /* its index */
	uint64_t connection;   /* its number for the client */
	const char *login;     /* as the client has it; as the user is called, if it's good */
	const char *mechanism; /* static */
	uint64_t guess;        /* stands for login and password; 0: a proof doesn't show it */
	bool is_good;
};

/* What it works with; all borrowed. */
struct sasl_parts {
	struct loop *loop;
	struct db *db;
	struct pool *pool;
	struct presence *presence;
	struct grants *grants;
	const char *mechanisms;           /* the config's list */
	const struct msg_bytes *seal_key; /* a reload changes it */
	/* Until when (wall clock) this login can't be tried, 0: it may. May be NULL. */
	int64_t (*shut_until)(unsigned smtpd, uint64_t connection, const char *login, void *ctx);
	/* Is told of each attempt but those that failed for a reason of ours, and says how long the
	 * client has to wait to hear that it failed (ms). May be NULL. */
	uint32_t (*on_attempt)(const struct sasl_attempt *attempt, void *ctx);
	void *ctx;
};

/* Fails when the site's secret for fake verifiers can't be read or made. */
int sasl_new(const struct sasl_parts *parts, struct sasl **sasl_out, struct err *err_out);
/* The pool has been freed before: nothing is being derived any more. NULL is allowed. */
void sasl_free(struct sasl *sasl);
void sasl_set_mechanisms(struct sasl *sasl, const char *mechanisms);

/* Answers SASL_STEP, now or when the pool is done. */
void sasl_step(
    struct sasl *sasl, struct link *link, uint32_t request_id, const struct msg_sasl_step *message);

/* Keys that were derived until now; for tests. */
uint64_t sasl_derivations(const struct sasl *sasl);

void sasl_forget_link(struct sasl *sasl, struct link *link);
/* The user's password or state has changed. */
void sasl_forget_user(struct sasl *sasl, int64_t user_id);

#endif
