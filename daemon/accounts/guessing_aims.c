/*
 * guessing_aims - logins that are guessed at from many addresses: nobody is locked out, an alert is
 * raised. A table of sets; a login that is new replaces the one with the fewest guesses in its set.
 */
#include "daemon/accounts/guessing_private.h"

#include <ctype.h>

#define WAYS 8

uint32_t
guessing_hash_login(const char *login)
{
	uint32_t hash = 2166136261u;

	for (; *login != '\0'; login++)
		hash = (hash ^ (uint32_t)tolower((unsigned char)*login)) * 16777619u;
	return hash;
}

static int64_t
limit_of(const struct guessing *guessing)
{
	return guessing_limit(guessing) * WIDE_TIMES;
}

static int64_t
left_of(const struct guessing *guessing, const struct aim *aim)
{
	return guessing_left(guessing, limit_of(guessing), aim->guesses, aim->at_ms);
}

static struct aim *
find(const struct guessing *guessing, uint32_t login)
{
	struct aim *set = &guessing->aims[login % (AIMS / WAYS) * WAYS], *least = set;

	for (struct aim *aim = set; aim < set + WAYS; aim++) {
		if (aim->login == login)
			return aim;
		if (left_of(guessing, aim) < left_of(guessing, least))
			least = aim;
	}
	*least = (struct aim){.login = login};
	return least;
}

void
guessing_note_aim(struct guessing *guessing, const struct guess *guess)
{
	struct aim *aim = find(guessing, guessing_hash_login(guess->login));

	aim->guesses = left_of(guessing, aim) + ONE;
	aim->at_ms = loop_wall_ms(guessing->parts.loop);
	if (aim->guesses <= limit_of(guessing))
		return;
	/* Another alert after as many again. */
	aim->guesses = 0;
	guessing_alert_aim(guessing, guess, (unsigned)(limit_of(guessing) / ONE));
}
