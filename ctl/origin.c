/* origin - the noun client: addresses from which passwords are guessed. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static const struct column columns[] = {
    {"ADDRESS", "address", COLUMN_PLAIN},
    {"CONNECTIONS", "connections", COLUMN_NUMBER},
    {"GUESSES", "guesses", COLUMN_NUMBER},
    {"SHUT OUT UNTIL", "shut_out_until", COLUMN_PLAIN},
    {"KNOWN USERS", "known_users", COLUMN_NUMBER},
    {NULL, NULL, COLUMN_PLAIN},
};

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/clients", columns);
}

static int
run_forgive(struct invocation *invocation)
{
	return invocation_post(invocation, "/v1/clients/", "/forgive");
}

const struct command client_commands[] = {
    {"client", "ls", "", 0, 0, NULL, "addresses that guess passwords", run_ls},
    {"client", "forgive", "ADDRESS", 1, 1, NULL, "let an address log in again", run_forgive},
    {.noun = NULL},
};
