/* profile_login - shows the address and the code, and waits for what becomes of them. */
#include "ctl/profile_login.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *
text_of(const json_t *login, const char *name)
{
	const char *text = json_string_value(json_object_get(login, name));

	return text != NULL ? text : "";
}

static void
show(const struct invocation *invocation, const json_t *login)
{
	const char *complete = text_of(login, "verification_uri_complete");

	if (invocation->is_json) {
		invocation_print_json(login);
	} else {
		(void)printf("Open %s in a browser, on any machine, and enter the code %s\n",
		    text_of(login, "verification_uri"), text_of(login, "user_code"));
		if (*complete != '\0')
			(void)printf("or open %s\n", complete);
		(void)printf("It is waited for until %s.\n", text_of(login, "expires_at"));
	}
	/* Whoever reads it must not wait for the end. */
	(void)fflush(stdout);
}

static bool
is_pending(const json_t *login)
{
	const char *state = text_of(login, "state");

	return strcmp(state, "pending") == 0 || strcmp(state, "beginning") == 0;
}

/* Relay asks the token server; this asks relay. */
static int
wait_for_end(struct invocation *invocation, const char *path, json_t **login)
{
	const struct timespec second = {.tv_sec = 1};
	int status = STATUS_DONE;

	while (status == STATUS_DONE && is_pending(*login)) {
		(void)nanosleep(&second, NULL);
		json_decref(*login);
		*login = NULL;
		status = invocation_call(invocation, "GET", path, NULL, login);
	}
	return status;
}

static int
tell_end(const struct invocation *invocation, const json_t *login)
{
	if (invocation->is_json)
		invocation_print_json(login);
	if (strcmp(text_of(login, "state"), "done") != 0)
		return invocation_fail(
		    STATUS_REFUSED, "the login failed: %s", text_of(login, "reason"));
	if (!invocation->is_json)
		(void)printf("profile %s has logged in\n", text_of(login, "profile"));
	return STATUS_DONE;
}

int
profile_login_run(struct invocation *invocation)
{
	char *path = invocation_path(invocation, "/v1/profiles/", "/login");
	json_t *login = NULL;
	int status = invocation_call(invocation, "POST", path, NULL, &login);

	if (status == STATUS_DONE) {
		show(invocation, login);
		status = wait_for_end(invocation, path, &login);
	}
	if (status == STATUS_DONE)
		status = tell_end(invocation, login);
	json_decref(login);
	free(path);
	return status;
}
