/* outside - looks up accounts and reads the certificate, as the start will. */
#include "daemon/parent/outside.h"

#include "daemon/core/tls.h"
#include "daemon/parent/keys.h"

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

static struct msg_bytes
bytes_of(const struct buf *buf)
{
	return (struct msg_bytes){(const uint8_t *)buf->bytes, (uint32_t)buf->size};
}

/* OpenSSL refuses some that are well-formed, as keys that are too short. */
static int
check_usable(const struct config *config, const struct buf *certificate, const struct buf *key,
    struct err *err_out)
{
	struct tls_context *context;
	struct buf tickets;

	buf_init(&tickets);
	keys_tickets(&tickets);
	context = tls_server_new(bytes_of(certificate), bytes_of(key), bytes_of(&tickets),
	    config->tls.min_version, err_out);
	buf_fini(&tickets);
	if (context == NULL)
		return config_blame(config, "tls.certificate", err_out);
	tls_release(context);
	return 0;
}

int
outside_check_certificate(const struct config *config, struct err *err_out)
{
	struct buf certificate, key;
	int result;

	if (config->tls.certificate == NULL)
		return 0;
	buf_init(&certificate);
	buf_init(&key);
	result = keys_read_certificate(config, &certificate, &key, err_out);
	if (result == 0)
		result = check_usable(config, &certificate, &key, err_out);
	if (key.bytes != NULL)
		explicit_bzero(key.bytes, key.capacity);
	buf_fini(&certificate);
	buf_fini(&key);
	return result;
}

static bool
is_forbidden(const char *path)
{
	return access(path, R_OK) != 0 && errno == EACCES;
}

bool
outside_may_read_certificate(const struct config *config)
{
	return config->tls.certificate == NULL ||
	       (!is_forbidden(config->tls.certificate) && !is_forbidden(config->tls.key));
}
