/* presets - puts a provider's values where a profile has none. */
#include "daemon/accounts/presets.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/accounts/profile_oauth.h"

#include <stdlib.h>
#include <string.h>

static void
read_file(struct presets *presets, const char *name, struct msg_bytes text)
{
	struct providers more;
	struct err err;

	if (providers_parse(name, (const char *)text.at, text.size, &more, &err) != 0) {
		log_problem(LOG_ERROR, "the providers can't be read: %s", err.text);
		return;
	}
	providers_add(&presets->providers, &more);
}

void
presets_read(struct presets *presets, struct msg_bytes installed, struct msg_bytes own)
{
	presets_fini(presets);
	read_file(presets, "providers.conf", installed);
	read_file(presets, "providers", own);
}

void
presets_fini(struct presets *presets)
{
	providers_fini(&presets->providers);
}

/* ---- a name ---- */

static int
refuse_unknown(const struct presets *presets, const char *name, struct refusal *refusal_out)
{
	struct buf names;
	int rc;

	buf_init(&names);
	for (size_t i = 0; i < presets->providers.count; i++)
		buf_printf(&names, "%s%s", i == 0 ? "" : " ", presets->providers.items[i].name);
	if (presets->providers.count == 0)
		rc = refuse(refusal_out, REFUSED_INVALID, "invalid", "provider",
		    "provider: there is no provider %.40s; none is known: neither %s nor the file "
		    "that the option providers of the config may name has any",
		    name, PROVIDERS_PATH);
	else
		rc = refuse(refusal_out, REFUSED_INVALID, "invalid", "provider",
		    "provider: there is no provider %.40s; known are %s", name, names.bytes);
	buf_fini(&names);
	return rc;
}

int
presets_check_name(const struct presets *presets, char **name, struct refusal *refusal_out)
{
	const struct provider *provider;

	if (*name == NULL)
		return 0;
	provider = providers_find(&presets->providers, *name);
	if (provider == NULL)
		return refuse_unknown(presets, *name, refusal_out);
	free(*name);
	*name = xstrdup(provider->name);
	return 0;
}

/* ---- values ---- */

static json_t *
value_to_json(const struct provider_value *value)
{
	return value->is_number ? json_integer(value->number) : json_string(value->text);
}

static bool
is_region(const struct provider *provider, const char *name, size_t size)
{
	for (size_t i = 0; i < provider->regions.count; i++)
		if (strlen(provider->regions.items[i]) == size &&
		    strncmp(provider->regions.items[i], name, size) == 0)
			return true;
	return false;
}

static void
add_host(struct buf *hosts, const char *pattern, const char *region, size_t size)
{
	const char *at = strstr(pattern, PROVIDER_REGION);

	buf_printf(hosts, "%s%.*s%.*s%s", hosts->size > 0 ? ";" : "", (int)(at - pattern), pattern,
	    (int)size, region, at + strlen(PROVIDER_REGION));
}

/* Hosts of a profile's own stay what they are. False: all of them are. */
static bool
add_hosts(
    struct buf *hosts, const struct provider *provider, const char *pattern, const char *names)
{
	bool has_region = false;

	for (size_t size; *names != '\0'; names += size + (names[size] == ';')) {
		size = strcspn(names, ";");
		if (is_region(provider, names, size)) {
			add_host(hosts, pattern, names, size);
			has_region = true;
		} else {
			buf_printf(hosts, "%s%.*s", hosts->size > 0 ? ";" : "", (int)size, names);
		}
	}
	return has_region;
}

/* The hosts of the regions that the profile names as its hosts, or that of the usual one. Otherwise
 * the profile has hosts of its own, or none. */
static void
add_regional_hosts(json_t *values, const struct provider *provider, const struct profile *profile,
    const char *pattern)
{
	const char *names = profile->host != NULL ? profile->host : provider->region;
	struct buf hosts;

	buf_init(&hosts);
	if (names != NULL && add_hosts(&hosts, provider, pattern, names))
		(void)json_object_set_new(values, "host", json_string(hosts.bytes));
	buf_fini(&hosts);
}

/* The provider's values for what the profile leaves open. What this version has no field for is
 * for a later one. */
static json_t *
values_for(const struct provider *provider, struct profile *profile)
{
	json_t *values = json_object();

	for (size_t i = 0; i < provider->value_count; i++) {
		const struct provider_value *value = &provider->values[i];
		const struct field *field = table_find_field(&profile_table, value->field);

		if (field == NULL || !profile_oauth_takes(profile, value->field))
			continue;
		if (strcmp(value->field, "host") == 0 && provider->regions.count > 0)
			add_regional_hosts(values, provider, profile, value->text);
		else if (!field_is_set(field, profile))
			(void)json_object_set_new(values, value->field, value_to_json(value));
	}
	/* Who chose one of port and TLS mode has chosen both. */
	if (profile->port != 0 || profile->tls != NULL) {
		(void)json_object_del(values, "port");
		(void)json_object_del(values, "tls");
	}
	return values;
}

static void
add_regions(struct buf *names, const struct provider *provider)
{
	for (size_t i = 0; i < provider->regions.count; i++)
		buf_printf(names, "%s%s", i == 0 ? "" : ", ", provider->regions.items[i]);
}

static int
refuse_region(const struct provider *provider, struct refusal *refusal_out)
{
	struct buf names;
	int rc;

	buf_init(&names);
	add_regions(&names, provider);
	rc = refuse(refusal_out, REFUSED_INVALID, "missing", "host",
	    "host: provider %s has one for each region; name the region (--host %s) or the host: "
	    "%s",
	    provider->name, provider->regions.items[0], names.bytes);
	buf_fini(&names);
	return rc;
}

int
presets_apply(const struct presets *presets, struct profile *profile, struct refusal *refusal_out)
{
	const struct provider *provider;
	struct refusal why;
	json_t *values;
	int rc;

	if (profile->provider == NULL)
		return 0;
	provider = providers_find(&presets->providers, profile->provider);
	if (provider == NULL)
		return refuse_unknown(presets, profile->provider, refusal_out);
	if (provider->regions.count > 0 && provider->region == NULL && profile->host == NULL)
		return refuse_region(provider, refusal_out);
	values = values_for(provider, profile);
	rc = table_read_json(&profile_table, profile, values, 0, &why);
	json_decref(values);
	if (rc != 0)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", "provider",
		    "provider: %s can't be used in this version of postern: %.300s", provider->name,
		    why.why.text);
	return 0;
}

/* A name without a dot is meant as a region. */
static bool
is_like_region(const char *name, size_t size)
{
	return memchr(name, '.', size) == NULL && memchr(name, ':', size) == NULL &&
	       !(size == strlen("localhost") && strncmp(name, "localhost", size) == 0);
}

static int
refuse_unknown_region(
    const struct provider *provider, const char *name, size_t size, struct refusal *refusal_out)
{
	struct buf names;
	int rc;

	buf_init(&names);
	add_regions(&names, provider);
	rc = refuse(refusal_out, REFUSED_INVALID, "invalid", "host",
	    "host: provider %s has no region %.*s; known are %s; a host of another name has a dot "
	    "in it",
	    provider->name, (int)size, name, names.bytes);
	buf_fini(&names);
	return rc;
}

int
presets_check_regions(
    const struct presets *presets, const struct profile *profile, struct refusal *refusal_out)
{
	const struct provider *provider =
	    profile->provider == NULL ? NULL
				      : providers_find(&presets->providers, profile->provider);
	const char *at = profile->host != NULL ? profile->host : "";

	if (provider == NULL || provider->regions.count == 0)
		return 0;
	for (size_t size; *at != '\0'; at += size + (at[size] == ';')) {
		size = strcspn(at, ";");
		if (is_like_region(at, size) && !is_region(provider, at, size))
			return refuse_unknown_region(provider, at, size, refusal_out);
	}
	return 0;
}

const struct provider *
presets_provider_of(const struct presets *presets, const struct profile *profile)
{
	if (profile->provider != NULL)
		return providers_find(&presets->providers, profile->provider);
	return profile->host == NULL ? NULL
				     : providers_find_hosts(&presets->providers, profile->host);
}

static json_t *
texts_to_json(const struct provider_texts *texts)
{
	json_t *array = json_array();

	for (size_t i = 0; i < texts->count; i++)
		(void)json_array_append_new(array, json_string(texts->items[i]));
	return array;
}

json_t *
presets_to_json(const struct provider *provider)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "name", json_string(provider->name));
	(void)json_object_set_new(object, "title", json_string(provider->title));
	for (size_t i = 0; i < provider->value_count; i++)
		(void)json_object_set_new(
		    object, provider->values[i].field, value_to_json(&provider->values[i]));
	(void)json_object_set_new(object, "regions", texts_to_json(&provider->regions));
	(void)json_object_set_new(object, "region",
	    provider->region == NULL ? json_null() : json_string(provider->region));
	(void)json_object_set_new(object, "aliases", texts_to_json(&provider->aliases));
	(void)json_object_set_new(object, "hints", texts_to_json(&provider->hints));
	return object;
}
