/*
 * token_service - OAuth2 as the relay role has it: the tokens, their HTTP and their way to accounts
 *
 * Owns     tokens, logins under way, libcurl
 * Context  loop
 * Fails    -1/NULL and *err_out
 */
#ifndef POSTERN_RELAY_TOKEN_SERVICE_H
#define POSTERN_RELAY_TOKEN_SERVICE_H

#include "common/err.h"
#include "daemon/core/role.h"
#include "daemon/relay/dns.h"

#include <stdbool.h>

struct token_service;
struct tokens;

/* Before the sandbox is closed. Borrows both. */
struct token_service *token_service_new(
    struct role_context *role, struct dns *dns, struct err *err_out);
/* When every profile has been released. */
void token_service_free(struct token_service *service);
/* The system's CAs are new. */
void token_service_reload(struct token_service *service);
/* Accounts is there (again). */
void token_service_on_accounts(struct token_service *service);
struct tokens *token_service_tokens(struct token_service *service);

/* GET /v1/tokens, and what device_login.h answers. False: it is about something else. */
bool token_service_call(
    struct token_service *service, struct link *control, const struct link_message *message);
/* The link to control is gone: nobody waits for the answers. */
void token_service_forget(struct token_service *service, const struct link *control);
void token_service_forget_profile(struct token_service *service, uint64_t profile_id);

#endif
