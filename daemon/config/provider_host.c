/* provider_host - whose a host is that somebody typed. */
#include "daemon/config/providers.h"

#include <string.h>
#include <strings.h>

/* `gap` of the pattern stands for one or more characters. */
static bool
fits(const char *pattern, const char *gap, const char *host, size_t host_size)
{
	const char *at = strstr(pattern, gap);
	size_t before, behind;

	if (at == NULL)
		return strlen(pattern) == host_size && strncasecmp(pattern, host, host_size) == 0;
	before = (size_t)(at - pattern);
	behind = strlen(at) - strlen(gap);
	return host_size > before + behind && strncasecmp(pattern, host, before) == 0 &&
	       strncasecmp(at + strlen(gap), host + host_size - behind, behind) == 0;
}

static bool
has_host(const struct provider *provider, const char *host, size_t size)
{
	for (size_t i = 0; i < provider->value_count; i++)
		if (strcmp(provider->values[i].field, "host") == 0 &&
		    fits(provider->values[i].text, PROVIDER_REGION, host, size))
			return true;
	for (size_t i = 0; i < provider->aliases.count; i++)
		if (fits(provider->aliases.items[i], "*", host, size))
			return true;
	return false;
}

const struct provider *
providers_find_host(const struct providers *providers, const char *host)
{
	size_t size = strlen(host);

	if (size > 0 && host[size - 1] == '.')
		size--;
	for (size_t i = 0; i < providers->count; i++)
		if (has_host(&providers->items[i], host, size))
			return &providers->items[i];
	return NULL;
}
