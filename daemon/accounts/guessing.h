/*
 * guessing - clients that try passwords: slowed, then shut out for a time
 *
 * Role     accounts, for all smtpds
 * Owns     what is remembered of origins (netaddr_origin()); written to accounts.db a moment later
 * Context  loop
 * Units    milliseconds; *_at_ms and *_until_ms are wall clock
 * Fails    guessing_new() and guessing_forgive() when the database can't be used; what waits to be
 *          written is tried again
 *
 * Each origin has a bucket of limits.guesses that empties within limits.guess_window. A login that
 * failed is a guess unless the same login and password failed there lately, or another mechanism
 * tried the same on that connection. A full bucket shuts the origin out for limits.shut_out.
 *
 * The /48 of an IPv6 origin has a bucket of four times the size, over all its /64s, and each login
 * one over all origins, which raises an alert and nothing else.
 *
 * Who has logged in from an origin within the last 30 days is known there: he is always judged,
 * also while it's shut out, so that nobody who shares his address keeps him out. A known login has a
 * bucket of its own: when that is full, wrong passwords for it are answered later and later, and an
 * alert is raised. Nothing is ever counted against a login as such: whoever guesses at it from
 * elsewhere keeps nobody out.
 */
#ifndef POSTERN_ACCOUNTS_GUESSING_H
#define POSTERN_ACCOUNTS_GUESSING_H

#include "common/netaddr.h"
#include "daemon/accounts/alert.h"
#include "daemon/accounts/db.h"
#include "daemon/config/config.h"

#include <jansson.h>

struct guessing;
struct loop;

/* All borrowed. */
struct guessing_parts {
	struct loop *loop;
	struct db *db;
	struct alerts *alerts;
	const struct config *config;
};

int guessing_new(
    const struct guessing_parts *parts, struct guessing **guessing_out, struct err *err_out);
/* Writes what waits. NULL is allowed. */
void guessing_free(struct guessing *guessing);
void guessing_set_config(struct guessing *guessing, const struct config *config);

/* Whether a client needn't even be greeted: until when its origin is shut out, 0 if it isn't or
 * if somebody is known there. Logs it, once a minute and counted. */
int64_t guessing_refuses(struct guessing *guessing, const struct netaddr *origin);
/* Until when this login can't be tried from there; 0: it may. */
int64_t guessing_shut_until(
    const struct guessing *guessing, const struct netaddr *origin, const char *login);

struct guess {
	struct netaddr origin;
	unsigned smtpd;
	uint64_t connection;
	const char *login;     /* as the client said it */
	const char *mechanism; /* its name */
	uint64_t mark;         /* stands for login and password; 0: not known */
};
/* Returns how long the client is to wait for its reply. */
uint32_t guessing_note_bad(struct guessing *guessing, const struct guess *guess);
void guessing_note_good(struct guessing *guessing, const struct netaddr *origin, const char *login);
/* The client did what no mail program does: as bad as a guess. */
void guessing_note_abuse(struct guessing *guessing, const struct netaddr *origin, const char *what);

/* The origin, and its /48, is as if nothing had been; 0 if there was nothing, 1 if there was. */
int guessing_forgive(struct guessing *guessing, const struct netaddr *origin, struct err *err_out);

struct suspect {
	struct netaddr origin;
	unsigned guesses;
	int64_t shut_until_ms; /* 0: not shut out */
	unsigned known;        /* logins */
};
/* Origins with guesses or shut out, in no order. */
void guessing_each(struct guessing *guessing,
    void (*on_suspect)(const struct suspect *suspect, void *ctx), void *ctx);

/* Writes what waits now. */
int guessing_flush(struct guessing *guessing, struct err *err_out);

#endif
