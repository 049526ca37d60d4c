/* choices - the rules, one after the other. */
#include "daemon/accounts/choices.h"

#include "common/choosing.h"
#include "common/xalloc.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/profile.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static char *
copy_text(const char *text)
{
	return xstrdup(text == NULL ? "" : text);
}

static void
add_profile(void *row, void *ctx)
{
	struct choices *choices = ctx;
	const struct profile *profile = row;

	choices->profiles =
	    xrealloc(choices->profiles, choices->count + 1, sizeof(*choices->profiles));
	choices->profiles[choices->count++] = (struct choice_profile){
	    .id = profile->id,
	    .name = xstrdup(profile->name),
	    .available = copy_text(profile->available),
	    .from = copy_text(profile->from),
	    .fallback = copy_text(profile->fallback),
	    .is_default = profile->is_default,
	};
}

static int
compare_ids(const void *a, const void *b)
{
	int64_t x = ((const struct choice_profile *)a)->id;
	int64_t y = ((const struct choice_profile *)b)->id;

	return x < y ? -1 : x > y;
}

int
choices_read(struct choices *choices, struct db *db, struct err *err_out)
{
	*choices = (struct choices){0};
	if (db_each(db, &profile_table, &(struct db_page){0}, add_profile, choices, err_out) < 0) {
		choices_fini(choices);
		return -1;
	}
	if (choices->count > 0)
		qsort(choices->profiles, choices->count, sizeof(*choices->profiles), compare_ids);
	return 0;
}

void
choices_fini(struct choices *choices)
{
	for (size_t i = 0; i < choices->count; i++) {
		free(choices->profiles[i].name);
		free(choices->profiles[i].available);
		free(choices->profiles[i].from);
		free(choices->profiles[i].fallback);
	}
	free(choices->profiles);
	*choices = (struct choices){0};
}

static const struct choice_profile *
find_name(const struct choices *choices, const char *name)
{
	for (size_t i = 0; i < choices->count; i++)
		if (strcasecmp(choices->profiles[i].name, name) == 0)
			return &choices->profiles[i];
	return NULL;
}

static bool
is_available(const struct choice_profile *profile, const struct choice_asker *asker)
{
	return available_to(profile->available, asker->login, asker->list);
}

/* ---- the rules; each says what it found, and returns whether it decides ---- */

static bool
try_named(const struct choices *choices, const struct choice_asker *asker, const char *name,
    enum choice_rule rule, struct choice *choice)
{
	struct err *said = &choice->tried[rule];
	const struct choice_profile *profile;

	if (name == NULL || *name == '\0') {
		(void)err_set(said, "none is set");
		return false;
	}
	profile = find_name(choices, name);
	choice->is_bound = true;
	choice->rule = rule;
	if (profile == NULL) {
		(void)err_set(said, "%.100s is gone: mail waits", name);
	} else if (!is_available(profile, asker)) {
		(void)err_set(said, "profile %.100s is not available to user %.100s of list %.100s",
		    profile->name, asker->login, asker->list);
	} else {
		choice->profile = profile;
		(void)err_set(said, "%.100s", profile->name);
	}
	return true;
}

/* The oldest profile that matches. */
static bool
try_sender(const struct choices *choices, const struct choice_asker *asker,
    enum sender_match wanted, struct choice *choice)
{
	enum choice_rule rule = wanted == SENDER_SAME ? CHOICE_ADDRESS : CHOICE_DOMAIN;
	struct err *said = &choice->tried[rule];

	(void)err_set(said, "no profile has this %s",
	    wanted == SENDER_SAME ? "sender address" : "sender's domain");
	for (size_t i = 0; i < choices->count; i++) {
		const struct choice_profile *profile = &choices->profiles[i];
		enum sender_match match = sender_match(profile->from, asker->sender);

		if (match == SENDER_OTHER || match < wanted)
			continue;
		if (!is_available(profile, asker)) {
			(void)err_set(said, "%.100s is not available to the user", profile->name);
			continue;
		}
		(void)err_set(said, "%.100s", profile->name);
		choice->profile = profile;
		choice->rule = rule;
		return true;
	}
	return false;
}

static bool
try_default(const struct choices *choices, const struct choice_asker *asker, struct choice *choice)
{
	struct err *said = &choice->tried[CHOICE_DEFAULT];

	(void)err_set(said, "there is none");
	for (size_t i = 0; i < choices->count; i++) {
		const struct choice_profile *profile = &choices->profiles[i];

		if (!profile->is_default)
			continue;
		if (!is_available(profile, asker)) {
			(void)err_set(said, "%.100s is not available to the user", profile->name);
			return false;
		}
		(void)err_set(said, "%.100s", profile->name);
		choice->profile = profile;
		choice->rule = CHOICE_DEFAULT;
		return true;
	}
	return false;
}

void
choices_choose(
    const struct choices *choices, const struct choice_asker *asker, struct choice *choice_out)
{
	*choice_out = (struct choice){.rule = CHOICE_RULES};
	if (try_named(choices, asker, asker->profile, CHOICE_USER, choice_out) ||
	    try_named(choices, asker, asker->list_profile, CHOICE_LIST, choice_out))
		return;
	if (asker->sender != NULL &&
	    (try_sender(choices, asker, SENDER_SAME, choice_out) ||
		try_sender(choices, asker, SENDER_SAME_DOMAIN, choice_out)))
		return;
	(void)try_default(choices, asker, choice_out);
}

bool
choices_has_way(const struct choices *choices, const struct choice_asker *asker)
{
	struct choice choice;

	choices_choose(choices, asker, &choice);
	if (choice.profile != NULL || choice.is_bound)
		return choice.profile != NULL;
	for (size_t i = 0; i < choices->count; i++)
		if (*choices->profiles[i].from != '\0' &&
		    is_available(&choices->profiles[i], asker))
			return true;
	return false;
}

const char *
choice_rule_name(enum choice_rule rule)
{
	static const char *const names[CHOICE_RULES + 1] = {"the user's profile",
	    "its list's profile", "a profile with this sender address",
	    "a profile with the sender's domain", "the default profile", "none"};

	return names[rule];
}
