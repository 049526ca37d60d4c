/* provider - what is known of mail providers, for profile add --provider. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static const struct column columns[] = {
    {"NAME", "name", COLUMN_PLAIN},
    {"PROVIDER", "title", COLUMN_PLAIN},
    {"HOST", "host", COLUMN_PLAIN},
    {"PORT", "port", COLUMN_NUMBER},
    {"TLS", "tls", COLUMN_PLAIN},
    {"RECIPIENTS", "recipient_rate", COLUMN_PLAIN},
    {NULL, NULL, COLUMN_PLAIN},
};

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/providers", columns);
}

static int
run_show(struct invocation *invocation)
{
	json_t *provider = NULL, *hints;
	int status = invocation_get(invocation, "/v1/providers/", &provider);

	if (status != STATUS_DONE)
		return status;
	hints = json_incref(json_object_get(provider, "hints"));
	if (!invocation->is_json)
		(void)json_object_del(provider, "hints");
	status = invocation_print_record(invocation, provider);
	if (!invocation->is_json)
		invocation_print_notes(hints);
	json_decref(hints);
	json_decref(provider);
	return status;
}

const struct command provider_commands[] = {
    {"provider", "ls", "", 0, 0, NULL, "mail providers that profile add --provider knows", run_ls},
    {"provider", "show", "NAME", 1, 1, NULL, "all about a provider, and what to look out for",
	run_show},
    {.noun = NULL},
};
