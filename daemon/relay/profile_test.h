/*
 * profile_test - walks a profile's way to its upstream step by step, and says what is wrong
 *
 * Owns     itself until its answer
 * Context  loop
 * Fails    into the answer: `ok` false with a diagnosis, or an HTTP error
 *
 * The same channel (or capture) as for deliveries, so what works here works there. POST
 * /v1/profiles/NAME/test, optionally {"to": ADDRESS, "transcript": true, "progress": true}; with
 * progress each step is told as soon as it is done, before the answer. A message goes by way of mime
 * where other mail of the profile does.
 */
#ifndef POSTERN_RELAY_PROFILE_TEST_H
#define POSTERN_RELAY_PROFILE_TEST_H

#include "daemon/core/link.h"
#include "daemon/core/pool.h"
#include "daemon/core/role.h"
#include "daemon/relay/dns.h"
#include "daemon/relay/profile.h"
#include "daemon/relay/rework.h"

struct profile_tests;

/* Borrows all five. */
struct profile_tests *profile_tests_new(struct role_context *role, struct dns *dns,
    struct pool *pool, const struct profile_surroundings *surroundings, struct reworks *reworks);
void profile_tests_free(struct profile_tests *tests);

/* A CALL from control; it is answered in a later turn. */
void profile_tests_call(
    struct profile_tests *tests, struct link *control, const struct link_message *message);
/* mime is there, or is gone (NULL): said after reworks_set_link(). */
void profile_tests_set_mime_link(struct profile_tests *tests, struct link *link);
/* A piece of a message that came back from mime. */
void profile_tests_on_body(struct profile_tests *tests, const struct link_message *message);
/* The link to control is gone, as it is while posternd stops: its tests end, since nobody waits for
 * their answers. */
void profile_tests_forget(struct profile_tests *tests, const struct link *control);

#endif
