/*
 * sasl_exchange - exchanges between two steps: found by smtpd's number or by our own
 *
 * Owns     each exchange with its session and what the client claimed, until exchange_free()
 * Context  loop
 * Units    milliseconds, monotonic
 * Fails    exchanges_add(): NULL when there are too many
 *
 * Part of sasl. Our numbers are never used again, so that a verdict for an exchange that is gone
 * finds nothing.
 */
#ifndef POSTERN_ACCOUNTS_SASL_EXCHANGE_H
#define POSTERN_ACCOUNTS_SASL_EXCHANGE_H

#include "common/list.h"
#include "daemon/accounts/sasl_mechanism.h"
#include "daemon/accounts/sasl_user.h"
#include "daemon/core/link.h"

#include <gsasl.h>
#include <stdbool.h>
#include <stdint.h>

#define EXCHANGE_BUCKETS 1024

struct exchange {
	struct list link;
	uint64_t number;
	struct link *smtpd;
	uint64_t smtpd_number;
	Gsasl_session *session; /* its hook is the exchange */
	const struct sasl_mechanism *mechanism;
	unsigned challenges;
	int64_t ends_at_ms;
	char client[64];
	uint64_t connection; /* smtpd's number for it */
	/* What the client claims, once it has. */
	bool has_credentials;
	char *authorization, *login, *password;
	uint32_t request_id; /* while a verdict is waited for */
	/* For a proof. */
	char *exporter, *unique; /* channel bindings in base64; NULL: there is none */
	struct sasl_user user;   /* of the login, real or not */
	bool has_problem;        /* it could not be looked up */
	bool is_proven;          /* the client is shown that we know it too; its last word is due */
};

struct exchanges {
	struct list buckets[EXCHANGE_BUCKETS];
	uint64_t last_number;
	unsigned count;
};

void exchanges_init(struct exchanges *exchanges);
void exchanges_fini(struct exchanges *exchanges);

/* Takes the session, also when it fails. */
struct exchange *exchanges_add(
    struct exchanges *exchanges, struct link *smtpd, uint64_t smtpd_number, Gsasl_session *session);
void exchange_free(struct exchanges *exchanges, struct exchange *exchange);

/* NULL if there is none (any more). */
struct exchange *exchanges_find(
    struct exchanges *exchanges, const struct link *smtpd, uint64_t smtpd_number);
struct exchange *exchanges_find_number(struct exchanges *exchanges, uint64_t number);

void exchanges_forget_link(struct exchanges *exchanges, const struct link *smtpd);
/* Frees those whose time is over. */
void exchanges_sweep(struct exchanges *exchanges, int64_t now_ms);

#endif
