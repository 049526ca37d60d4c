/*
 * load - from libconfig's tree to a snapshot
 *
 * Every setting is looked up in the options table; what has no row, the wrong type or a value out
 * of range is an error with its file and line. Defaults take the same way as values.
 */
#include "daemon/config/load.h"

#include "common/buf.h"
#include "common/netaddr.h"
#include "common/xalloc.h"
#include "daemon/config/sense.h"
#include "daemon/config/table.h"
#include "daemon/config/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTION_PATH_SIZE 128

struct loader {
	const char *file; /* of settings that don't know theirs */
	struct config *config;
	config_setting_t *listeners, *trusted, *pairs; /* read last: they need the rest */
	struct err *err_out;
};

__attribute__((format(printf, 4, 5))) static int
fail(struct loader *loader, const config_setting_t *setting, const char *path, const char *format,
    ...)
{
	const char *file = config_setting_source_file(setting);
	struct err text;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text.text, sizeof(text.text), format, args);
	va_end(args);
	return err_set(loader->err_out, "%s:%u: %s%s", file != NULL ? file : loader->file,
	    config_setting_source_line(setting), path, text.text);
}

static int
fail_allowed(struct loader *loader, const config_setting_t *setting, const struct option *option)
{
	struct err allowed;

	option_allowed(option, &allowed);
	return fail(loader, setting, option->path, ": must be %s", allowed.text);
}

/* The names that would have been right, for an unknown key. */
static int
fail_unknown(struct loader *loader, const config_setting_t *setting, const char *path)
{
	const char *dot = strrchr(path, '.');
	size_t prefix = dot != NULL ? (size_t)(dot - path) + 1 : 0, size, last_size = 0;
	const char *name, *last = "";
	struct buf names;
	int status;

	buf_init(&names);
	for (const struct option *option = options; option->path != NULL; option++) {
		name = option->path + prefix;
		if (option->type == OPTION_REFUSED || strncmp(option->path, path, prefix) != 0)
			continue;
		size = strcspn(name, ".");
		if (size == last_size && strncmp(name, last, size) == 0)
			continue;
		buf_printf(&names, " %.*s", (int)size, name);
		last = name;
		last_size = size;
	}
	status = fail(loader, setting, path, ": unknown option; here there may be%s", names.bytes);
	buf_fini(&names);
	return status;
}

/* The value as the table's setters take it, or NULL if it is of another type. */
static const char *
value_text(const struct option *option, const config_setting_t *setting, char buffer[static 32])
{
	int type = config_setting_type(setting);

	switch (option->type) {
	case OPTION_BOOL:
		if (type != CONFIG_TYPE_BOOL)
			return NULL;
		return config_setting_get_bool(setting) ? "true" : "false";
	case OPTION_NUMBER:
		if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
			return NULL;
		(void)snprintf(buffer, 32, "%lld",
		    type == CONFIG_TYPE_INT ? config_setting_get_int(setting)
					    : config_setting_get_int64(setting));
		return buffer;
	default:
		return type == CONFIG_TYPE_STRING ? config_setting_get_string(setting) : NULL;
	}
}

static int
load_value(
    struct loader *loader, config_setting_t *setting, const struct option *option, void *base)
{
	char buffer[32];
	const char *text = value_text(option, setting, buffer);
	struct err why;

	if (text == NULL)
		return fail_allowed(loader, setting, option);
	if (option_set(option, base, text, &why) != 0)
		return fail(loader, setting, option->path, ": %s", why.text);
	return 0;
}

static int load_group(
    struct loader *loader, config_setting_t *group, const char *prefix, void *base);

/* Only of options that stand once: the fields of a list's elements are found by their list. */
static void
remember_place(struct loader *loader, const config_setting_t *setting, const struct option *option)
{
	struct config *config = loader->config;
	const char *file = config_setting_source_file(setting);

	if (option_is_element(option))
		return;
	config->places = xrealloc(config->places, config->place_count + 1, sizeof(*config->places));
	config->places[config->place_count++] = (struct config_place){.path = option->path,
	    .file = xstrdup(file != NULL ? file : loader->file),
	    .line = config_setting_source_line(setting)};
}

static int
load_option(
    struct loader *loader, config_setting_t *setting, const struct option *option, void *base)
{
	remember_place(loader, setting, option);
	switch (option->type) {
	case OPTION_REFUSED:
		return fail(loader, setting, option->path, " is not available in this version");
	case OPTION_LISTENERS:
		loader->listeners = setting;
		return 0;
	case OPTION_TRUSTED:
		loader->trusted = setting;
		return 0;
	case OPTION_PAIRS:
		loader->pairs = setting;
		return 0;
	default:
		return load_value(loader, setting, option, base);
	}
}

static int
load_setting(struct loader *loader, config_setting_t *setting, const char *path, void *base)
{
	const struct option *option = option_find(path);

	if (option != NULL)
		return load_option(loader, setting, option, base);
	if (!option_is_group(path))
		return fail_unknown(loader, setting, path);
	if (!config_setting_is_group(setting))
		return fail(loader, setting, path, ": must be a group of options, { ... }");
	return load_group(loader, setting, path, base);
}

static int
load_group(struct loader *loader, config_setting_t *group, const char *prefix, void *base)
{
	char path[OPTION_PATH_SIZE];

	for (int i = 0; i < config_setting_length(group); i++) {
		config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);

		(void)snprintf(path, sizeof(path), "%s%s%.60s", prefix, *prefix != '\0' ? "." : "",
		    config_setting_name(setting));
		if (load_setting(loader, setting, path, base) != 0)
			return -1;
	}
	return 0;
}

/* The defaults of the rows whose path begins with `prefix`; "" is all outside of lists. */
static void
set_defaults(const char *prefix, void *base)
{
	struct err why;

	for (const struct option *option = options; option->path != NULL; option++) {
		if (option->fallback == NULL || option_is_element(option) != (*prefix != '\0'))
			continue;
		if (strncmp(option->path, prefix, strlen(prefix)) == 0)
			ensure(option_set(option, base, option->fallback, &why) == 0);
	}
}

static void
set_own_hostname(struct config *config)
{
	const struct option *option = option_find("hostname");
	char name[256] = "";
	struct err why;

	if (gethostname(name, sizeof(name) - 1) != 0 || option_set(option, config, name, &why) != 0)
		ensure(option_set(option, config, "localhost", &why) == 0);
}

/* ---- listeners ---- */

static void
listener_begin(const struct config *config, struct listener_row *row)
{
	*row = (struct listener_row){.listener.min_version = config->tls.min_version};
	set_defaults("listeners.", row);
}

static void
listener_drop(struct listener_row *row)
{
	free(row->listener.address);
	free(row->listener.ports);
	free(row->ports);
	free(row->exclude);
}

/* Takes the row. False if no port is left. */
static bool
listener_end(struct config *config, struct listener_row *row)
{
	struct config_listener *listener = &row->listener;
	int status = unit_ports(row->ports, row->exclude, &listener->ports, &listener->port_count);

	ensure(status == 0);
	if (listener->port_count == 0) {
		listener_drop(row);
		return false;
	}
	free(row->ports);
	free(row->exclude);
	config->listeners =
	    xrealloc(config->listeners, config->listener_count + 1, sizeof(*config->listeners));
	config->listeners[config->listener_count++] = *listener;
	return true;
}

/* A port of both on the same address, or 0. */
static unsigned
common_port(const struct config_listener *a, const struct config_listener *b)
{
	if (strcmp(a->address, b->address) != 0)
		return 0;
	for (size_t i = 0; i < a->port_count; i++)
		for (size_t j = 0; j < b->port_count; j++) {
			struct port_range x = a->ports[i], y = b->ports[j];

			if (x.first <= y.last && y.first <= x.last)
				return x.first > y.first ? x.first : y.first;
		}
	return 0;
}

static int
check_overlap(struct loader *loader, const config_setting_t *element)
{
	const struct config *config = loader->config;
	const struct config_listener *last = &config->listeners[config->listener_count - 1];

	for (const struct config_listener *other = config->listeners; other < last; other++) {
		unsigned port = common_port(other, last);

		if (port != 0)
			return fail(loader, element, "listeners.ports",
			    ": port %u of %s belongs to an earlier listener; exclude it from one",
			    port, last->address);
	}
	return 0;
}

/* One by itself, before its ports are counted. */
static int
check_listener(
    struct loader *loader, const config_setting_t *element, const struct listener_row *row)
{
	const config_setting_t *min_version = config_setting_get_member(element, "min_version");
	struct err allowed;

	if (row->ports == NULL) {
		option_allowed(option_find("listeners.ports"), &allowed);
		return fail(
		    loader, element, "listeners.ports", " is missing: it must be %s", allowed.text);
	}
	if (row->listener.tls == LISTENER_NONE && min_version != NULL)
		return fail(loader, min_version, "listeners.min_version",
		    ": has no effect beside tls = \"none\"; take one of the two away");
	return 0;
}

static int
load_listener(struct loader *loader, config_setting_t *element)
{
	struct listener_row row;

	listener_begin(loader->config, &row);
	if (load_group(loader, element, "listeners", &row) != 0) {
		listener_drop(&row);
		return -1;
	}
	if (check_listener(loader, element, &row) != 0) {
		listener_drop(&row);
		return -1;
	}
	if (!listener_end(loader->config, &row))
		return fail(loader, element, "listeners.exclude", ": leaves no port to listen on");
	return check_overlap(loader, element);
}

static void
set_default_listeners(struct config *config)
{
	static const struct {
		const char *ports;
		enum listener_tls tls;
	} rows[] = {{"25,587", LISTENER_STARTTLS}, {"465", LISTENER_IMPLICIT}};
	struct listener_row row;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		listener_begin(config, &row);
		row.ports = xstrdup(rows[i].ports);
		row.listener.tls = rows[i].tls;
		ensure(listener_end(config, &row));
	}
}

/* ---- trusted networks ---- */

static int
load_trusted(struct loader *loader, config_setting_t *element)
{
	struct config *config = loader->config;
	struct trusted_row row = {0};
	struct config_trusted *trusted = &row.trusted;
	struct netaddr network;
	int status = load_group(loader, element, "trusted", &row);
	struct err why;

	if (status == 0 && (trusted->network == NULL || trusted->user == NULL))
		status = fail(loader, element, "trusted", ": needs both network and user");
	if (status == 0) {
		ensure(netaddr_parse_network(trusted->network, &network, &trusted->prefix_bits));
		memcpy(trusted->address, network.bytes, sizeof(trusted->address));
		if (sense_check_trusted(trusted, &why) != 0)
			status = fail(loader, config_setting_get_member(element, "network"),
			    "trusted.network", ": %s", why.text);
	}
	if (status != 0) {
		free(trusted->network);
		free(trusted->user);
		return -1;
	}
	config->trusted =
	    xrealloc(config->trusted, config->trusted_count + 1, sizeof(*config->trusted));
	config->trusted[config->trusted_count++] = *trusted;
	return 0;
}

/* ---- certificates ---- */

static void
add_pair(struct config *config, const struct config_pair *pair)
{
	config->tls.pairs =
	    xrealloc(config->tls.pairs, config->tls.pair_count + 1, sizeof(*config->tls.pairs));
	config->tls.pairs[config->tls.pair_count++] = *pair;
}

static int
load_pair(struct loader *loader, config_setting_t *element)
{
	const char *file = config_setting_source_file(element);
	struct config_pair pair = {0};
	int status = load_group(loader, element, "tls.certificates", &pair);

	if (status == 0 && (pair.certificate == NULL || pair.key == NULL))
		status =
		    fail(loader, element, "tls.certificates", ": needs both certificate and key");
	if (status != 0) {
		free(pair.certificate);
		free(pair.key);
		return -1;
	}
	pair.place = xasprintf(
	    "%s:%u", file != NULL ? file : loader->file, config_setting_source_line(element));
	add_pair(loader->config, &pair);
	return 0;
}

/* ---- the whole ---- */

static int
load_list(struct loader *loader, config_setting_t *list, const char *path,
    int (*load_element)(struct loader *loader, config_setting_t *element))
{
	const struct option *option = option_find(path);
	int count = config_setting_length(list);

	if (!config_setting_is_list(list) || count < option->minimum || count > option->maximum)
		return fail_allowed(loader, list, option);
	for (int i = 0; i < count; i++) {
		config_setting_t *element = config_setting_get_elem(list, (unsigned)i);

		if (!config_setting_is_group(element))
			return fail_allowed(loader, element, option);
		if (load_element(loader, element) != 0)
			return -1;
	}
	return 0;
}

static int
check_together(struct loader *loader, const config_setting_t *root)
{
	const struct config *config = loader->config;
	const config_setting_t *setting;

	if ((config->tls.certificate == NULL) != (config->tls.key == NULL))
		return fail(loader, config_setting_get_member(root, "tls"), "tls",
		    ": certificate and key must be given together");
	if (sense_check_refused(&config->refused, loader->err_out) != 0)
		return config_blame(config, "refused", loader->err_out);
	if (sense_check_legacy_line(config, loader->err_out) != 0)
		return config_blame(config, "auth.legacy_line", loader->err_out);
	if (config->signature.html != NULL &&
	    sense_check_html(config->signature.html, loader->err_out) != 0)
		return config_blame(config, "signature.html", loader->err_out);
	if (strcmp(config->user, config->net_user) != 0)
		return 0;
	setting = config_setting_get_member(root, "net_user");
	if (setting == NULL)
		setting = config_setting_get_member(root, "user");
	return fail(loader, setting, "net_user",
	    ": must be another account than user: it faces the network and owns nothing");
}

static int
load_pairs(struct loader *loader)
{
	const struct config *config = loader->config;

	if (config->tls.certificate != NULL)
		add_pair(loader->config,
		    &(struct config_pair){.certificate = xstrdup(config->tls.certificate),
			.key = xstrdup(config->tls.key)});
	if (loader->pairs == NULL)
		return 0;
	return load_list(loader, loader->pairs, "tls.certificates", load_pair);
}

static int
load_root(struct loader *loader, config_setting_t *root)
{
	set_own_hostname(loader->config);
	set_defaults("", loader->config);
	if (load_group(loader, root, "", loader->config) != 0)
		return -1;
	if (check_together(loader, root) != 0 || load_pairs(loader) != 0)
		return -1;
	if (loader->trusted != NULL &&
	    load_list(loader, loader->trusted, "trusted", load_trusted) != 0)
		return -1;
	if (loader->listeners != NULL)
		return load_list(loader, loader->listeners, "listeners", load_listener);
	set_default_listeners(loader->config);
	return 0;
}

int
load_tree(const char *file, const config_t *tree, struct config **config_out, struct err *err_out)
{
	struct config *config = xcalloc(1, sizeof(*config));
	struct loader loader = {.file = file, .config = config, .err_out = err_out};

	config->references = 1;
	config->file = xstrdup(file);
	if (load_root(&loader, config_root_setting(tree)) != 0) {
		config_release(config);
		return -1;
	}
	*config_out = config;
	return 0;
}
