/* auth_failures - a few counters; what doesn't fit is counted too much, never too little. */
#include "daemon/smtpd/auth_failures.h"

#include "common/xalloc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MECHANISMS_MAX 6 /* the last place is for all that are left */
#define GUESSES_MAX 8    /* the latest ones */

struct auth_failures {
	struct {
		char name[24];
		unsigned count;
	} mechanisms[MECHANISMS_MAX];
	uint64_t guesses[GUESSES_MAX];
	unsigned guess_count;
};

static void
count_mechanism(struct auth_failures *failures, const char *name)
{
	size_t place = 0;

	while (place < MECHANISMS_MAX - 1 && failures->mechanisms[place].count > 0 &&
	       strcmp(failures->mechanisms[place].name, name) != 0)
		place++;
	(void)snprintf(
	    failures->mechanisms[place].name, sizeof(failures->mechanisms[place].name), "%s", name);
	failures->mechanisms[place].count++;
}

static bool
is_new(const struct auth_failures *failures, uint64_t guess)
{
	for (size_t i = 0; i < GUESSES_MAX; i++)
		if (failures->guesses[i] == guess)
			return false;
	return true;
}

unsigned
auth_failures_add(struct auth_failures **failures, const char *mechanism, uint64_t guess)
{
	struct auth_failures *all = *failures;
	unsigned most = 0;

	if (all == NULL)
		*failures = all = xcalloc(1, sizeof(*all));
	/* 0 is in every place that is empty. */
	if (guess != 0 && is_new(all, guess))
		all->guesses[all->guess_count++ % GUESSES_MAX] = guess;
	count_mechanism(all, mechanism);
	for (size_t i = 0; i < MECHANISMS_MAX; i++)
		if (all->mechanisms[i].count > most)
			most = all->mechanisms[i].count;
	return most > all->guess_count ? most : all->guess_count;
}
