/* retry - whether mail goes already, or waits for a profile that can send none. */
#include "ctl/retry.h"

#include "common/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text == NULL ? "" : text;
}

static bool
is_going(const json_t *message)
{
	const char *state = text_of(message, "state");

	return strcmp(state, "ready") == 0 || strcmp(state, "sending") == 0;
}

static int
refuse_waiting(const json_t *profile)
{
	const char *name = text_of(profile, "name"), *state = text_of(profile, "state");
	const char *until = text_of(profile, "rate_limited_until");
	const char *error = text_of(profile, "last_error");

	return invocation_fail(STATUS_REFUSED,
	    "the mail is ready, and waits for profile %s, which is %s%s%s%s%s. Once the cause is "
	    "gone: posternctl profile resume %s",
	    name, state, *until == '\0' ? "" : " until ", until, *error == '\0' ? "" : ": ", error,
	    name);
}

/* Refused if the profile that a ready message waits for can send nothing. */
static int
check_profile(struct invocation *invocation, const json_t *message)
{
	const char *name = text_of(message, "profile");
	json_t *profile = NULL;
	char *path;
	int status;

	if (*name == '\0')
		return invocation_fail(STATUS_REFUSED, "the mail is ready, and has no way out: %s",
		    text_of(message, "reason"));
	path = client_path((const char *const[]){"/v1/profiles/", name, NULL});
	status = invocation_call(invocation, "GET", path, NULL, &profile);
	free(path);
	if (status == STATUS_DONE && strcmp(text_of(profile, "state"), "ok") != 0)
		status = refuse_waiting(profile);
	json_decref(profile);
	return status;
}

static int
say_going(struct invocation *invocation, const json_t *message, bool *is_going_out)
{
	int status = strcmp(text_of(message, "state"), "ready") == 0
			 ? check_profile(invocation, message)
			 : STATUS_DONE;

	*is_going_out = status == STATUS_DONE;
	if (*is_going_out && !invocation->is_json)
		(void)printf("it is on its way already: it goes as soon as there is room\n");
	return status;
}

/* The first of the selection that is in this state; gives it, NULL: none. */
static int
find_one(struct invocation *invocation, const char *state, json_t **message_out)
{
	json_t *fields = invocation->arguments.fields, *messages = NULL;
	char *path;
	int status;

	(void)json_object_set_new(fields, "state", json_string(state));
	(void)json_object_set_new(fields, "limit", json_integer(1));
	path = invocation_query(invocation, "/v1/messages");
	status = invocation_call(invocation, "GET", path, NULL, &messages);
	free(path);
	*message_out = json_incref(json_array_get(messages, 0));
	json_decref(messages);
	return status;
}

static int
explain_selection(struct invocation *invocation, bool *is_going_out)
{
	json_t *message = NULL;
	int status = find_one(invocation, "ready", &message);

	if (status == STATUS_DONE && message == NULL)
		status = find_one(invocation, "sending", &message);
	if (status == STATUS_DONE && message != NULL)
		status = say_going(invocation, message, is_going_out);
	json_decref(message);
	return status;
}

/* All of them must be, and the last one says why. */
static int
explain_ids(struct invocation *invocation, bool *is_going_out)
{
	json_t *message = NULL;
	int status = STATUS_DONE;
	bool are_going = true;

	for (unsigned i = 0; i < invocation->arguments.operand_count && are_going; i++) {
		char *path = client_path((const char *const[]){
		    "/v1/messages/", invocation->arguments.operands[i], NULL});

		json_decref(message);
		message = NULL;
		status = invocation_call(invocation, "GET", path, NULL, &message);
		free(path);
		are_going = status == STATUS_DONE && is_going(message);
	}
	if (are_going)
		status = say_going(invocation, message, is_going_out);
	json_decref(message);
	return status;
}

int
retry_explain(struct invocation *invocation, bool *is_going_out)
{
	*is_going_out = false;
	if (invocation->arguments.operand_count > 0)
		return explain_ids(invocation, is_going_out);
	return explain_selection(invocation, is_going_out);
}

int
retry_explain_all(struct invocation *invocation)
{
	json_t *message = NULL;
	int status;

	if (invocation->is_json)
		return STATUS_DONE; /* the count is all of its answer */
	(void)json_object_del(invocation->arguments.fields, "all");
	status = find_one(invocation, "ready", &message);
	if (status == STATUS_DONE && *text_of(message, "reason") != '\0')
		(void)printf("%s %s\n", text_of(message, "id"), text_of(message, "reason"));
	json_decref(message);
	return status;
}
