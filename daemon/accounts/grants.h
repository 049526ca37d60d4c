/*
 * grants - tells each smtpd what a user may do, and again when that changed
 *
 * Owns     for each link to an smtpd, the ids of the users that it was told about
 * Context  loop
 * Fails    when the database can't be read there is a log line and no answer: smtpd's deadline
 *          turns that into a temporary error
 */
#ifndef POSTERN_ACCOUNTS_GRANTS_H
#define POSTERN_ACCOUNTS_GRANTS_H

#include "daemon/accounts/db.h"
#include "daemon/accounts/presence.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"

struct grants;

/* `unauthorized` is what a list does that doesn't say itself. */
struct grants *grants_new(
    struct db *db, struct presence *presence, enum unauthorized_action unauthorized);
void grants_free(struct grants *grants); /* NULL is allowed */
void grants_set_unauthorized(struct grants *grants, enum unauthorized_action unauthorized);

/* Answers GRANT_GET. */
void grants_answer(struct grants *grants, struct link *link, uint32_t request_id,
    const struct msg_grant_get *message);
/* Sends a user's grant before its SASL_REPLY. */
int grants_send(struct grants *grants, struct link *link, int64_t user_id, struct err *err_out);

/* To every smtpd that has it. A user that is gone is sent as inactive. */
void grants_push_user(struct grants *grants, int64_t user_id);
void grants_push_all(struct grants *grants);

void grants_forget_link(struct grants *grants, struct link *link);

#endif
