/* operators_backup - `queue check` and the queue's part of a backup. */
#include "daemon/queue/operators_private.h"

#include <string.h>

static json_t *
problems_of(const struct copy_job *copy)
{
	size_t shown =
	    copy->problem_count < COPY_PROBLEMS_MAX ? copy->problem_count : COPY_PROBLEMS_MAX;
	json_t *problems = json_array();

	for (size_t i = 0; i < shown; i++)
		(void)json_array_append_new(problems, result_text(copy->problems[i].text));
	return problems;
}

/* The problem has words for people, who may be in a hurry. */
static void
answer_failure(struct call *call, const struct copy_job *copy)
{
	switch (copy->verdict) {
	case COPY_NO_ROOM:
		call_answer_error(call, 507, "no_room", copy->problem.text, NULL);
		break;
	case COPY_NAME_TAKEN:
		call_answer_error(call, 409, "exists", copy->problem.text, NULL);
		break;
	case COPY_OK:
	case COPY_FAILED:
		call_answer_error(call, 503, "copy_failed", copy->problem.text, NULL);
		break;
	}
}

static void
on_copied(const struct copy_job *copy, void *ctx)
{
	struct call *call = ctx;

	if (copy->verdict != COPY_OK) {
		answer_failure(call, copy);
		return;
	}
	call_answer_json(call, 200,
	    json_pack("{s:b,s:I,s:I,s:I,s:o,s:I}", "sound", copy->problem_count == 0, "messages",
		(json_int_t)copy->messages, "bytes", (json_int_t)copy->bytes, "body_files",
		(json_int_t)copy->files, "problems", problems_of(copy), "problem_count",
		(json_int_t)copy->problem_count));
}

static void
start(struct call *call, const char *name)
{
	if (!backup_start(call->operators->backups, name, on_copied, call))
		call_answer_error(call, 409, "busy",
		    "the queue is being copied just now, for a check or a backup: try again later",
		    NULL);
}

void
call_start_check(struct call *call)
{
	start(call, "");
}

void
call_start_backup(struct call *call, const char *path)
{
	const char *name = backup_name_of_path(path);

	if (name == NULL)
		call_answer_error(call, 400, "invalid", BACKUP_NAME_RULE, "name");
	else
		start(call, name);
}
