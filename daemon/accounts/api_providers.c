/* api_providers - the calls about what is known of providers. Nothing here can be changed: it is in
 * files. */
#include "daemon/accounts/api_call.h"
#include "daemon/accounts/presets.h"

#include <string.h>
#include <strings.h>

/* In the order of the file; `after` is a name. */
enum handled
api_provider_index(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	const struct providers *providers = &call->parts->presets.providers;
	const char *after = json_string_value(json_object_get(call->query, "after"));
	bool is_behind = after == NULL;
	int64_t limit;

	if (call_query_number(call, "limit", INT64_MAX, &limit, refusal_out) != 0)
		return CALL_REFUSED;
	*result_out = json_array();
	for (size_t i = 0; i < providers->count; i++) {
		if (is_behind && json_array_size(*result_out) < (size_t)limit)
			(void)json_array_append_new(
			    *result_out, presets_to_json(&providers->items[i]));
		is_behind = is_behind || strcasecmp(providers->items[i].name, after) == 0;
	}
	return CALL_DONE;
}

enum handled
api_provider_show(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	const struct provider *provider =
	    providers_find(&call->parts->presets.providers, call->name);

	if (provider == NULL) {
		(void)refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", NULL,
		    "there is no provider %.200s; see provider ls", call->name);
		return CALL_REFUSED;
	}
	*result_out = presets_to_json(provider);
	return CALL_DONE;
}
