/*
 * backup_name - what a backup may be called, and where its parts go
 *
 * A backup is state_dir/backups/NAME. While its owners still add their parts it is NAME.partial:
 * queue begins it, accounts goes on, the parent adds seal.key and gives it its name.
 */
#ifndef POSTERN_CORE_BACKUP_NAME_H
#define POSTERN_CORE_BACKUP_NAME_H

#include <stdbool.h>

#define BACKUP_DIRECTORY "backups"
#define BACKUP_PARTIAL ".partial"
#define BACKUP_NAME_MAX 64
/* Room for a path of one of its parts below state_dir. */
#define BACKUP_PATH_SIZE 160

/* Letters, digits, `_` and `-`, up to 64; the first is a letter or digit. It needs no encoding in a
 * path, and is never that of a partial one. */
bool backup_name_is_valid(const char *name);
#define BACKUP_NAME_RULE                                                                           \
	"name: a backup's name has up to 64 letters, digits, '_' and '-', and begins with a "      \
	"letter or digit"

/* `/v1/backups/NAME`: its name, or NULL when the path is another or the name is not valid. */
const char *backup_name_of_path(const char *path);

#endif
