/* dirs - directories, the locks and the control socket. */
#include "daemon/parent/dirs.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void
dirs_log_made(const char *path)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_CONFIG, 0))
		return;
	log_text(&line, KEY_FILE, path);
	log_text(&line, KEY_STATE, "made");
	log_end(&line);
}

/* `mkdir -p`, so that a fresh prefix works. */
static int
make_parents(const char *path, struct err *err_out)
{
	char *copy = xstrdup(path);
	int result = 0;

	for (char *at = copy + 1; result == 0 && (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		if (mkdir(copy, 0755) != 0 && errno != EEXIST)
			result = err_set(
			    err_out, "cannot make the directory %s: %s", copy, strerror(errno));
		*at = '/';
	}
	free(copy);
	return result;
}

static int
give_to(const char *path, const char *owner, mode_t mode, struct err *err_out)
{
	const struct passwd *account = owner == NULL ? NULL : getpwnam(owner);

	if (geteuid() == 0 && account != NULL && chown(path, account->pw_uid, account->pw_gid) != 0)
		return err_set(err_out, "cannot give %s to %s: %s", path, owner, strerror(errno));
	if (chmod(path, mode) != 0)
		return err_set(err_out, "cannot set the mode of %s: %s", path, strerror(errno));
	return 0;
}

/* An existing directory keeps its owner and mode unless they would not work. */
static int
make_one(const char *path, const char *owner, mode_t mode, struct err *err_out)
{
	struct stat st;

	if (make_parents(path, err_out) != 0)
		return -1;
	if (mkdir(path, mode) == 0)
		dirs_log_made(path);
	else if (errno != EEXIST)
		return err_set(err_out, "cannot make the directory %s: %s", path, strerror(errno));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_set(err_out, "%s is not a directory", path);
	if (geteuid() != 0) {
		if (access(path, R_OK | W_OK | X_OK) != 0)
			return err_set(
			    err_out, "cannot use the directory %s: %s", path, strerror(errno));
		if (st.st_uid != geteuid())
			return 0;
	}
	return give_to(path, owner, mode, err_out);
}

int
dirs_make(const struct config *config, struct err *err_out)
{
	char *empty = xasprintf("%s/empty", config->run_dir);
	int result = 0;

	if (make_one(config->state_dir, config->user, 0700, err_out) != 0 ||
	    make_one(config->capture_dir, config->net_user, 0700, err_out) != 0 ||
	    make_one(config->run_dir, NULL, 0755, err_out) != 0)
		result = -1;
	else if (mkdir(empty, 0555) != 0 && errno != EEXIST)
		result =
		    err_set(err_out, "cannot make the directory %s: %s", empty, strerror(errno));
	free(empty);
	return result;
}

static int
lock_one(const char *directory, const char *option, struct err *err_out)
{
	char *path = xasprintf("%s/lock", directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		(void)err_set(err_out, "cannot open %s: %s", path, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)err_set(err_out,
		    "another posternd is running on %s (it holds %s): stop it, or name another %s",
		    directory, path, option);
		(void)close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

/* The databases have one owner, and so does the control socket: a second daemon with a state_dir of
 * its own would take it away from the first. */
int
dirs_lock(const struct config *config, int fds_out[static DIRS_LOCKS], struct err *err_out)
{
	fds_out[0] = lock_one(config->state_dir, "state_dir", err_out);
	fds_out[1] = fds_out[0] < 0 ? -1 : lock_one(config->run_dir, "run_dir", err_out);
	return fds_out[1] < 0 ? -1 : 0;
}

static int
bind_unix(const char *path, struct err *err_out)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err_out,
		    "the path of the control socket is longer than %zu bytes: %s (choose a shorter "
		    "run_dir)",
		    sizeof(address.sun_path) - 1, path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(err_out, "socket: %s", strerror(errno));
	/* The lock on run_dir is ours, so a socket that is there was left behind. */
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 128) != 0) {
		(void)err_set(err_out, "cannot listen on %s: %s", path, strerror(errno));
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
dirs_control_socket(const struct config *config, struct err *err_out)
{
	const struct group *group = getgrnam(config->admin_group);
	char *path = xasprintf("%s/control.sock", config->run_dir);
	mode_t old_mask = umask(0177);
	int fd = bind_unix(path, err_out);

	(void)umask(old_mask);
	if (fd >= 0 && geteuid() == 0 && group != NULL && chown(path, 0, group->gr_gid) == 0)
		(void)chmod(path, 0660);
	free(path);
	return fd;
}
