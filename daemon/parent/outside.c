/* outside - looks up accounts and reads certificates, as the start will. */
#include "daemon/parent/outside.h"

#include "daemon/parent/files.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static int
check_account(
    const struct config *config, const char *option, const char *name, struct err *err_out)
{
	const struct passwd *account = getpwnam(name);

	if (account != NULL && account->pw_uid != 0)
		return 0;
	if (account != NULL)
		(void)err_set(err_out,
		    "\"%s\" has the rights of root, which roles give up: must be an account "
		    "without them, made for postern alone",
		    name);
	else
		(void)err_set(err_out,
		    "there is no account \"%s\": make it with `systemd-sysusers` (the package "
		    "brings sysusers.d/postern.conf) or `useradd --system --user-group "
		    "--no-create-home --shell /usr/sbin/nologin %s`",
		    name, name);
	return config_blame(config, option, err_out);
}

/* Two names may be one account. */
static int
check_accounts_differ(const struct config *config, struct err *err_out)
{
	uid_t uid = getpwnam(config->user)->pw_uid;

	if (getpwnam(config->net_user)->pw_uid != uid)
		return 0;
	(void)err_set(err_out,
	    "\"%s\" has the uid of \"%s\", %u: must be another account than user", config->net_user,
	    config->user, uid);
	return config_blame(config, "net_user", err_out);
}

int
outside_check_accounts(const struct config *config, struct err *err_out)
{
	if (geteuid() != 0)
		return 0;
	if (check_account(config, "user", config->user, err_out) != 0 ||
	    check_account(config, "net_user", config->net_user, err_out) != 0 ||
	    check_accounts_differ(config, err_out) != 0)
		return -1;
	if (getgrnam(config->admin_group) != NULL)
		return 0;
	(void)err_set(err_out,
	    "there is no group \"%s\": make it with `systemd-sysusers` or `groupadd --system %s`",
	    config->admin_group, config->admin_group);
	return config_blame(config, "admin_group", err_out);
}

int
outside_check_certificates(const struct config *config, warning_fn warn, struct err *err_out)
{
	struct files files = {0};
	int result = files_collect_pairs(&files, config, err_out) == 0 ? 0 : -1;

	if (result == 0 && warn != NULL)
		warnings_of_certificates(config, &files, time(NULL), warn);
	files_fini(&files);
	return result;
}

int
outside_check_providers(const struct config *config, struct err *err_out)
{
	struct files files = {0};
	int result = files_collect_providers(&files, config, err_out) == 0 ? 0 : -1;

	files_fini(&files);
	return result;
}

static bool
is_forbidden(const char *path)
{
	return access(path, R_OK) != 0 && errno == EACCES;
}

bool
outside_may_read_certificates(const struct config *config)
{
	for (size_t i = 0; i < config->tls.pair_count; i++)
		if (is_forbidden(config->tls.pairs[i].certificate) ||
		    is_forbidden(config->tls.pairs[i].key))
			return false;
	return true;
}
