/* explain - whether a user may send as an address, through which profile and why, behind what. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"
#include "ctl/readable.h"

#include <stdlib.h>
#include <string.h>

static const struct option_row options[] = {
    {"user", VALUE_TEXT, "U", "whose mail"},
    {"from", VALUE_TEXT, "ADDR", "its sender"},
    {"to", VALUE_TEXT, "ADDR", "its recipient"},
    {.name = NULL},
};

static const char *
text_of(const json_t *object, const char *field)
{
	const char *text = json_string_value(json_object_get(object, field));

	return text == NULL ? "" : text;
}

static void
print_authorization(const json_t *answer)
{
	bool is_authorized = json_is_true(json_object_get(answer, "authorized"));

	(void)printf("sender:    %s: %s\n", is_authorized ? "authorized" : "not authorized",
	    text_of(answer, "authorization"));
	if (!is_authorized && strcmp(text_of(answer, "unauthorized"), "alert") == 0)
		(void)printf("           its list lets such mail pass, and raises an alert\n");
	else if (!is_authorized)
		(void)printf(
		    "           such mail is refused with 550 5.7.1, and raises an alert\n");
}

/* Nothing takes it: what becomes of it, and what to do. */
static void
print_no_way(const json_t *answer)
{
	const json_t *step;
	bool is_shut_out = false;
	size_t i;

	if (json_is_false(json_object_get(answer, "accepted")))
		(void)printf("profile:   none: new mail of this user is refused at MAIL with 451 "
			     "4.3.5, what was accepted before waits\n");
	else
		(void)printf("profile:   none: mail of this sender is accepted, and waits\n");
	json_array_foreach(json_object_get(answer, "tried"), i, step) is_shut_out |=
	    strstr(text_of(step, "result"), "not available") != NULL;
	(void)printf(is_shut_out ? "           posternctl profile set NAME --available \"…\" lets "
				   "the user use one\n"
				 : "           posternctl profile add NAME --host HOST --default "
				   "makes one\n");
}

static void
print_choice(const json_t *answer)
{
	const json_t *tried = json_object_get(answer, "tried"), *step;
	const char *profile = text_of(answer, "profile"), *through = text_of(answer, "through");
	size_t i;

	if (*profile == '\0')
		print_no_way(answer);
	else
		(void)printf("profile:   %s, %s\n", profile, text_of(answer, "rule"));
	json_array_foreach(tried, i, step)(void)
	    printf("             %s: %s\n", text_of(step, "rule"), text_of(step, "result"));
	if (*through != '\0' && strcmp(through, profile) != 0)
		(void)printf("           just now its mail goes through %s\n", through);
	if (*text_of(answer, "fallback") != '\0')
		(void)printf("fallback:  %s\n", text_of(answer, "fallback"));
}

static void
print_state(const json_t *answer)
{
	const json_t *state = json_object_get(answer, "state");
	const char *until = text_of(state, "rate_limited_until");

	if (!json_is_object(state))
		return;
	(void)printf(
	    "state:     %s%s%s", text_of(state, "state"), *until == '\0' ? "" : " until ", until);
	if (*text_of(state, "last_error") != '\0')
		(void)printf(", %s", text_of(state, "last_error"));
	(void)printf("\n");
}

static json_int_t
number_of(const json_t *object, const char *field)
{
	return json_integer_value(json_object_get(object, field));
}

/* What is ready there with this priority or a higher one. */
static json_int_t
count_before(const json_t *answer, json_int_t priority)
{
	const json_t *ready = json_object_get(answer, "ready");
	json_int_t count = 0;

	for (json_int_t i = 0; i < priority; i++)
		count += json_integer_value(json_array_get(ready, (size_t)i));
	return count;
}

static void
print_priority(const json_t *answer)
{
	json_int_t priority = number_of(answer, "priority");

	(void)printf("priority:  %" JSON_INTEGER_FORMAT
		     " unless the message says more, %" JSON_INTEGER_FORMAT " at most\n",
	    priority, number_of(answer, "priority_max"));
	if (json_is_array(json_object_get(answer, "ready")))
		(void)printf("before it: %" JSON_INTEGER_FORMAT
			     " ready messages of a higher priority, %" JSON_INTEGER_FORMAT
			     " of the same, whose users take turns\n",
		    count_before(answer, priority - 1),
		    count_before(answer, priority) - count_before(answer, priority - 1));
}

static void
print_budget(const json_t *answer)
{
	const json_t *budget = json_object_get(json_object_get(answer, "state"), "budget"), *row;
	size_t i;

	json_array_foreach(budget, i, row)
	{
		char *text = readable_budget(row);

		(void)printf("budget:    %s\n", text);
		free(text);
	}
}

static int
run(struct invocation *invocation)
{
	const json_t *fields = invocation->arguments.fields;
	json_t *answer = NULL;
	char *path;
	int status;

	if (json_object_get(fields, "user") == NULL || json_object_get(fields, "from") == NULL)
		return invocation_fail(STATUS_USAGE, "explain needs --user and --from");
	path = invocation_query(invocation, "/v1/explain");
	status = invocation_call(invocation, "GET", path, NULL, &answer);
	free(path);
	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json) {
		invocation_print_json(answer);
	} else {
		print_authorization(answer);
		print_choice(answer);
		print_state(answer);
		print_priority(answer);
		print_budget(answer);
	}
	json_decref(answer);
	return STATUS_DONE;
}

const struct command explain_commands[] = {
    {"explain", NULL, "", 0, 0, options,
	"whether a user may send so, through which profile and why, behind what", run},
    {.noun = NULL},
};
