/*
 * export - `queue export`: each message as DIR/ID.eml, the bytes that are stored, and DIR/ID.json,
 * its envelope and what else the API says of it. A body passes through piece by piece.
 */
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/copies.h"
#include "ctl/invocation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_MESSAGES 100
#define HTTP_NOT_FOUND 404

const struct option_row export_options[] = {
    {"list", VALUE_TEXT, "L", "of this list's users"},
    {"user", VALUE_TEXT, "U", "of this user"},
    {"profile", VALUE_TEXT, "P", "that go out through this profile"},
    {"state", VALUE_TEXT, "ready|deferred|scheduled|held|sending|uncertain", "in this state"},
    {.name = NULL},
};

struct exporting {
	struct invocation *invocation;
	int directory;
	json_int_t written, gone;
};

/* ---- what the daemon says ---- */

static bool
is_gone(const struct answer *answer)
{
	return answer->status == HTTP_NOT_FOUND;
}

/* A call about one message. It may have gone out meanwhile: `*gone_out`. */
static int
get(struct exporting *exporting, const char *path, struct answer *answer_out, bool *gone_out)
{
	struct err err;
	int status;

	*gone_out = false;
	if (client_call(exporting->invocation->client, "GET", path, NULL, answer_out, &err) < 0)
		return invocation_fail(STATUS_UNREACHABLE, "%s", err.text);
	*gone_out = is_gone(answer_out);
	if (*gone_out || (answer_out->status >= 200 && answer_out->status <= 299))
		return STATUS_DONE;
	status = invocation_fail(STATUS_REFUSED, "%s: posternd answers with HTTP status %ld: %.*s",
	    path, answer_out->status, (int)answer_out->body.size,
	    answer_out->body.size == 0 ? "" : answer_out->body.bytes);
	answer_fini(answer_out);
	return status;
}

static int
get_json(struct exporting *exporting, const char *path, json_t **value_out, bool *gone_out)
{
	struct answer answer;
	int status = get(exporting, path, &answer, gone_out);

	*value_out = NULL;
	if (status != STATUS_DONE)
		return status;
	if (!*gone_out)
		*value_out = json_loadb(answer.body.bytes, answer.body.size, 0, NULL);
	answer_fini(&answer);
	return *gone_out || *value_out != NULL
		   ? STATUS_DONE
		   : invocation_fail(STATUS_REFUSED, "posternd's answer is not JSON");
}

/* An answer has only so many recipients: gets the others. */
static int
complete_recipients(struct exporting *exporting, json_t *message, bool *gone_out)
{
	const char *id = json_string_value(json_object_get(message, "id"));
	json_t *recipients = json_object_get(message, "recipients");
	json_int_t count = json_integer_value(json_object_get(message, "recipient_count"));
	int status = STATUS_DONE;

	(void)json_object_del(message, "has_more"); /* said of the answer */
	while (status == STATUS_DONE && !*gone_out &&
	       (json_int_t)json_array_size(recipients) < count) {
		char *path = xasprintf(
		    "/v1/messages/%s/recipients?after=%zu", id, json_array_size(recipients));
		json_t *more;

		status = get_json(exporting, path, &more, gone_out);
		free(path);
		if (json_array_size(more) == 0)
			*gone_out = true; /* it ended while we asked */
		else
			(void)json_array_extend(recipients, more);
		json_decref(more);
	}
	return status;
}

/* ---- files ---- */

static int
fail_file(const char *attempt, const char *name)
{
	return invocation_fail(STATUS_REFUSED, "can't %s %s: %s", attempt, name, strerror(errno));
}

static FILE *
open_new(const struct exporting *exporting, const char *name)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(exporting->directory, name, flags, 0600);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (file == NULL && fd >= 0)
		(void)close(fd);
	return file;
}

/* Gives the file its name once all of it is on disk. */
static int
settle(const struct exporting *exporting, FILE *file, const char *fresh, const char *name)
{
	bool is_good = fflush(file) == 0 && fsync(fileno(file)) == 0;

	is_good = fclose(file) == 0 && is_good;
	if (is_good && renameat(exporting->directory, fresh, exporting->directory, name) == 0)
		return STATUS_DONE;
	return fail_file("write", name);
}

static int
write_body(struct exporting *exporting, const char *id, FILE *file, bool *gone_out)
{
	unsigned long long offset = 0;
	size_t size = 1;
	int status = STATUS_DONE;

	while (status == STATUS_DONE && size > 0 && !*gone_out) {
		char *path = xasprintf("/v1/messages/%s/body?offset=%llu", id, offset);
		struct answer piece;

		status = get(exporting, path, &piece, gone_out);
		free(path);
		if (status != STATUS_DONE)
			break;
		size = *gone_out ? 0 : piece.body.size;
		if (size > 0 && fwrite(piece.body.bytes, 1, size, file) != size)
			status = fail_file("write the body of", id);
		answer_fini(&piece);
		offset += size;
	}
	return status;
}

/* Nothing of a message that went meanwhile stays. */
static int
write_eml(struct exporting *exporting, const char *id, json_int_t size, bool *gone_out)
{
	char *name = xasprintf("%s.eml", id), *fresh = xasprintf("%s.eml.new", id);
	FILE *file = open_new(exporting, fresh);
	int status =
	    file == NULL ? fail_file("make", fresh) : write_body(exporting, id, file, gone_out);

	if (file != NULL && (status != STATUS_DONE || *gone_out)) {
		(void)fclose(file);
		(void)unlinkat(exporting->directory, fresh, 0);
	} else if (file != NULL && ftello(file) != size) {
		status = invocation_fail(STATUS_REFUSED,
		    "the body of %s has %jd bytes instead of %" JSON_INTEGER_FORMAT, id,
		    (intmax_t)ftello(file), size);
		(void)fclose(file);
	} else if (file != NULL) {
		status = settle(exporting, file, fresh, name);
	}
	free(name);
	free(fresh);
	return status;
}

static int
write_envelope(const struct exporting *exporting, const char *id, const json_t *message)
{
	char *name = xasprintf("%s.json", id), *fresh = xasprintf("%s.json.new", id);
	FILE *file = open_new(exporting, fresh);
	int status;

	if (file == NULL) {
		status = fail_file("make", fresh);
	} else if (json_dumpf(message, file, JSON_INDENT(2)) != 0 || fputc('\n', file) == EOF) {
		status = fail_file("write", fresh);
		(void)fclose(file);
	} else {
		status = settle(exporting, file, fresh, name);
	}
	free(name);
	free(fresh);
	return status;
}

/* ---- messages ---- */

static int
export_message(struct exporting *exporting, json_t *message)
{
	const char *id = json_string_value(json_object_get(message, "id"));
	json_int_t size = json_integer_value(json_object_get(message, "size"));
	bool has_gone = false;
	int status = complete_recipients(exporting, message, &has_gone);

	if (status == STATUS_DONE && !has_gone)
		status = write_eml(exporting, id, size, &has_gone);
	if (status == STATUS_DONE && !has_gone)
		status = write_envelope(exporting, id, message);
	if (has_gone)
		exporting->gone++;
	else if (status == STATUS_DONE)
		exporting->written++;
	return status;
}

static int
export_ids(struct exporting *exporting)
{
	const struct arguments *arguments = &exporting->invocation->arguments;
	int status = STATUS_DONE;

	for (unsigned i = 1; i < arguments->operand_count && status == STATUS_DONE; i++) {
		const char *const parts[] = {"/v1/messages/", arguments->operands[i], NULL};
		char *path = client_path(parts);
		bool has_gone;
		json_t *message;

		status = get_json(exporting, path, &message, &has_gone);
		free(path);
		if (has_gone)
			status = invocation_fail(STATUS_REFUSED, "%s: no such message in the queue",
			    arguments->operands[i]);
		else if (status == STATUS_DONE)
			status = export_message(exporting, message);
		json_decref(message);
	}
	return status;
}

static int
export_page(struct exporting *exporting, json_t *messages)
{
	int status = STATUS_DONE;
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		status = export_message(exporting, message);
		if (status != STATUS_DONE)
			break;
	}
	return status;
}

static int
export_selection(struct exporting *exporting)
{
	json_t *fields = exporting->invocation->arguments.fields;
	int status = STATUS_DONE;
	size_t count = PAGE_MESSAGES;

	(void)json_object_set_new(fields, "limit", json_integer(PAGE_MESSAGES));
	while (status == STATUS_DONE && count > 0) {
		char *path = invocation_query(exporting->invocation, "/v1/messages");
		json_t *messages = NULL;

		status = invocation_call(exporting->invocation, "GET", path, NULL, &messages);
		free(path);
		count = json_array_size(messages);
		if (count > 0) {
			(void)json_object_set(fields, "after",
			    json_object_get(json_array_get(messages, count - 1), "id"));
			status = export_page(exporting, messages);
		}
		json_decref(messages);
	}
	return status;
}

static int
open_directory(const char *path)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
print_result(const struct exporting *exporting)
{
	const char *path = exporting->invocation->arguments.operands[0];
	json_t *result;

	if (exporting->invocation->is_json) {
		result = json_pack("{s:s, s:I, s:I}", "path", path, "messages", exporting->written,
		    "gone", exporting->gone);
		invocation_print_json(result);
		json_decref(result);
		return;
	}
	(void)printf("%" JSON_INTEGER_FORMAT " messages in %s", exporting->written, path);
	if (exporting->gone > 0)
		(void)printf(
		    "; %" JSON_INTEGER_FORMAT " left the queue meanwhile", exporting->gone);
	(void)putchar('\n');
}

int
run_export(struct invocation *invocation)
{
	const struct arguments *arguments = &invocation->arguments;
	struct exporting exporting = {.invocation = invocation};
	int status;

	if (arguments->operand_count > 1 && json_object_size(arguments->fields) > 0)
		return invocation_fail(
		    STATUS_USAGE, "ids go alone, without --list, --user, --profile and --state");
	exporting.directory = open_directory(arguments->operands[0]);
	if (exporting.directory < 0)
		return fail_file("use the directory", arguments->operands[0]);
	status =
	    arguments->operand_count > 1 ? export_ids(&exporting) : export_selection(&exporting);
	if (status == STATUS_DONE && fsync(exporting.directory) != 0)
		status = fail_file("write", arguments->operands[0]);
	(void)close(exporting.directory);
	if (status == STATUS_DONE)
		print_result(&exporting);
	return status;
}
