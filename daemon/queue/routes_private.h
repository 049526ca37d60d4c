/*
 * routes_private - the inside of the map, for the files that make it up
 *
 * routes.c has users and lists, routes_profiles.c the profiles. Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_ROUTES_PRIVATE_H
#define POSTERN_QUEUE_ROUTES_PRIVATE_H

#include "daemon/queue/routes.h"

/* Replaces a text by a copy of another. */
void routes_set_text(char **text, const char *new_text);

void routes_free_profile(struct profile *profile);
void routes_take_profile(struct routes *routes, const struct msg_route *route);

#endif
