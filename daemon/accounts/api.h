/*
 * api - the calls that operators make: lists, users, profiles, alerts
 *
 * Owns     calls whose answer waits for a derivation
 * Context  loop
 * Fails    every call gets one RESULT: the object, or an error with code, message and field
 */
#ifndef POSTERN_ACCOUNTS_API_H
#define POSTERN_ACCOUNTS_API_H

#include "daemon/accounts/parts.h"

struct api;

struct api *api_new(struct parts *parts);
/* The pool has been freed before. NULL is allowed. */
void api_free(struct api *api);
/* Answers CALL. */
void api_call(
    struct api *api, struct link *link, uint32_t request_id, const struct msg_call *message);
void api_forget_link(struct api *api, struct link *link);

#endif
