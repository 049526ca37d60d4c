/* api_explain - whether a user may send as an address, which profile takes it, and why. What the
 * profile is doing just now is queue's to add. */
#include "common/mailaddr.h"
#include "common/sender_rules.h"
#include "common/xalloc.h"
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/choices.h"
#include "daemon/accounts/db_rows.h"
#include "daemon/accounts/user.h"
#include "daemon/accounts/userlist.h"

#include <stdlib.h>
#include <string.h>

struct question {
	struct user user;
	struct userlist list;
	struct mailaddr from;
	const char *to; /* NULL: whoever */
};

static void
question_fini(struct question *question)
{
	table_row_fini(&user_table, &question->user);
	table_row_fini(&userlist_table, &question->list);
}

static int
read_address(struct call *call, const char *name, const char *text, struct mailaddr *address_out,
    struct refusal *refusal_out)
{
	struct err why;

	if (text == NULL)
		return refuse(refusal_out, REFUSED_INVALID, "missing", name,
		    "%s: which address is asked for?", name);
	if (mailaddr_parse(text, strlen(text), address_out, &why) == MAILADDR_OK &&
	    address_out->text[0] != '\0')
		return 0;
	return refuse(refusal_out, REFUSED_INVALID, "invalid", name, "%s: %.200s", name,
	    address_out->text[0] == '\0' ? "must be an address, not <>" : why.text);
}

static int
read_question(struct call *call, struct question *question, struct refusal *refusal_out)
{
	struct db *db = call->parts->db;
	const char *login = json_string_value(json_object_get(call->query, "user"));
	const char *from = json_string_value(json_object_get(call->query, "from"));
	struct mailaddr to = {.text = ""};
	struct err err;
	int found;

	question->to = json_string_value(json_object_get(call->query, "to"));
	if (login == NULL)
		return refuse(
		    refusal_out, REFUSED_INVALID, "missing", "user", "user: whose mail is it?");
	if (read_address(call, "from", from, &question->from, refusal_out) != 0 ||
	    (question->to != NULL && read_address(call, "to", question->to, &to, refusal_out) != 0))
		return -1;
	found = db_find(db, &user_table, login, &question->user, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", "user",
		    "there is no user %.200s", login);
	if (found > 0)
		found = db_find(db, &userlist_table, question->user.list, &question->list, &err);
	return found < 0 ? refuse_unavailable(refusal_out, &err) : 0;
}

/* ---- may it? ---- */

/* In words; the caller frees. */
static char *
judge_sender(const struct question *question, bool *is_authorized_out)
{
	const struct user *user = &question->user;
	struct sender_rules domains = {0}, senders = {0};
	struct err why;
	const char *rule = NULL;
	char *text;

	/* What stands in the row was read before. */
	ensure((user->domains == NULL ||
		   sender_rules_parse_domains(user->domains, &domains, &why) == 0) &&
	       (user->senders == NULL ||
		   sender_rules_parse_senders(user->senders, &senders, &why) == 0));
	rule = sender_rules_deciding(&domains, &senders, question->from.text);
	*is_authorized_out = rule != NULL && user->active;
	if (!user->active)
		text = xasprintf("user %s is not active: its logins are refused", user->login);
	else if (rule == NULL)
		text = xasprintf("%s is not among the senders of user %s, and its domain is not "
				 "among its domains",
		    question->from.text, user->login);
	else if (*rule == '\0')
		text =
		    xasprintf("user %s has neither senders nor domains set: it may send as anybody",
			user->login);
	else
		text = xasprintf("user %s may send as %s", user->login, rule);
	sender_rules_fini(&domains);
	sender_rules_fini(&senders);
	return text;
}

static void
add_authorization(struct call *call, json_t *object, const struct question *question)
{
	enum unauthorized_action action = call->parts->config->sender_authorization;
	bool is_authorized;
	char *text = judge_sender(question, &is_authorized);

	if (question->list.unauthorized != NULL)
		action = strcmp(question->list.unauthorized, "alert") == 0 ? UNAUTHORIZED_ALERT
									   : UNAUTHORIZED_BLOCK;
	(void)json_object_set_new(object, "authorized", json_boolean(is_authorized));
	(void)json_object_set_new(object, "authorization", json_string(text));
	(void)json_object_set_new(
	    object, "unauthorized", json_string(action == UNAUTHORIZED_ALERT ? "alert" : "block"));
	(void)json_object_set_new(object, "check",
	    json_string(question->user.check == NULL ? "both" : question->user.check));
	free(text);
}

/* ---- which way? ---- */

static void
add_choice(json_t *object, const struct choices *choices, const struct question *question)
{
	const struct choice_asker asker = {.login = question->user.login,
	    .list = question->user.list,
	    .profile = question->user.profile,
	    .list_profile = question->list.profile,
	    .sender = question->from.text};
	struct choice_asker of_any_sender = asker;
	json_t *tried = json_array();
	struct choice choice;

	of_any_sender.sender = NULL; /* as smtpd asks, see grants.c */
	choices_choose(choices, &asker, &choice);
	for (int rule = 0; rule < CHOICE_RULES; rule++)
		if (choice.tried[rule].text[0] != '\0')
			(void)json_array_append_new(tried,
			    json_pack("{s:s,s:s}", "rule", choice_rule_name((enum choice_rule)rule),
				"result", choice.tried[rule].text));
	(void)json_object_set_new(object, "profile",
	    choice.profile == NULL ? json_null() : json_string(choice.profile->name));
	(void)json_object_set_new(object, "rule", json_string(choice_rule_name(choice.rule)));
	(void)json_object_set_new(
	    object, "accepted", json_boolean(choices_has_way(choices, &of_any_sender)));
	(void)json_object_set_new(object, "tried", tried);
	(void)json_object_set_new(object, "fallback",
	    choice.profile == NULL || *choice.profile->fallback == '\0'
		? json_null()
		: json_string(choice.profile->fallback));
}

static int
explain(
    struct call *call, struct question *question, json_t **result_out, struct refusal *refusal_out)
{
	struct choices choices;
	struct err err;

	if (read_question(call, question, refusal_out) != 0)
		return -1;
	if (choices_read(&choices, call->parts->db, &err) != 0)
		return refuse_unavailable(refusal_out, &err);
	*result_out = json_pack("{s:s,s:s,s:s,s:s?,s:I,s:I}", "user", question->user.login, "list",
	    question->user.list, "from", question->from.text, "to", question->to, "priority",
	    (json_int_t)question->user.priority, "priority_max",
	    (json_int_t)question->user.priority_max);
	ensure(*result_out != NULL);
	add_authorization(call, *result_out, question);
	add_choice(*result_out, &choices, question);
	choices_fini(&choices);
	return 0;
}

enum handled
api_explain(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	struct question question = {.to = NULL};
	int rc = explain(call, &question, result_out, refusal_out);

	question_fini(&question);
	return rc == 0 ? CALL_DONE : CALL_REFUSED;
}
