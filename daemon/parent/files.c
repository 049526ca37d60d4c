/* files - certificates, keys and the system's files, read before the roles need them. */
#include "daemon/parent/files.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/core/values.h"
#include "daemon/parent/ca.h"
#include "daemon/parent/dirs.h"
#include "daemon/parent/keys.h"
#include "daemon/parent/parent.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_FILE_MAX ((1u << 20) - 4096)

static const struct {
	enum file_kind kind;
	const char *path;
} system_files[] = {
    {FILE_SYSTEM_CAS, "/etc/ssl/certs/ca-certificates.crt"},
    {FILE_RESOLV_CONF, "/etc/resolv.conf"},
    {FILE_HOSTS, "/etc/hosts"},
};

/* One that is not there is empty: relay says so when it needs it. */
static void
read_system_file(const char *path, struct buf *out)
{
	char bytes[16384];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	while ((got = read(fd, bytes, sizeof(bytes))) > 0 && out->size < SYSTEM_FILE_MAX)
		buf_append(out, bytes, (size_t)got);
	(void)close(fd);
}

static void
log_made(const struct config *config, const char *name)
{
	char *path = xasprintf("%s/tls/%s", config->state_dir, name);

	dirs_log_made(path);
	free(path);
}

static int
collect_own_certificate(struct buf *files, const struct config *config, struct err *err_out)
{
	struct ca_files own;
	int result =
	    ca_ensure(config->state_dir, config->hostname, clock_wall_ms() / 1000, &own, err_out);

	files[FILE_TLS_CA] = own.ca_certificate;
	files[FILE_TLS_CERTIFICATE] = own.certificate;
	files[FILE_TLS_KEY] = own.key;
	if (own.has_new_ca)
		log_made(config, "ca.pem");
	if (own.has_new_certificate)
		log_made(config, "server.pem");
	return result == 0 ? 0 : EXIT_SYSTEM;
}

static int
collect_certificate(struct buf *files, const struct config *config, struct err *err_out)
{
	if (config->tls.certificate == NULL)
		return collect_own_certificate(files, config, err_out);
	if (keys_read_certificate(
		config, &files[FILE_TLS_CERTIFICATE], &files[FILE_TLS_KEY], err_out) != 0)
		return EXIT_CONFIG;
	return 0;
}

int
files_collect(struct buf *files, const struct config *config, struct err *err_out)
{
	int status = collect_certificate(files, config, err_out);

	if (status != 0)
		return status;
	if (keys_seal(config->state_dir, &files[FILE_SEAL_KEY], err_out) != 0)
		return EXIT_SYSTEM;
	keys_tickets(&files[FILE_TICKET_KEYS]);
	for (size_t i = 0; i < sizeof(system_files) / sizeof(system_files[0]); i++)
		read_system_file(system_files[i].path, &files[system_files[i].kind]);
	return 0;
}

void
files_fini(struct buf *files)
{
	for (unsigned kind = 0; kind < FILE_KIND_COUNT; kind++) {
		if (files[kind].bytes != NULL)
			explicit_bzero(files[kind].bytes, files[kind].capacity);
		buf_fini(&files[kind]);
	}
}
