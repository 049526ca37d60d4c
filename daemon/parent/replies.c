/* replies - replies.conf beside the config, for relay, which can't open it. */
#include "daemon/parent/replies.h"

#include "common/xalloc.h"
#include "daemon/config/reply_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
path_of(const struct config *config)
{
	char *copy = xstrdup(config->file);
	char *path = xasprintf("%s/replies.conf", dirname(copy));

	free(copy);
	return path;
}

static int
read_all(int fd, const char *path, struct buf *out, struct err *err_out)
{
	char bytes[16384];
	struct stat status;
	ssize_t got;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return err_set(err_out, "%s: must be a file of rules for replies", path);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0 && out->size <= REPLY_FILE_BYTES_MAX)
		buf_append(out, bytes, (size_t)got);
	if (got < 0)
		return err_set(err_out, "%s: cannot read it: %s", path, strerror(errno));
	return 0;
}

static int
read_file(const char *path, struct buf *out, struct err *err_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_set(err_out, "%s: cannot open it: %s", path, strerror(errno));
	result = read_all(fd, path, out, err_out);
	(void)close(fd);
	return result;
}

int
replies_read(const struct config *config, struct buf *text_out, struct err *err_out)
{
	struct reply_rules *rules = NULL;
	char *path = path_of(config);
	int result = read_file(path, text_out, err_out);

	if (result == 0)
		result = reply_rules_parse(path, text_out->bytes, text_out->size, &rules, err_out);
	reply_rules_release(rules);
	free(path);
	return result;
}

int
replies_check(const struct config *config, struct err *err_out)
{
	struct buf text = {0};
	int result = replies_read(config, &text, err_out);

	buf_fini(&text);
	return result;
}
