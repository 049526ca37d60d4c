/* token_service - puts tokens, HTTP and accounts together. */
#include "daemon/relay/token_service.h"

#include "common/xalloc.h"
#include "daemon/core/result.h"
#include "daemon/relay/device_login.h"
#include "daemon/relay/http.h"
#include "daemon/relay/tokens.h"

#include <stdlib.h>
#include <string.h>

#define STORE_MS (10 * 1000) /* accounts' answer */

struct token_service {
	struct role_context *role;
	struct http *http;
	struct tokens *tokens;
	struct device_logins *logins;
};

static struct http_call *
post(void *ctx, const char *url, struct msg_bytes form, struct msg_bytes ca, http_done_fn on_done,
    void *done_ctx)
{
	const struct token_service *service = ctx;

	return http_post(service->http, url, form, ca, on_done, done_ctx);
}

static void
cancel(void *ctx, struct http_call *call)
{
	http_cancel(call);
}

static uint32_t
store(void *ctx, const struct msg_token_store *message, link_answer_fn on_answer, void *answer_ctx)
{
	const struct token_service *service = ctx;
	struct link *accounts = role_link(service->role, ROLE_ACCOUNTS, 0);

	if (accounts == NULL)
		return 0;
	return link_request(accounts, MSG_TOKEN_STORE, message, STORE_MS, on_answer, answer_ctx);
}

static void
cancel_store(void *ctx, uint32_t request_id)
{
	const struct token_service *service = ctx;
	struct link *accounts = role_link(service->role, ROLE_ACCOUNTS, 0);

	if (accounts != NULL)
		link_cancel(accounts, request_id);
}

static void
alert(void *ctx, const char *kind, const char *profile, const char *detail)
{
	const struct token_service *service = ctx;

	role_alert(service->role, kind, "", "", profile, detail);
}

struct token_service *
token_service_new(struct role_context *role, struct dns *dns, struct err *err_out)
{
	static const struct tokens_ops ops = {
	    .post = post,
	    .cancel = cancel,
	    .store = store,
	    .cancel_store = cancel_store,
	    .alert = alert,
	};
	struct http *http = http_new(role->loop, dns, err_out);
	struct token_service *service;

	if (http == NULL)
		return NULL;
	service = xcalloc(1, sizeof(*service));
	service->role = role;
	service->http = http;
	service->tokens = tokens_new(role->loop, &ops, service);
	service->logins = device_logins_new(role, service->tokens);
	token_service_reload(service);
	return service;
}

void
token_service_free(struct token_service *service)
{
	device_logins_free(service->logins);
	tokens_free(service->tokens);
	http_free(service->http);
	free(service);
}

void
token_service_reload(struct token_service *service)
{
	http_set_cas(service->http, role_file(service->role, FILE_SYSTEM_CAS));
}

void
token_service_on_accounts(struct token_service *service)
{
	tokens_on_accounts(service->tokens);
}

struct tokens *
token_service_tokens(struct token_service *service)
{
	return service->tokens;
}

bool
token_service_call(
    struct token_service *service, struct link *control, const struct link_message *message)
{
	const struct msg_call *call = &message->body->call;

	if (strcmp(call->path, "/v1/tokens") != 0 || strcmp(call->method, "GET") != 0)
		return device_logins_call(service->logins, control, message);
	result_send(control, message->request_id, 200, tokens_to_json(service->tokens));
	return true;
}

void
token_service_forget(struct token_service *service, const struct link *control)
{
	device_logins_forget(service->logins, control);
}

void
token_service_forget_profile(struct token_service *service, uint64_t profile_id)
{
	tokens_forget(service->tokens, profile_id);
}
