/* copies - `queue check` and `queue backup`: the daemon does them, here is what people are told. */
#include "ctl/copies.h"

#include "common/clock.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/invocation.h"

#include <stdlib.h>
#include <time.h>

#define WHAT_TO_DO                                                                                 \
	"look at each with posternctl queue show; where the database itself is damaged, restore "  \
	"a "                                                                                       \
	"backup or save what can be read (backup.md)"

static void
print_problems(const json_t *result)
{
	const json_t *problems = json_object_get(result, "problems");
	const json_t *problem;
	size_t i;

	json_array_foreach(problems, i, problem)(void)
	    fprintf(stderr, "%s\n", json_string_value(problem));
}

static void
print_measure(const json_t *result)
{
	(void)printf("%" JSON_INTEGER_FORMAT " messages of %" JSON_INTEGER_FORMAT
		     " bytes, %" JSON_INTEGER_FORMAT " of them in files of their own\n",
	    json_integer_value(json_object_get(result, "messages")),
	    json_integer_value(json_object_get(result, "bytes")),
	    json_integer_value(json_object_get(result, "body_files")));
}

/* What was found is told on stderr; the status says whether it was nothing. */
static int
finish(const struct invocation *invocation, json_t *result)
{
	bool is_sound = json_is_true(json_object_get(result, "sound"));
	json_int_t count = json_integer_value(json_object_get(result, "problem_count"));

	if (invocation->is_json)
		invocation_print_json(result);
	else
		print_problems(result);
	json_decref(result);
	return is_sound
		   ? STATUS_DONE
		   : invocation_fail(STATUS_REFUSED,
			 "the queue is not sound, %" JSON_INTEGER_FORMAT " problems: " WHAT_TO_DO,
			 count);
}

int
run_check(struct invocation *invocation)
{
	json_t *result = NULL;
	int status = invocation_call(invocation, "POST", "/v1/queue/check", NULL, &result);

	if (status != STATUS_DONE)
		return status;
	if (!invocation->is_json && json_is_true(json_object_get(result, "sound"))) {
		(void)printf("sound: ");
		print_measure(result);
	}
	return finish(invocation, result);
}

/* The time in UTC: names sort by it. */
static char *
default_name(void)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm at = {0};

	(void)gmtime_r(&now, &at);
	return xasprintf("%04d%02d%02dT%02d%02d%02dZ", at.tm_year + 1900, at.tm_mon + 1, at.tm_mday,
	    at.tm_hour, at.tm_min, at.tm_sec);
}

int
run_backup(struct invocation *invocation)
{
	bool is_named = invocation->arguments.operand_count > 0;
	char *name = is_named ? xstrdup(invocation->arguments.operands[0]) : default_name();
	const char *const parts[] = {"/v1/backups/", name, NULL};
	char *path = client_path(parts);
	json_t *result = NULL;
	int status = invocation_call(invocation, "POST", path, NULL, &result);

	free(path);
	free(name);
	if (status != STATUS_DONE)
		return status;
	if (!invocation->is_json) {
		(void)printf("%s: ", json_string_value(json_object_get(result, "path")));
		print_measure(result);
	}
	return finish(invocation, result);
}
