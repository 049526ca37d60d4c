/*
 * routes - tells queue where each user's mail goes
 *
 * Owns     nothing
 * Context  loop
 * Fails    a database that can't be read is a log line; the map then stays as queue has it
 *
 * On a new link the whole map, later the rows that changed. `queue` is NULL while there is no
 * link: the whole map will follow.
 */
#ifndef POSTERN_ACCOUNTS_ROUTES_H
#define POSTERN_ACCOUNTS_ROUTES_H

#include "daemon/accounts/db.h"
#include "daemon/core/link.h"
#include "daemon/core/values.h"

void routes_send_map(struct db *db, struct link *queue);
/* One user, or all with 0. */
void routes_send_users(struct db *db, struct link *queue, int64_t user_id);
/* Where the mail of removed users goes. */
void routes_send_lists(struct db *db, struct link *queue);
void routes_send_profile(struct db *db, struct link *queue, int64_t profile_id);
/* `row` is ROUTE_USER, ROUTE_LIST or ROUTE_PROFILE. */
void routes_send_gone(struct link *queue, enum route_row row, int64_t id);

#endif
