/* api_backups - accounts' part of a backup: accounts.db. Queue has made the directory. */
#include "daemon/accounts/api_call.h"
#include "daemon/core/backup_name.h"

#include <stdio.h>

enum handled
api_backup_add(struct call *call, json_t **result_out, struct refusal *refusal_out)
{
	char path[BACKUP_PATH_SIZE];
	struct err err;

	if (!backup_name_is_valid(call->name)) {
		(void)refuse(refusal_out, REFUSED_INVALID, "invalid", "name", BACKUP_NAME_RULE);
		return CALL_REFUSED;
	}
	(void)snprintf(path, sizeof(path), BACKUP_DIRECTORY "/%.*s" BACKUP_PARTIAL "/accounts.db",
	    BACKUP_NAME_MAX, call->name);
	if (db_copy(call->parts->db, path, &err) != 0) {
		(void)refuse(refusal_out, REFUSED_UNAVAILABLE, "copy_failed", NULL, "%s", err.text);
		return CALL_REFUSED;
	}
	*result_out = json_object();
	return CALL_DONE;
}
