/* user - who may log in, and as which senders it may send. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"LOGIN", "login", COLUMN_PLAIN},
    {"LIST", "list", COLUMN_PLAIN},
    {"ACTIVE", "active", COLUMN_PLAIN},
    {"PRIORITY", "priority", COLUMN_NUMBER},
    {"PROFILE", "profile", COLUMN_PLAIN},
    {"DOMAINS", "domains", COLUMN_PLAIN},
    {"SENDERS", "senders", COLUMN_PLAIN},
    {"CRAM-MD5", "cram_md5", COLUMN_IF_ANY},
    {"NOTE", "note", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

/* What a mail client asks for when it is set up. */
static const char *const account_fields[] = {"login", "password", "server", "ports", "encryption"};

#define USER_OPTIONS                                                                               \
	{"list", VALUE_TEXT, "LIST", "the list it belongs to"},                                    \
	    {"priority", VALUE_NUMBER, "1-5", "of its messages; 1 is very high, 3 normal"},        \
	    {"priority-max", VALUE_NUMBER, "1-5", "the highest that a message can ask for"},       \
	    {"domains", VALUE_ITEMS, "\"d1;d2\"", "authorized sender domains; *.d: all below d"},  \
	    {"senders", VALUE_ITEMS, "\"a@b;c@d\"", "authorized sender addresses; *: any"},        \
	    {"check", VALUE_TEXT, "both|envelope|header", "which sender is checked"},              \
	    {"profile", VALUE_TEXT, "P", "the way out; \"\": the list's, else the default"},       \
	    {"stamp-priority", VALUE_YES_NO, "yes|no",                                             \
		"write the effective priority into the message"},                                  \
	    {"messages", VALUE_TEXT, "\"100/h 1000/d\"",                                           \
		"how many it may send; none; \"\": the config's default"},                         \
	    {"recipients", VALUE_TEXT, "\"500/h 5000/d\"", "the same of recipients"},              \
	    {"over-limit", VALUE_TEXT, "refuse|hold", "what becomes of a message beyond"},         \
	    {"active", VALUE_YES_NO, "yes|no", "whether it may log in"},                           \
	{                                                                                          \
		"note", VALUE_TEXT, "TEXT", "for internal use"                                     \
	}

static const struct option_row add_options[] = {
    USER_OPTIONS,
    {"password-stdin", VALUE_STDIN, NULL, "the password is a line of stdin; else one is made"},
    {.name = NULL},
};

static const struct option_row set_options[] = {USER_OPTIONS, {.name = NULL}};

static const struct option_row reset_options[] = {
    {"password-stdin", VALUE_STDIN, NULL, "the password is a line of stdin; else one is made"},
    {.name = NULL},
};

static const struct option_row ls_options[] = {
    {"list", VALUE_TEXT, "LIST", "only of this list"},
    {.name = NULL},
};

static int
print_account(const struct invocation *invocation, int status, json_t *user)
{
	json_t *account;

	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json) {
		invocation_print_json(user);
	} else {
		account = json_object();
		for (size_t i = 0; i < sizeof(account_fields) / sizeof(account_fields[0]); i++)
			(void)json_object_set(
			    account, account_fields[i], json_object_get(user, account_fields[i]));
		table_print_record(stdout, account);
		json_decref(account);
	}
	json_decref(user);
	return STATUS_DONE;
}

static int
run_add(struct invocation *invocation)
{
	json_t *fields = invocation->arguments.fields, *user = NULL;
	json_t *login = json_string(invocation->arguments.operands[0]);
	int status;

	if (login == NULL)
		return invocation_fail(STATUS_USAGE, "the login is not UTF-8");
	if (json_object_get(fields, "list") == NULL) {
		json_decref(login);
		return invocation_fail(
		    STATUS_USAGE, "--list is missing: every user belongs to a list");
	}
	(void)json_object_set_new(fields, "login", login);
	status = invocation_call(invocation, "POST", "/v1/users", fields, &user);
	return print_account(invocation, status, user);
}

static int
run_reset(struct invocation *invocation)
{
	char *path = invocation_path(invocation, "/v1/users/", "/reset-password");
	json_t *user = NULL;
	int status = invocation_call(invocation, "POST", path, invocation->arguments.fields, &user);

	free(path);
	return print_account(invocation, status, user);
}

static int
run_set(struct invocation *invocation)
{
	return invocation_set(invocation, "/v1/users/");
}

static int
run_show(struct invocation *invocation)
{
	return invocation_show(invocation, "/v1/users/");
}

static int
run_rm(struct invocation *invocation)
{
	return invocation_rm(invocation, "/v1/users/");
}

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/users", columns);
}

const struct command user_commands[] = {
    {"user", "add", "LOGIN", 1, 1, add_options, "make a user; prints what its mail client needs",
	run_add},
    {"user", "set", "LOGIN", 1, 1, set_options, "change a user", run_set},
    {"user", "show", "LOGIN", 1, 1, NULL, "all about a user, but no password", run_show},
    {"user", "rm", "LOGIN", 1, 1, NULL, "remove a user", run_rm},
    {"user", "ls", "", 0, 0, ls_options, "all users", run_ls},
    {"user", "reset-password", "LOGIN", 1, 1, reset_options,
	"a new password, shown this once; the old one ends", run_reset},
    {.noun = NULL},
};
