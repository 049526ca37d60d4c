/* files - certificates, keys and the system's files, read before the roles need them. */
#include "daemon/parent/files.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/config/providers.h"
#include "daemon/core/values.h"
#include "daemon/parent/ca.h"
#include "daemon/parent/dirs.h"
#include "daemon/parent/keyfile.h"
#include "daemon/parent/keys.h"
#include "daemon/parent/parent.h"
#include "daemon/parent/replies.h"

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
collect_own_certificate(struct files *files, const struct config *config, struct err *err_out)
{
	struct ca_files own;
	int result =
	    ca_ensure(config->state_dir, config->hostname, clock_wall_ms() / 1000, &own, err_out);

	files->of[FILE_TLS_CA] = own.ca_certificate;
	files->pairs = xcalloc(1, sizeof(*files->pairs));
	files->pairs[0] = (struct keypair){.certificate = own.certificate, .key = own.key};
	files->pair_count = 1;
	if (own.has_new_ca)
		log_made(config, "ca.pem");
	if (own.has_new_certificate)
		log_made(config, "server.pem");
	return result == 0 ? 0 : EXIT_SYSTEM;
}

int
files_collect_pairs(struct files *files, const struct config *config, struct err *err_out)
{
	const size_t count = config->tls.pair_count;

	ensure(count <= TLS_PAIRS_MAX);
	if (count > 0)
		files->pairs = xcalloc(count, sizeof(*files->pairs));
	while (files->pair_count < count) {
		unsigned i = files->pair_count++;

		if (keypair_read(config, &config->tls.pairs[i], &files->pairs[i], err_out) != 0)
			return EXIT_CONFIG;
	}
	return 0;
}

/* Checked as accounts will read it. */
static int
collect_providers(struct buf *out, const char *path, struct err *err_out)
{
	struct providers providers;

	if (keyfile_read_path(path, out, err_out) != 0 ||
	    providers_parse(path, out->bytes, out->size, &providers, err_out) != 0)
		return EXIT_CONFIG;
	providers_fini(&providers);
	return 0;
}

int
files_collect_providers(struct files *files, const struct config *config, struct err *err_out)
{
	struct err why;

	/* Where nothing was installed there are none. */
	if (access(PROVIDERS_PATH, F_OK) == 0 &&
	    collect_providers(&files->of[FILE_PROVIDERS], PROVIDERS_PATH, err_out) != 0)
		return EXIT_CONFIG;
	if (config->providers == NULL)
		return 0;
	if (collect_providers(&files->of[FILE_OWN_PROVIDERS], config->providers, &why) == 0)
		return 0;
	*err_out = why;
	(void)config_blame(config, "providers", err_out);
	return EXIT_CONFIG;
}

int
files_collect(struct files *files, const struct config *config, struct err *err_out)
{
	int status = config->tls.pair_count > 0 ? files_collect_pairs(files, config, err_out)
						: collect_own_certificate(files, config, err_out);

	if (status != 0)
		return status;
	if (replies_read(config, &files->of[FILE_REPLIES], err_out) != 0)
		return EXIT_CONFIG;
	if (keys_seal(config->state_dir, &files->of[FILE_SEAL_KEY], err_out) != 0)
		return EXIT_SYSTEM;
	status = files_collect_providers(files, config, err_out);
	if (status != 0)
		return status;
	keys_rotate_tickets(&files->of[FILE_TICKET_KEYS]);
	for (size_t i = 0; i < sizeof(system_files) / sizeof(system_files[0]); i++)
		read_system_file(system_files[i].path, &files->of[system_files[i].kind]);
	return 0;
}

void
files_keep_tickets(struct files *files, struct files *old)
{
	struct buf fresh = files->of[FILE_TICKET_KEYS];

	files->of[FILE_TICKET_KEYS] = old->of[FILE_TICKET_KEYS];
	old->of[FILE_TICKET_KEYS] = fresh;
}

void
files_fini(struct files *files)
{
	for (unsigned kind = 0; kind < FILE_KIND_COUNT; kind++) {
		if (files->of[kind].bytes != NULL)
			explicit_bzero(files->of[kind].bytes, files->of[kind].capacity);
		buf_fini(&files->of[kind]);
	}
	for (unsigned i = 0; i < files->pair_count; i++)
		keypair_fini(&files->pairs[i]);
	free(files->pairs);
	*files = (struct files){0};
}
