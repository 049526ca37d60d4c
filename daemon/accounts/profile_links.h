/*
 * profile_links - what a profile says of others: who may use it, who takes its mail over, and whose
 * senders it is for
 *
 * Context  loop
 * Fails    -1 and *refusal_out
 */
#ifndef POSTERN_ACCOUNTS_PROFILE_LINKS_H
#define POSTERN_ACCOUNTS_PROFILE_LINKS_H

#include "daemon/accounts/profile.h"

/* Lists and users of `available` exist, and the fallback does and leads to no loop. Names are stored
 * as their rows have them. */
int profile_check_links(struct db *db, struct profile *profile, struct refusal *refusal_out);
/* Its sender is told apart from now on. */
int profile_note_sender(struct db *db, const struct profile *profile, struct err *err_out);
/* The same of all that are there. */
int profile_note_senders(struct db *db, struct err *err_out);

/* The profile that a user or list names may be used by it. NULL is allowed; `login` is "" for a
 * list. */
int profile_check_available(struct db *db, const char *name, const char *login, const char *list,
    struct refusal *refusal_out);
/* No profile names this list, or this user as "user:LOGIN". */
int profile_check_unnamed(struct db *db, const char *item, struct refusal *refusal_out);

/* Whether there is one profile and no other. */
int profile_is_only_one(struct db *db, bool *is_only_out, struct err *err_out);

#endif
