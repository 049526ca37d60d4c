/*
 * telling - whom we tell what became of a message's recipients (RFC 3461)
 *
 * Owns     nothing; pure functions
 *
 * Nobody is told of a notice, so that two servers never write to each other for ever: that is one of
 * ours, mail with a null sender, mail from an address that a profile has as its bounce sender, and,
 * of any message, the recipient that is such an address. What fails of these is an alert.
 */
#ifndef POSTERN_QUEUE_TELLING_H
#define POSTERN_QUEUE_TELLING_H

#include "daemon/queue/dsn.h"
#include "daemon/queue/routes.h"
#include "daemon/queue/store.h"

struct telling {
	const struct config *config;
	const struct routes *routes; /* whose bounce senders are looked at */
	const struct mail *mail;
};

/* Whether nobody may be told of this recipient, whatever was asked for. */
bool telling_is_barred(const struct telling *telling, const struct recipient *recipient);
/* Of a fate that was decided. `is_captured`: there was no upstream. */
enum dsn_action telling_of_fate(const struct telling *telling, const struct recipient *recipient,
    const struct fate_row *row, bool is_captured);

/* Of one that is still waiting. */
enum dsn_action telling_of_delay(const struct telling *telling, const struct recipient *recipient);

#define TELLING_WHY_SIZE 160
/* Why a profile's mail doesn't go, in a sentence for its senders, who are not told what is between
 * the profile and its operator; "" if nothing stands in its way. NULL: there is none. */
void telling_explain(
    const struct profile *profile, int64_t now_ms, char why[static TELLING_WHY_SIZE]);

#endif
