/* tls - our own CA, for clients to trust. */
#include "ctl/invocation.h"
#include "ctl/nouns.h"

static int
run_ca(struct invocation *invocation)
{
	json_t *result = NULL;
	const char *certificate;
	int status = invocation_call(invocation, "GET", "/v1/tls/ca", NULL, &result);

	if (status != STATUS_DONE)
		return status;
	certificate = json_string_value(json_object_get(result, "certificate"));
	if (invocation->is_json)
		invocation_print_json(result);
	else if (certificate != NULL && certificate[0] != '\0')
		(void)fputs(certificate, stdout);
	else
		status = invocation_fail(STATUS_REFUSED,
		    "our own CA is not in use: postern.conf names a certificate (tls.certificate)");
	json_decref(result);
	return status;
}

const struct command tls_commands[] = {
    {"tls", "ca", "", 0, 0, NULL, "our own CA's certificate, for clients to trust", run_ca},
    {.noun = NULL},
};
