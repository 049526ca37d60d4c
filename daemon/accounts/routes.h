/*
 * routes - tells queue where each user's mail goes
 *
 * Owns     nothing
 * Context  loop
 * Fails    a database that can't be read is a log line; the map then stays as queue has it
 *
 * On a new link the whole map, later the rows that changed. While there is no link nothing is sent:
 * the whole map will follow.
 */
#ifndef POSTERN_ACCOUNTS_ROUTES_H
#define POSTERN_ACCOUNTS_ROUTES_H

#include "daemon/accounts/parts.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"

void routes_send_map(const struct parts *parts);
/* One user, or all with 0. */
void routes_send_users(const struct parts *parts, int64_t user_id);
/* Which senders are told apart. */
void routes_send_senders(const struct parts *parts);
/* Where the mail of removed users goes. */
void routes_send_lists(const struct parts *parts);
void routes_send_profile(const struct parts *parts, int64_t profile_id);
/* `row` is ROUTE_USER, ROUTE_LIST or ROUTE_PROFILE. */
void routes_send_gone(const struct parts *parts, enum route_row row, int64_t id);

#endif
