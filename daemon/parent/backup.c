/*
 * backup - the parent's part of a backup: seal.key, which nobody else may read, and its name.
 *
 * The directory belongs to the account that a flaw in queue would give away: nothing in it is
 * followed, and no path is built through it.
 */
#include "daemon/parent/backup.h"

#include "common/xalloc.h"
#include "daemon/core/backup_name.h"
#include "daemon/parent/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
open_directory(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool
has_file(int at, const char *name)
{
	struct stat st;

	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size > 0;
}

/* What the others should have put there; one of an earlier call may have been swept away. */
static int
check_parts(int partial, const char *name, struct err *err_out)
{
	static const char *const parts[] = {"queue.db", "accounts.db"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!has_file(partial, parts[i]))
			return err_set(
			    err_out, "the backup %s has no %s: begin it again", name, parts[i]);
	return 0;
}

static int
complete(int backups, const char *name, const char *partial_name, const struct buf *seal_key,
    struct err *err_out)
{
	struct keyfile_dir partial = {
	    .fd = open_directory(backups, partial_name), .path = partial_name};
	int result;

	if (partial.fd < 0)
		return err_set(err_out, "cannot open %s: %s", partial_name, strerror(errno));
	result = check_parts(partial.fd, name, err_out);
	if (result == 0)
		result = keyfile_write(
		    &partial, "seal.key", 0600, seal_key->bytes, seal_key->size, err_out);
	keyfile_close_dir(&partial);
	if (result == 0 &&
	    (renameat(backups, partial_name, backups, name) != 0 || fsync(backups) != 0))
		result = err_set(
		    err_out, "cannot rename %s to %s: %s", partial_name, name, strerror(errno));
	return result;
}

int
backup_complete(
    const char *state_dir, const char *name, const struct buf *seal_key, struct err *err_out)
{
	char *partial_name = xasprintf("%s" BACKUP_PARTIAL, name);
	int state = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int backups = state < 0 ? -1 : open_directory(state, BACKUP_DIRECTORY);
	int result;

	if (backups < 0)
		result = err_set(
		    err_out, "cannot open %s/" BACKUP_DIRECTORY ": %s", state_dir, strerror(errno));
	else
		result = complete(backups, name, partial_name, seal_key, err_out);
	if (backups >= 0)
		(void)close(backups);
	if (state >= 0)
		(void)close(state);
	free(partial_name);
	return result;
}
