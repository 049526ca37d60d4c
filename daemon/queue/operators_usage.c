/* operators_usage - what a user has sent lately, and how much is left of its limits. */
#include "daemon/queue/operators_private.h"

#include <string.h>
#include <strings.h>

const struct user *
operators_find_user(const struct operators *operators, const char *login)
{
	const struct routes *routes = scheduler_routes(operators->scheduler);

	IDMAP_EACH(&routes->users, slot)
	{
		const struct user *user = slot->object;

		if (!user->is_orphan && strcasecmp(user->login, login) == 0)
			return user;
	}
	return NULL;
}

static json_t *
number_if(bool is_counted, uint32_t number)
{
	return is_counted ? json_integer(number) : json_null();
}

/* Users without a limit are not counted at all. */
static void
add_counts(json_t *object, const struct caps_view *view)
{
	bool has_messages = !cap_is_none(&view->limits.messages);
	bool is_counted = has_messages || !cap_is_none(&view->limits.recipients);
	const struct {
		const char *used_name, *left_name;
		uint32_t used, left;
	} rows[] = {
	    {"messages_used_hour", "messages_left_hour", view->hour.messages,
		view->hour_left.messages},
	    {"messages_used_day", "messages_left_day", view->day.messages, view->day_left.messages},
	    {"recipients_used_hour", "recipients_left_hour", view->hour.recipients,
		view->hour_left.recipients},
	    {"recipients_used_day", "recipients_left_day", view->day.recipients,
		view->day_left.recipients},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)json_object_set_new(
		    object, rows[i].used_name, number_if(is_counted, rows[i].used));
		(void)json_object_set_new(
		    object, rows[i].left_name, number_if(rows[i].left != UINT32_MAX, rows[i].left));
	}
}

void
call_answer_usage(struct call *call, const char *login)
{
	const struct user *user = operators_find_user(call->operators, login);
	json_t *object = json_object();
	struct caps_view view = {0};

	if (user != NULL)
		caps_show(call->operators->caps, user, &view);
	add_counts(object, &view);
	(void)json_object_set_new(object, "limited_until", result_time(view.limited_until_ms));
	(void)json_object_set_new(object, "has_held", json_boolean(view.has_waiting));
	call_answer_json(call, 200, object);
}
