/* guessing - the rules; what is remembered is in origins, on disk through db_origin. */
#include "daemon/accounts/guessing_private.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_origin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ONE 1000                                      /* guess */
#define KNOWN_AGAIN_MS (INT64_C(24) * 60 * 60 * 1000) /* written down again after so long */
#define FREE_FAILURES 2                               /* a slip of the finger isn't slowed */
#define FIRST_DELAY_MS 500
#define DELAY_DOUBLINGS 3 /* 4 s: some clients wait for 5 s only */
#define KNOWN_DELAY_MS 8000
#define KNOWN_DELAY_MAX_MS 30000
#define KNOWN_DOUBLINGS 2
#define SWEEP_MS (10 * 60 * 1000)
#define LOG_EVERY_MS 60000
#define TEXT_SHUT_OUT "Too many failed logins from your address"

static int64_t
now_ms(const struct guessing *guessing)
{
	return loop_wall_ms(guessing->parts.loop);
}

static int64_t
limit_of(const struct guessing *guessing)
{
	return (int64_t)guessing->parts.config->limits.guesses * ONE;
}

/* What is left of a bucket after a while; a clock that was set back lets nothing out. */
static int64_t
left_of(const struct guessing *guessing, int64_t level, int64_t at_ms)
{
	int64_t window_ms = guessing->parts.config->limits.guess_window_ms;
	int64_t elapsed_ms = now_ms(guessing) - at_ms;

	if (elapsed_ms <= 0)
		return level;
	if (elapsed_ms >= window_ms)
		return 0;
	level -= elapsed_ms * limit_of(guessing) / window_ms;
	return level > 0 ? level : 0;
}

static void
age(const struct guessing *guessing, struct origin *origin)
{
	origin->guesses = left_of(guessing, origin->guesses, origin->at_ms);
	origin->failures = left_of(guessing, origin->failures, origin->at_ms);
	origin->at_ms = now_ms(guessing);
}

/* A time that is further away than it can have been set is a clock's mistake. */
static bool
is_shut(const struct guessing *guessing, const struct origin *origin)
{
	int64_t left_ms = origin->shut_until_ms - now_ms(guessing);

	return left_ms > 0 && left_ms <= guessing->parts.config->limits.shut_out_ms &&
	       guessing->parts.config->limits.guesses > 0;
}

static bool
is_at_home(const struct guessing *guessing, const struct known *known)
{
	return known != NULL && now_ms(guessing) - known->at_ms < KNOWN_MS;
}

static void
sweep_origin(struct origin *origin, void *ctx)
{
	struct guessing *guessing = ctx;

	age(guessing, origin);
	origins_drop_known(guessing->origins, origin, now_ms(guessing) - KNOWN_MS);
	if (origin->guesses == 0 && origin->failures == 0 && origin->known_count == 0 &&
	    !is_shut(guessing, origin))
		origins_forget(guessing->origins, origin);
}

static void
on_sweep(void *ctx)
{
	struct guessing *guessing = ctx;
	struct err err;

	origins_each(guessing->origins, sweep_origin, guessing);
	if (guessing_trim(guessing, &err) != 0)
		log_problem(LOG_ERROR, "old failed logins are not forgotten yet: %s", err.text);
	timer_set(guessing->sweep, SWEEP_MS);
}

/* ---- questions ---- */

static void
log_refused(struct guessing *guessing, struct origin *origin)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE];
	struct log_line line;

	origin->refused++;
	if (origin->logged_at_ms != 0 && now_ms(guessing) - origin->logged_at_ms < LOG_EVERY_MS)
		return;
	origin->logged_at_ms = now_ms(guessing);
	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, 0))
		return;
	log_text(&line, KEY_CLIENT, netaddr_format_origin(&origin->address, address));
	log_number(&line, KEY_CODE, 421);
	log_text(&line, KEY_ENHANCED, "4.7.0");
	log_text(&line, KEY_REPLY, TEXT_SHUT_OUT);
	log_time(&line, KEY_UNTIL, origin->shut_until_ms);
	log_number(&line, KEY_COUNT, origin->refused);
	log_end(&line);
	origin->refused = 0;
}

int64_t
guessing_refuses(struct guessing *guessing, const struct netaddr *address)
{
	struct origin *origin = origins_find(guessing->origins, address);

	if (origin == NULL || !is_shut(guessing, origin))
		return 0;
	for (unsigned i = 0; i < origin->known_count; i++)
		if (now_ms(guessing) - origin->known[i].at_ms < KNOWN_MS)
			return 0;
	log_refused(guessing, origin);
	return origin->shut_until_ms;
}

int64_t
guessing_shut_until(
    const struct guessing *guessing, const struct netaddr *address, const char *login)
{
	const struct origin *origin = origins_find(guessing->origins, address);

	if (origin == NULL || !is_shut(guessing, origin) ||
	    is_at_home(guessing, origin_find_known(origin, login)))
		return 0;
	return origin->shut_until_ms;
}

/* ---- what happens ---- */

static void
alert_shut_out(struct guessing *guessing, const struct origin *origin, const char *what)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE], until[CLOCK_RFC3339_SIZE], detail[400];
	struct msg_alert alert = {.kind = "guessing", .user = "", .list = "", .detail = detail};

	alert.address = netaddr_format_origin(&origin->address, address);
	(void)snprintf(detail, sizeof(detail), "%u guesses, the last one %.200s; shut out until %s",
	    guessing->parts.config->limits.guesses, what,
	    clock_rfc3339(origin->shut_until_ms, until, sizeof(until)));
	alerts_raise(guessing->parts.alerts, &alert);
}

/* What shuts an address out has to survive whatever happens next. */
static void
shut_out(struct guessing *guessing, struct origin *origin, const char *what)
{
	origin->shut_until_ms = now_ms(guessing) + guessing->parts.config->limits.shut_out_ms;
	timer_set(guessing->flush, 0);
	alert_shut_out(guessing, origin, what);
}

static void
add_guess(struct guessing *guessing, struct origin *origin, const char *what)
{
	origin->guesses += ONE;
	if (origin->guesses < limit_of(guessing))
		return;
	origin->guesses = limit_of(guessing);
	if (!is_shut(guessing, origin))
		shut_out(guessing, origin, what);
}

static uint32_t
hash_login(const char *login)
{
	uint32_t hash = 2166136261u;

	for (; *login != '\0'; login++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*login)) * 16777619u;
	return hash;
}

/* A password that is seen is told from others by its mark, a proof only by its mechanism. */
static bool
is_new(struct origin *origin, const struct guess *guess)
{
	static const char *const proofs[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	const struct tally whose = {
	    .smtpd = guess->smtpd,
	    .connection = guess->connection,
	    .login = hash_login(guess->login),
	};
	unsigned kind = 0;

	if (guess->mark == 0) {
		while (kind < 2 && strcmp(guess->mechanism, proofs[kind]) != 0)
			kind++;
		kind++;
	} else if (!origin_add_mark(origin, (uint32_t)guess->mark)) {
		return false;
	}
	return origin_add_tally(origin, &whose, kind);
}

/* What is wrong with one who is known there: he isn't shut out, so this goes further. */
static uint32_t
delay_of_known(const struct guessing *guessing, const struct known *known)
{
	int64_t over = (known->wrong - limit_of(guessing)) / ONE;
	uint32_t delay_ms = KNOWN_DELAY_MS << (over > KNOWN_DOUBLINGS ? KNOWN_DOUBLINGS : over);

	return delay_ms > KNOWN_DELAY_MAX_MS ? KNOWN_DELAY_MAX_MS : delay_ms;
}

static uint32_t
delay_of(const struct guessing *guessing, const struct origin *origin, const struct known *known)
{
	int64_t failures = origin->failures / ONE;
	int64_t doublings = failures - FREE_FAILURES - 1;

	if (known != NULL && known->wrong >= limit_of(guessing))
		return delay_of_known(guessing, known);
	if (doublings < 0)
		return 0;
	return FIRST_DELAY_MS << (doublings > DELAY_DOUBLINGS ? DELAY_DOUBLINGS : doublings);
}

static void
alert_known(struct guessing *guessing, const struct origin *origin, const struct known *known)
{
	char address[NETADDR_ORIGIN_TEXT_SIZE], detail[200];
	struct msg_alert alert = {
	    .kind = "guessing", .user = known->login, .list = "", .detail = detail};

	alert.address = netaddr_format_origin(&origin->address, address);
	(void)snprintf(detail, sizeof(detail),
	    "%u guesses at a user who has logged in from this address, and still may",
	    guessing->parts.config->limits.guesses);
	alerts_raise(guessing->parts.alerts, &alert);
}

static void
age_known(const struct guessing *guessing, struct known *known)
{
	known->wrong = left_of(guessing, known->wrong, known->wrong_at_ms);
	known->wrong_at_ms = now_ms(guessing);
}

static void
count_against_known(struct guessing *guessing, const struct origin *origin, struct known *known)
{
	bool was_full = known->wrong >= limit_of(guessing);

	known->wrong += ONE;
	if (known->wrong > limit_of(guessing) + KNOWN_DOUBLINGS * ONE)
		known->wrong = limit_of(guessing) + KNOWN_DOUBLINGS * ONE;
	if (!was_full && known->wrong >= limit_of(guessing))
		alert_known(guessing, origin, known);
}

uint32_t
guessing_note_bad(struct guessing *guessing, const struct guess *guess)
{
	struct origin *origin;
	struct known *known;
	char what[300];

	if (limit_of(guessing) == 0)
		return 0;
	origin = origins_get(guessing->origins, &guess->origin, now_ms(guessing));
	age(guessing, origin);
	origin->failures += ONE;
	if (origin->failures > limit_of(guessing) + FREE_FAILURES * ONE)
		origin->failures = limit_of(guessing) + FREE_FAILURES * ONE;
	known = origin_find_known(origin, guess->login);
	if (known != NULL)
		age_known(guessing, known);
	if (is_new(origin, guess)) {
		(void)snprintf(what, sizeof(what), "at user %.180s", guess->login);
		if (known != NULL)
			count_against_known(guessing, origin, known);
		add_guess(guessing, origin, what);
	}
	guessing_touch(guessing, origin);
	return delay_of(guessing, origin, known);
}

void
guessing_note_abuse(struct guessing *guessing, const struct netaddr *address, const char *what)
{
	struct origin *origin;

	if (limit_of(guessing) == 0)
		return;
	origin = origins_get(guessing->origins, address, now_ms(guessing));
	age(guessing, origin);
	add_guess(guessing, origin, what);
	guessing_touch(guessing, origin);
}

/* Guesses stay: who has one password may still be after others. */
void
guessing_note_good(struct guessing *guessing, const struct netaddr *address, const char *login)
{
	struct origin *origin = origins_get(guessing->origins, address, now_ms(guessing));
	struct known *known = origin_find_known(origin, login);

	if (known != NULL)
		known->wrong = 0;
	if (known != NULL && now_ms(guessing) - known->at_ms < KNOWN_AGAIN_MS)
		return;
	known = origins_add_known(guessing->origins, origin, login, now_ms(guessing));
	known->is_dirty = true;
	guessing_touch(guessing, origin);
}

int
guessing_forgive(struct guessing *guessing, const struct netaddr *address, struct err *err_out)
{
	struct origin *origin = origins_find(guessing->origins, address);
	char text[NETADDR_ORIGIN_TEXT_SIZE];

	if (origin == NULL)
		return 0;
	if (db_remove_origin(guessing->parts.db, netaddr_format_origin(address, text), err_out) !=
	    0)
		return -1;
	origin->guesses = origin->failures = origin->shut_until_ms = 0;
	origin->mark_count = origin->mark_at = 0;
	memset(origin->tallies, 0, sizeof(origin->tallies));
	for (unsigned i = 0; i < origin->known_count; i++)
		origin->known[i].wrong = 0;
	return 1;
}

struct each {
	struct guessing *guessing;
	void (*on_suspect)(const struct suspect *suspect, void *ctx);
	void *ctx;
};

static void
tell_suspect(struct origin *origin, void *ctx)
{
	const struct each *each = ctx;
	int64_t guesses = left_of(each->guessing, origin->guesses, origin->at_ms);
	bool shut = is_shut(each->guessing, origin);
	const struct suspect suspect = {
	    .origin = origin->address,
	    .guesses = (unsigned)((guesses + ONE - 1) / ONE),
	    .shut_until_ms = shut ? origin->shut_until_ms : 0,
	    .known = origin->known_count,
	};

	if (guesses > 0 || shut)
		each->on_suspect(&suspect, each->ctx);
}

void
guessing_each(struct guessing *guessing,
    void (*on_suspect)(const struct suspect *suspect, void *ctx), void *ctx)
{
	struct each each = {guessing, on_suspect, ctx};

	origins_each(guessing->origins, tell_suspect, &each);
}

/* ---- life ---- */

int
guessing_new(
    const struct guessing_parts *parts, struct guessing **guessing_out, struct err *err_out)
{
	struct guessing *guessing = xcalloc(1, sizeof(*guessing));

	guessing->parts = *parts;
	guessing->origins = origins_new();
	list_init(&guessing->dirty);
	guessing->flush = timer_new(parts->loop, guessing_on_flush, guessing);
	guessing->sweep = timer_new(parts->loop, on_sweep, guessing);
	timer_set(guessing->sweep, SWEEP_MS);
	*guessing_out = guessing;
	return guessing_load(guessing, err_out);
}

void
guessing_free(struct guessing *guessing)
{
	struct err err;

	if (guessing == NULL)
		return;
	if (guessing_flush(guessing, &err) != 0)
		log_problem(LOG_ERROR, "failed logins are not written down: %s", err.text);
	timer_free(guessing->flush);
	timer_free(guessing->sweep);
	origins_free(guessing->origins);
	free(guessing);
}

void
guessing_set_config(struct guessing *guessing, const struct config *config)
{
	guessing->parts.config = config;
}
