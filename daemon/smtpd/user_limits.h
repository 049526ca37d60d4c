/*
 * user_limits - how much users may still send, as far as queue has told
 *
 * Role     smtpd; filled by queue's USER_LIMIT, read at MAIL and RCPT
 * Owns     its entries
 * Context  loop
 * Units    recipients; milliseconds, wall clock
 * Fails    never: of a user that is not here nothing is known, and queue judges at COMMIT
 */
#ifndef POSTERN_SMTPD_USER_LIMITS_H
#define POSTERN_SMTPD_USER_LIMITS_H

#include "daemon/core/messages.h"

#include <stdint.h>

struct user_limits;

/* At most so many users are remembered; with one more, all are forgotten. */
#define USER_LIMITS_MAX 65536

struct user_limits *user_limits_new(void);
void user_limits_free(struct user_limits *limits);

void user_limits_put(struct user_limits *limits, const struct msg_user_limit *message);
/* How many recipients the user's message may have at the most; 0: none until *until_ms_out, and
 * UINT32_MAX: nothing is known. */
uint32_t user_limits_find(
    struct user_limits *limits, uint64_t user_id, int64_t now_ms, int64_t *until_ms_out);
/* The link is gone: the next one says it again. */
void user_limits_forget_all(struct user_limits *limits);

#endif
