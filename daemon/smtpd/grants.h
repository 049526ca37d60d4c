/*
 * grants - what users may do, as far as this process has been told
 *
 * Role     smtpd; filled by accounts' GRANT messages, read at MAIL
 * Owns     its grants; a transaction holds the grant it began under until its end
 * Context  loop
 * Fails    never: a user that is not here is asked for (GRANT_GET)
 *
 * Accounts sends a grant again when it changes, on the link it was given on. When that link is
 * gone a change could be missed, so everything here is forgotten and asked for anew.
 */
#ifndef POSTERN_SMTPD_GRANTS_H
#define POSTERN_SMTPD_GRANTS_H

#include "common/sender_rules.h"
#include "daemon/core/messages.h"
#include "daemon/core/values.h"

#include <stdbool.h>
#include <stdint.h>

struct grant_table;

struct grant {
	unsigned references;
	uint64_t user_id;
	uint32_t credential; /* version of the password */
	bool is_active;
	bool has_profile;
	bool has_stamp_priority;
	uint8_t priority, priority_max;
	enum check_sides check;
	enum unauthorized_action unauthorized;
	char *login, *list;
	struct sender_rules domains, senders;
};

/* At most so many users are remembered; with one more, all are forgotten. */
#define GRANTS_MAX 65536

struct grant_table *grant_table_new(void);
void grant_table_free(struct grant_table *grants);

/* Takes what accounts says about a user in place of what was known. Borrowed until the next call;
 * NULL when the message says that there is no such user. */
struct grant *grant_table_put(struct grant_table *grants, const struct msg_grant *message);
/* Borrowed until the next call, or NULL. */
struct grant *grant_table_find(struct grant_table *grants, uint64_t user_id);
struct grant *grant_table_find_login(struct grant_table *grants, const char *login);
void grant_table_forget_all(struct grant_table *grants);

struct grant *grant_from(const struct msg_grant *message);
struct grant *grant_hold(struct grant *grant);
void grant_release(struct grant *grant); /* NULL is allowed */

#endif
