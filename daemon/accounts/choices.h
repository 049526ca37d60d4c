/*
 * choices - which profile takes whose mail, and why
 *
 * Owns     the profiles that it read
 * Context  loop
 * Fails    -1 and *err_out: the database can't be read
 *
 * In this order: the user's profile, its list's, one whose own sender address or its domain is the
 * message's, the default one. One that isn't available to the user is never chosen. Where the user
 * or the list names it, its mail waits then, since nobody wanted it to go another way; otherwise the
 * next one is tried.
 */
#ifndef POSTERN_ACCOUNTS_CHOICES_H
#define POSTERN_ACCOUNTS_CHOICES_H

#include "common/err.h"
#include "daemon/accounts/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct choices {
	struct choice_profile {
		int64_t id;
		char *name, *available, *from, *fallback;
		bool is_default;
	} * profiles; /* by id */
	size_t count;
};

int choices_read(struct choices *choices, struct db *db, struct err *err_out);
void choices_fini(struct choices *choices);

/* Whose mail. Names that are NULL or "" are not set. */
struct choice_asker {
	const char *login, *list;
	const char *profile, *list_profile; /* names */
	const char *sender; /* NULL: of any other sender than those that profiles have */
};

enum choice_rule {
	CHOICE_USER,
	CHOICE_LIST,
	CHOICE_ADDRESS,
	CHOICE_DOMAIN,
	CHOICE_DEFAULT,
	CHOICE_RULES
};

struct choice {
	const struct choice_profile *profile; /* NULL: nowhere */
	bool is_bound;                        /* the user or its list has named one */
	enum choice_rule rule;                /* that decided; CHOICE_RULES: none did */
	struct err tried[CHOICE_RULES];       /* what each rule said; "": it wasn't asked */
};

void choices_choose(
    const struct choices *choices, const struct choice_asker *asker, struct choice *choice_out);
/* Whether some sender of this user's would have a way out. */
bool choices_has_way(const struct choices *choices, const struct choice_asker *asker);
/* In words, for explain. */
const char *choice_rule_name(enum choice_rule rule);

#endif
