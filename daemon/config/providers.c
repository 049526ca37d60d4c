/* providers - reads presets: each key has a row that says what it may be. */
#include "daemon/config/providers.h"

#include "common/buf.h"
#include "common/domain.h"
#include "common/netaddr.h"
#include "common/rate.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 40
#define PROVIDERS_MAX 1000
#define ITEMS_MAX 100
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum key_kind { KEY_TEXT, KEY_HOST, KEY_NUMBER, KEY_CHOICE, KEY_RATE, KEY_URL, KEY_TEXTS };

struct key {
	const char *name;
	enum key_kind kind;
	int64_t min, max;           /* of a number, or of a text's bytes */
	const char *const *choices; /* of KEY_CHOICE */
	size_t target;              /* offset in struct provider; 0: a field of the profile */
};

static const char *const tls_modes[] = {"none", "opportunistic", "starttls", "implicit", NULL};
static const char *const tls_versions[] = {"1.0", "1.1", "1.2", "1.3", NULL};
static const char *const auth_methods[] = {"none", "auto", "anonymous", "plain", "login",
    "cram-md5", "ntlm", "msn", "scram-sha-1", "scram-sha-256", "external", "xoauth2", "oauthbearer",
    NULL};

#define AT(field) offsetof(struct provider, field)
/* clang-format off */
static const struct key keys[] = {
	{"host", KEY_HOST, 1, 255, NULL, 0},
	{"port", KEY_NUMBER, 1, 65535, NULL, 0},
	{"tls", KEY_CHOICE, 0, 0, tls_modes, 0},
	{"tls_min", KEY_CHOICE, 0, 0, tls_versions, 0},
	{"auth", KEY_CHOICE, 0, 0, auth_methods, 0},
	{"username", KEY_TEXT, 1, 255, NULL, 0},
	{"connections", KEY_NUMBER, 1, 1000, NULL, 0},
	{"connection_rate", KEY_RATE, 1, RATE_TEXT_SIZE - 1, NULL, 0},
	{"messages_per_connection", KEY_NUMBER, 1, 1000000, NULL, 0},
	{"recipients_per_message", KEY_NUMBER, 1, 10000, NULL, 0},
	{"rate", KEY_RATE, 1, RATE_TEXT_SIZE - 1, NULL, 0},
	{"recipient_rate", KEY_RATE, 1, RATE_TEXT_SIZE - 1, NULL, 0},
	{"oauth_token_url", KEY_URL, 1, 500, NULL, 0},
	{"oauth_device_url", KEY_URL, 1, 500, NULL, 0},
	{"oauth_scope", KEY_TEXT, 1, 500, NULL, 0},
	{"title", KEY_TEXT, 1, 100, NULL, AT(title)},
	{"regions", KEY_TEXTS, 1, 60, NULL, AT(regions)},
	{"region", KEY_TEXT, 1, 60, NULL, AT(region)},
	{"hints", KEY_TEXTS, 1, 500, NULL, AT(hints)},
	{"aliases", KEY_TEXTS, 1, 255, NULL, AT(aliases)},
};
/* clang-format on */

/* ---- what is wrong ---- */

struct reader {
	const char *file;
	const struct provider *provider;
	struct err *err_out;
};

__attribute__((format(printf, 4, 5))) static int
fail(struct reader *reader, const config_setting_t *setting, const char *key, const char *format,
    ...)
{
	struct err text;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text.text, sizeof(text.text), format, args);
	va_end(args);
	return err_set(reader->err_out, "%s:%u: %s%s%s: %.700s", reader->file,
	    config_setting_source_line(setting),
	    reader->provider == NULL ? "" : reader->provider->name, *key == '\0' ? "" : ".", key,
	    text.text);
}

static int
fail_unknown(struct reader *reader, const config_setting_t *setting, const char *name)
{
	struct buf names;
	int rc;

	buf_init(&names);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		buf_printf(&names, " %s", keys[i].name);
	rc = fail(reader, setting, name, "unknown key; a provider may have%s", names.bytes);
	buf_fini(&names);
	return rc;
}

static int
fail_choice(struct reader *reader, const config_setting_t *setting, const struct key *key)
{
	struct buf names;
	int rc;

	buf_init(&names);
	for (size_t i = 0; key->choices[i] != NULL; i++)
		buf_printf(&names, "%s%s", i == 0 ? "" : ", ", key->choices[i]);
	rc = fail(reader, setting, key->name, "must be one of %s", names.bytes);
	buf_fini(&names);
	return rc;
}

/* ---- values ---- */

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

static int
check_length(
    struct reader *reader, const config_setting_t *setting, const struct key *key, const char *text)
{
	if (text != NULL && strlen(text) >= (size_t)key->min && strlen(text) <= (size_t)key->max &&
	    is_printable(text))
		return 0;
	return fail(reader, setting, key->name,
	    "must be text of %d to %d bytes in quotes, without control characters", (int)key->min,
	    (int)key->max);
}

/* A domain, in which the region may stand. */
static int
check_host(
    struct reader *reader, const config_setting_t *setting, const struct key *key, const char *text)
{
	const char *region = strstr(text, PROVIDER_REGION);
	char name[DOMAIN_SIZE];
	struct netaddr address;
	struct err why;
	char *host = region == NULL ? xstrdup(text)
				    : xasprintf("%.*sregion%s", (int)(region - text), text,
					  region + strlen(PROVIDER_REGION));
	int rc =
	    netaddr_parse(host, &address) ? 0 : domain_normalise(host, strlen(host), name, &why);

	free(host);
	return rc == 0 ? 0 : fail(reader, setting, key->name, "%s", why.text);
}

/* https, or a server on this machine. */
static int
check_url(
    struct reader *reader, const config_setting_t *setting, const struct key *key, const char *text)
{
	static const char *const beginnings[] = {
	    "https://", "http://127.0.0.1:", "http://localhost:"};

	for (size_t i = 0; i < COUNT_OF(beginnings); i++)
		if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
			return 0;
	return fail(reader, setting, key->name, "must begin with https://");
}

static int
check_choice(
    struct reader *reader, const config_setting_t *setting, const struct key *key, const char *text)
{
	for (size_t i = 0; key->choices[i] != NULL; i++)
		if (strcmp(key->choices[i], text) == 0)
			return 0;
	return fail_choice(reader, setting, key);
}

static int
check_text(
    struct reader *reader, const config_setting_t *setting, const struct key *key, const char *text)
{
	struct rate rate;
	struct err why;

	if (text == NULL && key->kind == KEY_CHOICE)
		return fail_choice(reader, setting, key);
	if (key->kind == KEY_CHOICE)
		return check_choice(reader, setting, key, text);
	if (check_length(reader, setting, key, text) != 0 || text == NULL)
		return -1;
	if (key->kind == KEY_HOST)
		return check_host(reader, setting, key, text);
	if (key->kind == KEY_URL)
		return check_url(reader, setting, key, text);
	if (key->kind == KEY_RATE && rate_parse(text, &rate, &why) != 0)
		return fail(reader, setting, key->name, "%s", why.text);
	return 0;
}

static void
add_value(struct provider *provider, const struct provider_value *value)
{
	provider->values =
	    xrealloc(provider->values, provider->value_count + 1, sizeof(*provider->values));
	provider->values[provider->value_count++] = *value;
}

static int
read_number(struct reader *reader, const config_setting_t *setting, const struct key *key,
    struct provider *provider)
{
	bool is_number = config_setting_type(setting) == CONFIG_TYPE_INT ||
			 config_setting_type(setting) == CONFIG_TYPE_INT64;
	int64_t number = is_number ? config_setting_get_int64(setting) : -1;

	if (number < key->min || number > key->max)
		return fail(reader, setting, key->name,
		    "must be a whole number from %d to %d, without quotes", (int)key->min,
		    (int)key->max);
	add_value(provider,
	    &(struct provider_value){.field = key->name, .is_number = true, .number = number});
	return 0;
}

static int
read_text(struct reader *reader, const config_setting_t *setting, const struct key *key,
    struct provider *provider)
{
	const char *text = config_setting_type(setting) == CONFIG_TYPE_STRING
			       ? config_setting_get_string(setting)
			       : NULL;

	if (check_text(reader, setting, key, text) != 0)
		return -1;
	if (key->target != 0)
		*(char **)(void *)((char *)provider + key->target) = xstrdup(text);
	else
		add_value(
		    provider, &(struct provider_value){.field = key->name, .text = xstrdup(text)});
	return 0;
}

static int
read_texts(struct reader *reader, const config_setting_t *setting, const struct key *key,
    struct provider *provider)
{
	struct provider_texts *texts = (void *)((char *)provider + key->target);
	int count = config_setting_length(setting);

	if ((!config_setting_is_array(setting) && !config_setting_is_list(setting)) ||
	    count > ITEMS_MAX)
		return fail(reader, setting, key->name,
		    "must be up to %d texts in brackets, [ \"…\", \"…\" ]", ITEMS_MAX);
	texts->items = xcalloc((size_t)count + 1, sizeof(*texts->items));
	for (int i = 0; i < count; i++) {
		const config_setting_t *element = config_setting_get_elem(setting, (unsigned)i);
		const char *text = config_setting_get_string(element);

		if (check_length(reader, setting, key, text) != 0)
			return -1;
		texts->items[texts->count++] = xstrdup(text);
	}
	return 0;
}

/* ---- providers ---- */

static int
read_key(struct reader *reader, const config_setting_t *setting, struct provider *provider)
{
	const char *name = config_setting_name(setting);

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (keys[i].kind == KEY_NUMBER)
			return read_number(reader, setting, &keys[i], provider);
		if (keys[i].kind == KEY_TEXTS)
			return read_texts(reader, setting, &keys[i], provider);
		return read_text(reader, setting, &keys[i], provider);
	}
	return fail_unknown(reader, setting, name);
}

static const struct provider_value *
find_value(const struct provider *provider, const char *field)
{
	for (size_t i = 0; i < provider->value_count; i++)
		if (strcmp(provider->values[i].field, field) == 0)
			return &provider->values[i];
	return NULL;
}

static bool
is_region(const struct provider *provider, const char *name)
{
	for (size_t i = 0; i < provider->regions.count; i++)
		if (strcmp(provider->regions.items[i], name) == 0)
			return true;
	return false;
}

static int
check_whole(struct reader *reader, const config_setting_t *setting, const struct provider *provider)
{
	const struct provider_value *host = find_value(provider, "host");
	bool has_region = host != NULL && strstr(host->text, PROVIDER_REGION) != NULL;

	if (host == NULL)
		return fail(reader, setting, "host", "is missing: each provider has a host");
	if (provider->title == NULL)
		return fail(reader, setting, "title", "is missing: what the provider calls itself");
	if (has_region != (provider->regions.count > 0))
		return fail(reader, setting, "regions",
		    "belong to a host with " PROVIDER_REGION " in it, and the other way round");
	if (provider->region != NULL && !is_region(provider, provider->region))
		return fail(reader, setting, "region", "must be one of regions");
	return 0;
}

static bool
is_name(const char *name)
{
	if (strlen(name) > NAME_MAX_BYTES)
		return false;
	for (; *name != '\0'; name++)
		if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) &&
		    *name != '-')
			return false;
	return true;
}

static int
read_provider(struct reader *reader, const config_setting_t *setting, struct provider *provider_out)
{
	*provider_out = (struct provider){.name = xstrdup(config_setting_name(setting))};
	reader->provider = provider_out;
	if (!is_name(provider_out->name))
		return fail(reader, setting, "",
		    "a provider's name has up to %d lower-case letters, digits and hyphens",
		    NAME_MAX_BYTES);
	if (!config_setting_is_group(setting))
		return fail(reader, setting, "", "must be a group of settings, { ... }");
	for (int i = 0; i < config_setting_length(setting); i++)
		if (read_key(reader, config_setting_get_elem(setting, (unsigned)i), provider_out) !=
		    0)
			return -1;
	return check_whole(reader, setting, provider_out);
}

static int
read_all(struct reader *reader, const config_t *tree, struct providers *providers)
{
	config_setting_t *root = config_root_setting(tree);
	int count = config_setting_length(root);

	if (count > PROVIDERS_MAX)
		return err_set(
		    reader->err_out, "%s: at most %d providers", reader->file, PROVIDERS_MAX);
	providers->items = xcalloc((size_t)count + 1, sizeof(*providers->items));
	for (int i = 0; i < count; i++) {
		struct provider *provider = &providers->items[providers->count++];

		if (read_provider(reader, config_setting_get_elem(root, (unsigned)i), provider) !=
		    0)
			return -1;
	}
	return 0;
}

int
providers_parse(const char *file, const char *text, size_t size, struct providers *providers_out,
    struct err *err_out)
{
	struct reader reader = {.file = file, .err_out = err_out};
	char *copy;
	config_t tree;
	int rc = 0;

	*providers_out = (struct providers){0};
	if (size > 0 && memchr(text, '\0', size) != NULL)
		return err_set(err_out, "%s: is not a text", file);
	copy = xstrndup(size > 0 ? text : "", size);
	config_init(&tree);
	/* nothing is below it */
	config_set_include_dir(&tree, "/dev/null");
	if (!config_read_string(&tree, copy))
		rc = err_set(
		    err_out, "%s:%d: %s", file, config_error_line(&tree), config_error_text(&tree));
	else
		rc = read_all(&reader, &tree, providers_out);
	config_destroy(&tree);
	free(copy);
	if (rc != 0)
		providers_fini(providers_out);
	return rc;
}

/* ---- the set ---- */

static void
texts_fini(struct provider_texts *texts)
{
	for (size_t i = 0; i < texts->count; i++)
		free(texts->items[i]);
	free(texts->items);
}

static void
provider_fini(struct provider *provider)
{
	for (size_t i = 0; i < provider->value_count; i++)
		free(provider->values[i].text);
	free(provider->values);
	texts_fini(&provider->regions);
	texts_fini(&provider->hints);
	texts_fini(&provider->aliases);
	free(provider->region);
	free(provider->title);
	free(provider->name);
}

static struct provider *
find(const struct providers *providers, const char *name)
{
	for (size_t i = 0; i < providers->count; i++)
		if (strcasecmp(providers->items[i].name, name) == 0)
			return &providers->items[i];
	return NULL;
}

const struct provider *
providers_find(const struct providers *providers, const char *name)
{
	return find(providers, name);
}

void
providers_add(struct providers *providers, struct providers *others)
{
	providers->items = xrealloc(
	    providers->items, providers->count + others->count + 1, sizeof(*providers->items));
	for (size_t i = 0; i < others->count; i++) {
		struct provider *same = find(providers, others->items[i].name);

		if (same != NULL)
			provider_fini(same);
		else
			same = &providers->items[providers->count++];
		*same = others->items[i];
	}
	free(others->items);
	*others = (struct providers){0};
}

void
providers_fini(struct providers *providers)
{
	for (size_t i = 0; i < providers->count; i++)
		provider_fini(&providers->items[i]);
	free(providers->items);
	*providers = (struct providers){0};
}
