/* rights - account, chroot, and the doors that stay shut afterwards. */
#include "daemon/core/rights.h"

#include "common/xalloc.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

char *
rights_directory(enum role role, const struct config *config)
{
	switch (role) {
	case ROLE_ACCOUNTS:
	case ROLE_QUEUE:
		return xstrdup(config->state_dir);
	case ROLE_RELAY:
		return xstrdup(config->capture_dir);
	default:
		return xasprintf("%s/empty", config->run_dir);
	}
}

const char *
rights_account(enum role role, const struct config *config)
{
	return role == ROLE_ACCOUNTS || role == ROLE_QUEUE ? config->user : config->net_user;
}

static int
become(const struct passwd *account, struct err *err_out)
{
	if (setgroups(0, NULL) != 0 ||
	    setresgid(account->pw_gid, account->pw_gid, account->pw_gid) != 0 ||
	    setresuid(account->pw_uid, account->pw_uid, account->pw_uid) != 0)
		return err_set(err_out, "cannot become %s: %s", account->pw_name, strerror(errno));
	if (setuid(0) == 0 || setgid(0) == 0)
		return err_set(err_out, "%s could become root again", account->pw_name);
	return 0;
}

static int
drop_as_root(const char *name, const char *directory, struct err *err_out)
{
	const struct passwd *account = getpwnam(name);

	if (account == NULL)
		return err_set(err_out, "there is no account %s", name);
	if (account->pw_uid == 0)
		return err_set(err_out, "the account %s is root: name another in the config", name);
	if (chroot(directory) != 0 || chdir("/") != 0)
		return err_set(err_out, "cannot chroot to %s: %s", directory, strerror(errno));
	return become(account, err_out);
}

/* An ordinary user may have been given some as well, to bind low ports for example. */
static int
drop_capabilities(struct err *err_out)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
	    syscall(SYS_capset, &header, none) != 0)
		return err_set(err_out, "cannot give up capabilities: %s", strerror(errno));
	return 0;
}

static int
shut_doors(struct err *err_out)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_set(err_out, "prctl: %s", strerror(errno));
	return 0;
}

int
rights_drop(enum role role, const struct config *config, struct err *err_out)
{
	char *directory = rights_directory(role, config);
	int result = 0;

	if (geteuid() == 0)
		result = drop_as_root(rights_account(role, config), directory, err_out);
	else if (chdir(directory) != 0)
		result = err_set(err_out, "cannot enter %s: %s", directory, strerror(errno));
	if (result == 0)
		result = drop_capabilities(err_out);
	if (result == 0)
		result = shut_doors(err_out);
	free(directory);
	return result;
}
