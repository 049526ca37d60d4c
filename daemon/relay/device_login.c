/* device_login - asks for a code, shows it, and asks until somebody has entered it. */
#include "daemon/relay/device_login.h"

#include "common/xalloc.h"
#include "daemon/core/result.h"
#include "daemon/relay/call_path.h"
#include "daemon/relay/token_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FETCH_MS (10 * 1000)
#define KEPT_MS (10 * 60 * 1000) /* after its end */
#define LOGINS_MAX 16
#define SLOW_DOWN_S 5 /* RFC 8628 3.5 */
#define INTERVAL_MOST_S 120

struct device_logins {
	struct role_context *role;
	struct tokens *tokens;
	struct list all;
	unsigned count;
};

enum state { BEGINNING, PENDING, STORING, DONE, FAILED };

struct device_login {
	struct list link;
	struct device_logins *logins;
	char *name; /* of the profile */
	enum state state;
	struct link *control; /* that waits for the beginning, or NULL */
	uint32_t request_id;
	uint32_t fetch; /* of the profile; 0: none */
	struct token_source *source;
	struct http_call *call;
	struct timer *timer; /* to ask, or to be forgotten */
	struct oauth_device device;
	int64_t interval_s, ends_at_ms;
	char reason[OAUTH_REASON_SIZE];
};

static void
free_login(void *object)
{
	struct device_login *login = object;

	timer_free(login->timer);
	oauth_device_fini(&login->device);
	free(login->name);
	free(login);
}

/* At the end of the turn. */
static void
login_free(struct device_login *login)
{
	struct link *accounts = role_link(login->logins->role, ROLE_ACCOUNTS, 0);
	const struct tokens *tokens = login->logins->tokens;

	if (login->fetch != 0 && accounts != NULL)
		link_cancel(accounts, login->fetch);
	if (login->call != NULL)
		tokens->ops->cancel(tokens->ctx, login->call);
	if (login->state == STORING && login->source->storing.ctx == login)
		login->source->storing.on_stored = NULL;
	list_remove(&login->link);
	login->logins->count--;
	timer_stop(login->timer);
	token_source_release(login->source);
	loop_free_later(login->logins->role->loop, free_login, login);
}

/* ---- answers ---- */

static json_t *
login_json(const struct device_login *login)
{
	static const char *const names[] = {"beginning", "pending", "pending", "done", "failed"};
	const struct oauth_device *device = &login->device;
	struct loop *loop = login->logins->role->loop;
	int64_t left_ms = login->ends_at_ms - loop_now_ms(loop);

	return json_pack("{s:o, s:s, s:s?, s:s?, s:s?, s:o, s:I, s:o}", "profile",
	    result_text(login->name), "state", names[login->state], "verification_uri", device->url,
	    "verification_uri_complete", device->url_complete, "user_code", device->user_code,
	    "expires_at", result_time(login->state == BEGINNING ? 0 : loop_wall_ms(loop) + left_ms),
	    "interval", (json_int_t)login->interval_s, "reason",
	    login->state == FAILED ? result_text(login->reason) : json_null());
}

static void
refuse_call(struct link *control, uint32_t request_id, unsigned status, const char *code,
    const char *message)
{
	result_send(control, request_id, status, result_error(code, message, NULL));
}

/* It has not begun. */
static void
end_early(struct device_login *login, unsigned status, const char *code, const char *message)
{
	refuse_call(login->control, login->request_id, status, code, message);
	login_free(login);
}

/* ---- asking ---- */

static void
end(struct device_login *login, enum state state, const char *reason)
{
	login->state = state;
	(void)snprintf(login->reason, sizeof(login->reason), "%s", reason);
	timer_set(login->timer, KEPT_MS);
}

static void
on_stored(enum token_stored outcome, void *ctx)
{
	struct device_login *login = ctx;

	if (outcome == TOKEN_KEPT)
		end(login, DONE, "");
	else
		end(login, FAILED, "the profile was removed or changed meanwhile");
}

static void
take_login(struct device_login *login, const struct oauth_result *result)
{
	struct token_storing *storing = &login->source->storing;

	if (result->refresh_token == NULL) {
		end(login, FAILED,
		    "the login worked, but the server gave no refresh token: add offline_access "
		    "to --oauth-scope (Microsoft), and log in again");
		return;
	}
	login->state = STORING;
	timer_stop(login->timer);
	token_take_result(login->source, result);
	token_replace_refresh(login->source, result->refresh_token, true);
	storing->on_stored = on_stored;
	storing->ctx = login;
}

static void
wait_for_person(struct device_login *login)
{
	timer_set(login->timer, login->interval_s * 1000);
}

static void
take_refusal(struct device_login *login, const struct oauth_failure *failure)
{
	if (failure->verdict == OAUTH_REFUSED) {
		end(login, FAILED, failure->reason);
		return;
	}
	if (failure->verdict == OAUTH_SLOW_DOWN)
		login->interval_s += SLOW_DOWN_S;
	else if (failure->verdict == OAUTH_LATER)
		login->interval_s *= 2;
	if (login->interval_s > INTERVAL_MOST_S)
		login->interval_s = INTERVAL_MOST_S;
	wait_for_person(login);
}

static struct oauth_request
request_to(const struct device_login *login, const char *url)
{
	return (struct oauth_request){
	    .grant = GRANT_DEVICE,
	    .url = url,
	    .profile = login->name,
	    .secrets = {login->source->settings.client_secret, login->device.device_code},
	};
}

static void
on_polled(const struct http_answer *answer, void *ctx)
{
	struct device_login *login = ctx;
	struct oauth_request request = request_to(login, login->source->settings.token_url);
	struct oauth_result result;
	struct oauth_failure failure;

	login->call = NULL;
	if (oauth_read_token(&request, answer, &result, &failure) == 0)
		take_login(login, &result);
	else
		take_refusal(login, &failure);
	oauth_result_fini(&result);
}

static void
post(struct device_login *login, const char *url, struct buf *form, http_done_fn on_done)
{
	const struct tokens *tokens = login->logins->tokens;

	login->call = tokens->ops->post(tokens->ctx, url,
	    (struct msg_bytes){(const uint8_t *)form->bytes, (uint32_t)form->size},
	    oauth_settings_ca(&login->source->settings), on_done, login);
	explicit_bzero(form->bytes, form->capacity);
	buf_fini(form);
}

static void
on_timer(void *ctx)
{
	struct device_login *login = ctx;
	struct buf form;

	if (login->state != PENDING) {
		login_free(login);
		return;
	}
	if (loop_now_ms(login->logins->role->loop) >= login->ends_at_ms) {
		end(login, FAILED, "The code was not entered in time: begin again.");
		return;
	}
	buf_init(&form);
	oauth_form_poll(&login->source->settings, login->device.device_code, &form);
	post(login, login->source->settings.token_url, &form, on_polled);
}

/* ---- the beginning ---- */

static void
on_device(const struct http_answer *answer, void *ctx)
{
	struct device_login *login = ctx;
	struct oauth_request request = request_to(login, login->source->settings.device_url);
	struct oauth_failure failure;

	login->call = NULL;
	if (oauth_read_device(&request, answer, &login->device, &failure) != 0) {
		bool is_refusal = failure.verdict == OAUTH_REFUSED;

		end_early(login, is_refusal ? 409 : 503, is_refusal ? "refused" : "unavailable",
		    failure.reason);
		return;
	}
	login->state = PENDING;
	login->interval_s = login->device.interval_s;
	login->ends_at_ms = loop_now_ms(login->logins->role->loop) + login->device.life_s * 1000;
	result_send(login->control, login->request_id, 200, login_json(login));
	login->control = NULL;
	wait_for_person(login);
}

static void
on_profile(const union message *answer, void *ctx)
{
	struct device_login *login = ctx;
	struct buf form;
	char *message;

	login->fetch = 0;
	if (answer == NULL) {
		end_early(login, 503, "unavailable", "accounts does not answer, try again");
	} else if (answer->profile.profile_id == 0) {
		message = xasprintf("there is no profile %s; profile ls shows them", login->name);
		end_early(login, 404, "not_found", message);
		free(message);
	} else if (answer->profile.problem[0] != '\0') {
		end_early(login, 409, "refused", answer->profile.problem);
	} else if (answer->profile.oauth_grant != GRANT_DEVICE) {
		message = xasprintf("profile %s needs no login: that is for those with "
				    "--oauth-grant device",
		    login->name);
		end_early(login, 409, "refused", message);
		free(message);
	} else {
		login->source = tokens_source(login->logins->tokens, &answer->profile);
		buf_init(&form);
		oauth_form_device(&login->source->settings, &form);
		post(login, login->source->settings.device_url, &form, on_device);
	}
}

static struct device_login *
find(struct device_logins *logins, const char *name)
{
	LIST_EACH (&logins->all, at) {
		struct device_login *login = LIST_ENTRY(at, struct device_login, link);

		if (strcasecmp(login->name, name) == 0)
			return login;
	}
	return NULL;
}

/* Takes the name. */
static void
begin(struct device_logins *logins, char *name, struct link *control, uint32_t request_id)
{
	struct link *accounts = role_link(logins->role, ROLE_ACCOUNTS, 0);
	struct device_login *login = find(logins, name);
	struct msg_profile_get get = {.name = name};

	if (login != NULL && login->control != NULL)
		end_early(login, 409, "replaced", "another login was begun");
	else if (login != NULL)
		login_free(login);
	if (accounts == NULL || logins->count >= LOGINS_MAX) {
		refuse_call(control, request_id, 503, "busy",
		    accounts == NULL ? "accounts is not there, try again"
				     : "too many logins are under way, try again later");
		free(name);
		return;
	}
	login = xcalloc(1, sizeof(*login));
	login->logins = logins;
	login->name = name;
	login->control = control;
	login->request_id = request_id;
	login->timer = timer_new(logins->role->loop, on_timer, login);
	list_append(&logins->all, &login->link);
	logins->count++;
	login->fetch = link_request(accounts, MSG_PROFILE_GET, &get, FETCH_MS, on_profile, login);
}

static void
show(struct device_logins *logins, const char *name, struct link *control, uint32_t request_id)
{
	const struct device_login *login = find(logins, name);

	if (login != NULL)
		result_send(control, request_id, 200, login_json(login));
	else
		refuse_call(control, request_id, 404, "not_found",
		    "no login is under way for this profile: begin one");
}

bool
device_logins_call(
    struct device_logins *logins, struct link *control, const struct link_message *message)
{
	const struct msg_call *call = &message->body->call;
	char *name = call_path_profile(call->path, "/login");

	if (name == NULL)
		return false;
	if (strcmp(call->method, "POST") == 0) {
		begin(logins, name, control, message->request_id);
		return true;
	}
	if (strcmp(call->method, "GET") == 0)
		show(logins, name, control, message->request_id);
	else
		refuse_call(
		    control, message->request_id, 405, "method_not_allowed", "use GET or POST");
	free(name);
	return true;
}

void
device_logins_forget(struct device_logins *logins, const struct link *control)
{
	LIST_EACH (&logins->all, at)
		if (LIST_ENTRY(at, struct device_login, link)->control == control)
			LIST_ENTRY(at, struct device_login, link)->control = NULL;
}

struct device_logins *
device_logins_new(struct role_context *role, struct tokens *tokens)
{
	struct device_logins *logins = xcalloc(1, sizeof(*logins));

	logins->role = role;
	logins->tokens = tokens;
	list_init(&logins->all);
	return logins;
}

void
device_logins_free(struct device_logins *logins)
{
	LIST_EACH_SAFE (&logins->all, at, next)
		login_free(LIST_ENTRY(at, struct device_login, link));
	free(logins);
}
