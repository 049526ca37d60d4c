/* namedfile - reads the files that settings name behind a @, as posternctl does. */
#include "daemon/config/namedfile.h"

#include "common/xalloc.h"
#include "daemon/core/values.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const settings[] = {"signature.text", "signature.html"};

static char *
path_of(const char *config_path, const char *name)
{
	char *copy, *path;

	if (*name == '/')
		return xstrdup(name);
	copy = xstrdup(config_path);
	path = xasprintf("%s/%s", dirname(copy), name);
	free(copy);
	return path;
}

/* A text, with room for one byte more than is allowed, so that the setting's own check finds it. */
static const char *
read_text(const char *path, char bytes[static SIGNATURE_BYTES + 2])
{
	FILE *file = fopen(path, "re");
	struct stat status;
	size_t size;

	if (file == NULL)
		return strerror(errno);
	if (fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
		(void)fclose(file);
		return "it is no file";
	}
	size = fread(bytes, 1, SIGNATURE_BYTES + 1, file);
	bytes[size] = '\0';
	(void)fclose(file);
	return memchr(bytes, '\0', size) == NULL ? NULL : "it is no text";
}

static int
read_one(const char *config_path, const char *name, config_setting_t *setting, struct err *err_out)
{
	const char *text = config_setting_get_string(setting), *problem;
	const char *file = config_setting_source_file(setting);
	char *path, *bytes;
	int status = 0;

	if (text == NULL || *text != '@')
		return 0;
	path = path_of(config_path, text + 1);
	bytes = xcalloc(1, SIGNATURE_BYTES + 2);
	problem = read_text(path, bytes);
	if (problem != NULL)
		status = err_set(err_out, "%s:%u: %s: cannot read %s: %s",
		    file != NULL ? file : config_path, config_setting_source_line(setting), name,
		    path, problem);
	else
		(void)config_setting_set_string(setting, bytes);
	free(bytes);
	free(path);
	return status;
}

int
namedfiles_read(const char *path, config_t *tree, struct err *err_out)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		config_setting_t *setting = config_lookup(tree, settings[i]);

		if (setting != NULL && read_one(path, settings[i], setting, err_out) != 0)
			return -1;
	}
	return 0;
}
