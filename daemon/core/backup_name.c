/* backup_name - checks the names of backups: they become those of directories. */
#include "daemon/core/backup_name.h"

#include <string.h>

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

bool
backup_name_is_valid(const char *name)
{
	size_t size = strlen(name);

	return size <= BACKUP_NAME_MAX && strspn(name, ALNUM) > 0 &&
	       strspn(name, ALNUM "_-") == size;
}

const char *
backup_name_of_path(const char *path)
{
	static const char prefix[] = "/v1/backups/";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	path += sizeof(prefix) - 1;
	return backup_name_is_valid(path) ? path : NULL;
}
