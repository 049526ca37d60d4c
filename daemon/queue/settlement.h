/*
 * settlement - what one report means for one message: decided here, written by fate.c
 *
 * Owns     copies of the report's texts
 * Context  loop; no I/O
 * Units    milliseconds; *_at_ms are wall clock
 */
#ifndef POSTERN_QUEUE_SETTLEMENT_H
#define POSTERN_QUEUE_SETTLEMENT_H

#include "daemon/config/config.h"
#include "daemon/queue/bodyfile.h"
#include "daemon/queue/dsn.h"
#include "daemon/queue/notices.h"
#include "daemon/queue/telling.h"

struct settlement {
	struct fate_job job; /* first: its rows are what is written */
	struct fates *fates;
	/* the report */
	uint64_t attempt;
	uint32_t given_count;       /* the first of the due recipients had it; 0: all of them */
	bool is_lost;               /* relay died with it: there is no report to acknowledge */
	bool is_to_hold;            /* relay asks for an operator */
	bool is_overdue;            /* its lifetime ended without an attempt: the same */
	char why[TELLING_WHY_SIZE]; /* there was none */
	char *profile;              /* its name, "" if nobody knows */
	char *upstream, *tls, *transcript;
	uint32_t connect_ms, tls_ms, send_ms;
	/* each row's */
	bool *is_expired;
	uint8_t *actions; /* enum dsn_action: what the sender is told */
	uint32_t told_count;
	uint32_t untried_count; /* recipients of the attempt whose turn is yet to come */
	char *texts;            /* of the rows */
	struct load_job load;
	struct dsn_recipient *told;
	struct notice_order order;
	int64_t wait_ms; /* by rules; 0: by the schedule */
	bool is_denied;  /* its sender is: an operator must act */
	struct timer *retry;
};

/* What is decided by, besides the report. */
struct settlement_basis {
	const struct config *config;
	const struct routes *routes;
	const struct profile *profile; /* that the attempt went through; NULL: not known */
	int64_t now_ms;
	uint32_t chance; /* spreads the next attempt */
};

/* Copies the report. */
struct settlement *settlement_new(const struct msg_report *report);
void settlement_free(struct settlement *settlement);
/* Whether relay waits for it to be acknowledged. */
bool settlement_is_reported(const struct settlement *settlement);

/* Fills the job: each due recipient's new state, what is left, the next attempt, who is told what. A
 * recipient that the report does not name is deferred, one that was not tried is not touched. Expiry
 * needs an attempt that failed after the lifetime. */
void settlement_decide(
    struct settlement *settlement, const struct mail *mail, const struct settlement_basis *basis);
/* The same in memory, for a message that goes on at once; without what the upstream said. */
void settlement_apply(const struct settlement *settlement, struct mail *mail);

#endif
