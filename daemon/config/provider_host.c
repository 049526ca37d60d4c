/* provider_host - whose the hosts are that somebody typed. */
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

/* A profile that has a host of somebody else's beside them is not the provider's. */
static bool
has_all_hosts(const struct provider *provider, const char *hosts)
{
	bool has_any = false;

	for (size_t size; *hosts != '\0'; hosts += size + (hosts[size] == ';')) {
		size = strcspn(hosts, ";");
		if (!has_host(provider, hosts, size - (size > 0 && hosts[size - 1] == '.')))
			return false;
		has_any = true;
	}
	return has_any;
}

const struct provider *
providers_find_hosts(const struct providers *providers, const char *hosts)
{
	for (size_t i = 0; i < providers->count; i++)
		if (has_all_hosts(&providers->items[i], hosts))
			return &providers->items[i];
	return NULL;
}
