/*
 * list-options - the options table, for scripts/check-docs
 *
 *	list-options mdoc             the options section of postern.conf(5)
 *	list-options compare FILE     checks FILE as a config; prints which options it lacks and
 *	                              which of its values are not the defaults
 */
#include "daemon/config/table.h"

#include <libconfig.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
print_allowed(const struct option *option)
{
	struct err allowed;

	option_allowed(option, &allowed);
	(void)printf("Takes ");
	for (const char *at = allowed.text; *at != '\0'; at++)
		if (*at == '"')
			(void)fputs("\\(dq", stdout);
		else
			(void)putchar(*at);
	(void)printf(".\n");
}

static void
print_option(const struct option *option)
{
	const char *fallback = option->fallback;

	if (option->type == OPTION_REFUSED)
		return;
	(void)printf(".It Ic %s\n%s\n", option->path, option->help);
	print_allowed(option);
	if (fallback != NULL && strncmp(fallback, LOCALSTATEDIR, strlen(LOCALSTATEDIR)) == 0)
		(void)printf("Default:\n.Pa /var%s .\n", fallback + strlen(LOCALSTATEDIR));
	else if (fallback != NULL)
		(void)printf("Default:\n.Ql %s .\n", fallback);
	if (option->effect == ON_RESTART)
		(void)printf("A change needs a restart.\n");
}

/* The setting of an option, in the first element of a list. */
static const config_setting_t *
find_setting(const config_t *tree, const char *path)
{
	const char *dot = strrchr(path, '.');
	char list[64], list_path[200];

	if (dot == NULL)
		return config_lookup(tree, path);
	(void)snprintf(list, sizeof(list), "%.*s", (int)(dot - path), path);
	if (config_lookup(tree, list) == NULL || !config_setting_is_list(config_lookup(tree, list)))
		return config_lookup(tree, path);
	(void)snprintf(list_path, sizeof(list_path), "%s.[0]%s", list, dot);
	return config_lookup(tree, list_path);
}

static const char *
value_of(const config_setting_t *setting, char *buffer, size_t size)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_BOOL:
		return config_setting_get_bool(setting) ? "true" : "false";
	case CONFIG_TYPE_INT:
		(void)snprintf(buffer, size, "%d", config_setting_get_int(setting));
		return buffer;
	default:
		return config_setting_get_string(setting);
	}
}

static int
compare_option(const config_t *tree, const struct option *option)
{
	const config_setting_t *setting = find_setting(tree, option->path);
	const char *value;
	char buffer[32];

	if (option->type == OPTION_REFUSED)
		return 0;
	if (setting == NULL) {
		(void)printf("%s: is missing\n", option->path);
		return 1;
	}
	/* the directories of this build may be elsewhere */
	if (option->fallback == NULL || option->type == OPTION_PATH)
		return 0;
	value = value_of(setting, buffer, sizeof(buffer));
	if (value != NULL && strcmp(value, option->fallback) == 0)
		return 0;
	(void)printf("%s: is %s, the default is %s\n", option->path, value, option->fallback);
	return 1;
}

static int
compare(const char *path)
{
	struct config *config;
	struct err err;
	config_t tree;
	int differences = 0;

	if (config_load(path, &config, NULL, &err) != 0) {
		(void)printf("%s\n", err.text);
		return 1;
	}
	config_release(config);
	config_init(&tree);
	if (!config_read_file(&tree, path))
		differences++;
	for (const struct option *option = options; option->path != NULL; option++)
		differences += compare_option(&tree, option);
	config_destroy(&tree);
	return differences > 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "compare") == 0)
		return compare(argv[2]);
	if (argc != 2 || strcmp(argv[1], "mdoc") != 0)
		return 2;
	for (const struct option *option = options; option->path != NULL; option++)
		print_option(option);
	return 0;
}
