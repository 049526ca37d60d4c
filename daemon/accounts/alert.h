/*
 * alert - what an operator should see: one row for each kind, user, address and interval, counted
 *
 * Owns     what wasn't written yet, until the next flush (a quarter of a second)
 * Context  loop
 * Units    milliseconds, wall clock
 * Fails    alerts_flush(): -1 and *err_out; what waits is tried again with the next flush
 *
 * A client can cause alerts as fast as it can talk. So they are gathered and written a few times
 * a second; beyond a limit for each kind and user in an interval, addresses are no longer told
 * apart; and only the newest rows are kept.
 */
#ifndef POSTERN_ACCOUNTS_ALERT_H
#define POSTERN_ACCOUNTS_ALERT_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/table.h"
#include "daemon/core/messages.h"

struct alerts;
struct loop;

struct alert {
	int64_t id;
	char *kind;
	int64_t at, last_at; /* first and last of the interval */
	char *user, *list, *address, *detail;
	int64_t count;
	bool acknowledged;
};

extern const struct table alert_table;

struct alerts *alerts_new(struct loop *loop, struct db *db, int64_t interval_ms);
/* Writes what waits. NULL is allowed. */
void alerts_free(struct alerts *alerts);
void alerts_set_interval(struct alerts *alerts, int64_t interval_ms);

void alerts_raise(struct alerts *alerts, const struct msg_alert *message);
/* Writes what waits now. */
int alerts_flush(struct alerts *alerts, struct err *err_out);

#endif
