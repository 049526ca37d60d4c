/*
 * file - the config as a file or as a text
 *
 * The parent reads files; what it sends to the roles is one text with the includes resolved,
 * which they read with the same table and without opening anything.
 */
#include "daemon/config/config.h"

#include "common/xalloc.h"
#include "daemon/config/load.h"
#include "daemon/config/namedfile.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The text travels to the roles in one message. */
#define TEXT_SIZE_MAX ((size_t)1 << 20)

static int
fail_syntax(const char *file, const config_t *tree, struct err *err_out)
{
	return err_set(err_out, "%s:%d: %s",
	    config_error_file(tree) != NULL ? config_error_file(tree) : file,
	    config_error_line(tree), config_error_text(tree));
}

static int
write_tree(const char *path, const config_t *tree, char **text_out, struct err *err_out)
{
	size_t size;
	FILE *stream = open_memstream(text_out, &size);

	ensure(stream != NULL);
	config_write(tree, stream);
	(void)fclose(stream);
	if (size <= TEXT_SIZE_MAX)
		return 0;
	free(*text_out);
	*text_out = NULL;
	return err_set(err_out, "%s: %zu bytes with what it includes; at most 1 MiB", path, size);
}

/* libconfig's scanner ends the process when a read fails, as it does on a directory. */
static FILE *
open_config(const char *path, struct err *err_out)
{
	FILE *stream = fopen(path, "re");
	struct stat status;

	if (stream == NULL) {
		(void)err_set(err_out, "%s: cannot open the config: %s", path, strerror(errno));
		return NULL;
	}
	if (fstat(fileno(stream), &status) == 0 && !S_ISDIR(status.st_mode))
		return stream;
	(void)fclose(stream);
	(void)err_set(err_out, "%s: is a directory, not a config file", path);
	return NULL;
}

static int
read_tree(const char *path, config_t *tree, struct err *err_out)
{
	char *copy = xstrdup(path);
	FILE *stream = open_config(path, err_out);
	int status = -1;

	/* @include names are taken from where the config is */
	config_set_include_dir(tree, dirname(copy));
	free(copy);
	if (stream == NULL)
		return -1;
	status = config_read(tree, stream) ? 0 : fail_syntax(path, tree, err_out);
	(void)fclose(stream);
	return status;
}

int
config_load(const char *path, struct config **config_out, char **text_out, struct err *err_out)
{
	config_t tree;
	char *text = NULL;
	int status;

	config_init(&tree);
	status = read_tree(path, &tree, err_out);
	if (status == 0)
		status = namedfiles_read(path, &tree, err_out);
	if (status == 0)
		status = write_tree(path, &tree, &text, err_out);
	if (status == 0)
		status = load_tree(path, &tree, config_out, err_out);
	config_destroy(&tree);
	if (status == 0 && text_out != NULL)
		*text_out = text;
	else
		free(text);
	return status;
}

int
config_parse(const char *text, size_t size, struct config **config_out, struct err *err_out)
{
	config_t tree;
	char *copy;
	int status;

	if (size > TEXT_SIZE_MAX || memchr(text, '\0', size) != NULL)
		return err_set(err_out, "config: more than 1 MiB, or not a text");
	copy = xstrndup(text, size);
	config_init(&tree);
	/* nothing is below it: a text includes no files */
	config_set_include_dir(&tree, "/dev/null");
	status = config_read_string(&tree, copy) ? load_tree("config", &tree, config_out, err_out)
						 : fail_syntax("config", &tree, err_out);
	config_destroy(&tree);
	free(copy);
	return status;
}
