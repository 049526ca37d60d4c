/* guessing - the rules; what is remembered is in origins, on disk through db_origin. */
#include "daemon/accounts/guessing_private.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KNOWN_AGAIN_MS (INT64_C(24) * 60 * 60 * 1000) /* written down again after so long */
#define FREE_FAILURES 2                               /* a slip of the finger isn't slowed */
#define FIRST_DELAY_MS 500
#define DELAY_DOUBLINGS 3 /* 4 s: some clients wait for 5 s only */
#define KNOWN_DELAY_MS 8000
#define KNOWN_DELAY_MAX_MS 30000
#define KNOWN_DOUBLINGS 2
#define SWEEP_MS (10 * 60 * 1000)

static int64_t
now_ms(const struct guessing *guessing)
{
	return loop_wall_ms(guessing->parts.loop);
}

int64_t
guessing_limit(const struct guessing *guessing)
{
	return (int64_t)guessing->parts.config->limits.guesses * ONE;
}

static int64_t
limit_of(const struct guessing *guessing, const struct origin *origin)
{
	return guessing_limit(guessing) * (netaddr_is_wide(&origin->address) ? WIDE_TIMES : 1);
}

/* A clock that was set back lets nothing out. */
int64_t
guessing_left(const struct guessing *guessing, int64_t limit, int64_t level, int64_t at_ms)
{
	int64_t window_ms = guessing->parts.config->limits.guess_window_ms;
	int64_t elapsed_ms = now_ms(guessing) - at_ms;

	if (elapsed_ms <= 0)
		return level;
	if (elapsed_ms >= window_ms)
		return 0;
	level -= elapsed_ms * limit / window_ms;
	return level > 0 ? level : 0;
}

static void
age(const struct guessing *guessing, struct origin *origin)
{
	int64_t limit = limit_of(guessing, origin);

	origin->guesses = guessing_left(guessing, limit, origin->guesses, origin->at_ms);
	origin->failures = guessing_left(guessing, limit, origin->failures, origin->at_ms);
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
is_lately(const struct guessing *guessing, const struct known *known)
{
	return now_ms(guessing) - known->at_ms < KNOWN_MS;
}

/* Who keeps the address out: it does itself, or the /48 that it is in. NULL: nobody. */
static struct origin *
find_shut(const struct guessing *guessing, const struct netaddr *address)
{
	struct origin *origin = origins_find(guessing->origins, address);
	struct netaddr wide;

	if (origin != NULL && is_shut(guessing, origin))
		return origin;
	if (!netaddr_wide_origin(address, &wide))
		return NULL;
	origin = origins_find(guessing->origins, &wide);
	return origin != NULL && is_shut(guessing, origin) ? origin : NULL;
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

int64_t
guessing_refuses(struct guessing *guessing, const struct netaddr *address)
{
	const struct origin *origin = origins_find(guessing->origins, address);
	struct origin *shut = find_shut(guessing, address);

	if (shut == NULL)
		return 0;
	for (unsigned i = 0; origin != NULL && i < origin->known_count; i++)
		if (is_lately(guessing, &origin->known[i]))
			return 0;
	guessing_log_refused(guessing, shut);
	return shut->shut_until_ms;
}

int64_t
guessing_shut_until(
    const struct guessing *guessing, const struct netaddr *address, const char *login)
{
	const struct origin *origin = origins_find(guessing->origins, address);
	const struct origin *shut = find_shut(guessing, address);
	const struct known *known = origin == NULL ? NULL : origin_find_known(origin, login);

	if (shut == NULL || (known != NULL && is_lately(guessing, known)))
		return 0;
	return shut->shut_until_ms;
}

/* ---- what happens ---- */

/* What shuts an address out has to survive whatever happens next. */
static void
shut_out(struct guessing *guessing, struct origin *origin, const char *what)
{
	origin->shut_until_ms = now_ms(guessing) + guessing->parts.config->limits.shut_out_ms;
	timer_set(guessing->flush, 0);
	guessing_alert_shut_out(
	    guessing, origin, (unsigned)(limit_of(guessing, origin) / ONE), what);
}

static void
add_guess(struct guessing *guessing, struct origin *origin, const char *what)
{
	int64_t limit = limit_of(guessing, origin);

	origin->guesses += ONE;
	if (origin->guesses < limit)
		return;
	origin->guesses = limit;
	if (!is_shut(guessing, origin))
		shut_out(guessing, origin, what);
}

/* A password that is seen is told from others by its mark, a proof only by its mechanism. */
static bool
is_new(struct origin *origin, const struct guess *guess)
{
	static const char *const proofs[] = {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
	const struct tally whose = {
	    .smtpd = guess->smtpd,
	    .connection = guess->connection,
	    .login = guessing_hash_login(guess->login),
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
	int64_t over = (known->wrong - guessing_limit(guessing)) / ONE;
	uint32_t delay_ms = KNOWN_DELAY_MS << (over > KNOWN_DOUBLINGS ? KNOWN_DOUBLINGS : over);

	return delay_ms > KNOWN_DELAY_MAX_MS ? KNOWN_DELAY_MAX_MS : delay_ms;
}

static uint32_t
delay_of(const struct guessing *guessing, const struct origin *origin, const struct known *known)
{
	int64_t failures = origin->failures / ONE;
	int64_t doublings = failures - FREE_FAILURES - 1;

	if (known != NULL && known->wrong >= guessing_limit(guessing))
		return delay_of_known(guessing, known);
	if (doublings < 0)
		return 0;
	return FIRST_DELAY_MS << (doublings > DELAY_DOUBLINGS ? DELAY_DOUBLINGS : doublings);
}

static void
age_known(const struct guessing *guessing, struct known *known)
{
	known->wrong =
	    guessing_left(guessing, guessing_limit(guessing), known->wrong, known->wrong_at_ms);
	known->wrong_at_ms = now_ms(guessing);
}

static void
count_against_known(struct guessing *guessing, const struct origin *origin, struct known *known)
{
	bool was_full = known->wrong >= guessing_limit(guessing);

	known->wrong += ONE;
	if (known->wrong > guessing_limit(guessing) + KNOWN_DOUBLINGS * ONE)
		known->wrong = guessing_limit(guessing) + KNOWN_DOUBLINGS * ONE;
	if (!was_full && known->wrong >= guessing_limit(guessing))
		guessing_alert_known(guessing, origin, known);
}

static struct origin *
recall(struct guessing *guessing, const struct netaddr *address)
{
	struct origin *origin = origins_get(guessing->origins, address, now_ms(guessing));

	age(guessing, origin);
	return origin;
}

/* Who has a /48 has 65536 /64s. */
static void
note_wide(struct guessing *guessing, const struct netaddr *address, const struct guess *guess,
    const char *what)
{
	struct netaddr wide;
	struct origin *origin;

	if (!netaddr_wide_origin(address, &wide))
		return;
	origin = recall(guessing, &wide);
	if (guess == NULL || is_new(origin, guess))
		add_guess(guessing, origin, what);
	guessing_touch(guessing, origin);
}

static void
add_failure(const struct guessing *guessing, struct origin *origin)
{
	int64_t most = guessing_limit(guessing) + FREE_FAILURES * ONE;

	origin->failures += ONE;
	if (origin->failures > most)
		origin->failures = most;
}

uint32_t
guessing_note_bad(struct guessing *guessing, const struct guess *guess)
{
	struct origin *origin;
	struct known *known;
	char what[300];

	if (guessing_limit(guessing) == 0)
		return 0;
	(void)snprintf(what, sizeof(what), "at user %.180s", guess->login);
	note_wide(guessing, &guess->origin, guess, what);
	origin = recall(guessing, &guess->origin);
	add_failure(guessing, origin);
	known = origin_find_known(origin, guess->login);
	if (known != NULL)
		age_known(guessing, known);
	if (is_new(origin, guess)) {
		if (known != NULL)
			count_against_known(guessing, origin, known);
		guessing_note_aim(guessing, guess);
		add_guess(guessing, origin, what);
	}
	guessing_touch(guessing, origin);
	return delay_of(guessing, origin, known);
}

void
guessing_note_abuse(struct guessing *guessing, const struct netaddr *address, const char *what)
{
	struct origin *origin;

	if (guessing_limit(guessing) == 0)
		return;
	note_wide(guessing, address, NULL, what);
	origin = recall(guessing, address);
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

static int
forgive(struct guessing *guessing, const struct netaddr *address, struct err *err_out)
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

/* The /48 too, or it could keep the address out still. */
int
guessing_forgive(struct guessing *guessing, const struct netaddr *address, struct err *err_out)
{
	int found = forgive(guessing, address, err_out), wide_found = 0;
	struct netaddr wide;

	if (found >= 0 && netaddr_wide_origin(address, &wide))
		wide_found = forgive(guessing, &wide, err_out);
	return found < 0 || wide_found < 0 ? -1 : found | wide_found;
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
	int64_t guesses = guessing_left(
	    each->guessing, limit_of(each->guessing, origin), origin->guesses, origin->at_ms);
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
	guessing->aims = xcalloc(AIMS, sizeof(*guessing->aims));
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
	free(guessing->aims);
	free(guessing);
}

void
guessing_set_config(struct guessing *guessing, const struct config *config)
{
	guessing->parts.config = config;
}
