/* list - what users belong to: the rule for unauthorized senders, a profile, a note. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static const struct column columns[] = {
    {"NAME", "name", COLUMN_PLAIN},
    {"USERS", "users", COLUMN_NUMBER},
    {"UNAUTHORIZED", "unauthorized", COLUMN_PLAIN},
    {"PROFILE", "profile", COLUMN_PLAIN},
    {"NOTE", "note", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

static const struct option_row options[] = {
    {"unauthorized", VALUE_TEXT, "block|alert", "what a forged sender does; \"\": the config's"},
    {"profile", VALUE_TEXT, "P", "the way out for its users; \"\": the default profile"},
    {"note", VALUE_TEXT, "TEXT", "for internal use"},
    {"alert-to", VALUE_LATER, "ADDR", NULL},
    {.name = NULL},
};

static int
run_add(struct invocation *invocation)
{
	return invocation_add(invocation, "/v1/lists", "name");
}

static int
run_set(struct invocation *invocation)
{
	return invocation_set(invocation, "/v1/lists/");
}

static int
run_show(struct invocation *invocation)
{
	return invocation_show(invocation, "/v1/lists/");
}

static int
run_rm(struct invocation *invocation)
{
	return invocation_rm(invocation, "/v1/lists/");
}

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/lists", columns);
}

const struct command list_commands[] = {
    {"list", "add", "NAME", 1, 1, options, "make a list", run_add},
    {"list", "set", "NAME", 1, 1, options, "change a list", run_set},
    {"list", "show", "NAME", 1, 1, NULL, "all about a list", run_show},
    {"list", "rm", "NAME", 1, 1, NULL, "remove a list that has no users", run_rm},
    {"list", "ls", "", 0, 0, NULL, "all lists", run_ls},
    {.noun = NULL},
};
