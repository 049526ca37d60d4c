/* files - certificates, keys and the system's files, read before the roles need them. */
#include "daemon/parent/files.h"

#include "common/xalloc.h"
#include "daemon/core/values.h"

#include <fcntl.h>
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

int
files_collect(struct buf *files, const struct config *config, struct err *err_out)
{
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
