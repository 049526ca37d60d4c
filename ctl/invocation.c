/* invocation - calls, errors and results that all nouns have in common. */
#include "ctl/invocation.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_ROWS 200

int
invocation_fail(enum exit_status status, const char *format, ...)
{
	va_list args;

	(void)fputs("posternctl: ", stderr);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return status;
}

char *
invocation_path(const struct invocation *invocation, const char *prefix, const char *suffix)
{
	const char *const parts[] = {prefix, invocation->arguments.operands[0], suffix, NULL};

	return client_path(parts);
}

/* Whether `field` of the API is this option. */
static bool
is_option(const char *option, const char *field)
{
	for (; *option != '\0' && *field != '\0'; option++, field++)
		if (*option != *field && !(*option == '-' && *field == '_'))
			return false;
	return *option == *field;
}

/* The daemon's words. It speaks of a `field:`, the user typed an `--option`. */
static int
refused(const struct invocation *invocation, const struct answer *answer, const json_t *result)
{
	const json_t *error = json_object_get(result, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *field = json_string_value(json_object_get(error, "field"));
	const struct option_row *row = invocation->command->options;
	size_t size = field == NULL ? 0 : strlen(field);

	if (message == NULL)
		return invocation_fail(STATUS_REFUSED,
		    "posternd answered with HTTP status %ld and no reason", answer->status);
	if (size == 0 || strncmp(message, field, size) != 0 || message[size] != ':')
		return invocation_fail(STATUS_REFUSED, "%s", message);
	for (; row != NULL && row->name != NULL; row++)
		if (is_option(row->name, field))
			return invocation_fail(STATUS_REFUSED, "--%s%s", row->name, message + size);
	return invocation_fail(STATUS_REFUSED, "%s", message);
}

static int
read_result(const struct invocation *invocation, const struct answer *answer, json_t **result_out)
{
	json_t *result = answer->body.size == 0 ? json_object()
						: json_loadb(answer->body.bytes, answer->body.size,
						      JSON_DECODE_ANY, NULL);
	int status = STATUS_DONE;

	if (answer->status < 200 || answer->status > 299)
		status = refused(invocation, answer, result);
	else if (result == NULL)
		status = invocation_fail(STATUS_REFUSED, "posternd's answer is not JSON");
	if (status == STATUS_DONE && result_out != NULL)
		*result_out = json_incref(result);
	json_decref(result);
	return status;
}

int
invocation_call(struct invocation *invocation, const char *method, const char *path,
    const json_t *body, json_t **result_out)
{
	struct answer answer;
	struct err err;
	int status;

	if (client_call(invocation->client, method, path, body, &answer, &err) < 0)
		return invocation_fail(STATUS_UNREACHABLE, "%s", err.text);
	status = read_result(invocation, &answer, result_out);
	answer_fini(&answer);
	return status;
}

struct stream {
	void (*on_line)(const json_t *line, void *ctx);
	void *ctx;
};

static void
on_line(const char *text, void *ctx)
{
	const struct stream *stream = ctx;
	json_t *line = json_loads(text, 0, NULL);

	if (line != NULL)
		stream->on_line(line, stream->ctx);
	json_decref(line);
}

/* What is wrong behind the first line has no status of HTTP any more. */
static int
check_streamed(const struct invocation *invocation, const struct answer *answer, json_t **result)
{
	int status;

	if (json_object_get(*result, "error") == NULL)
		return STATUS_DONE;
	status = refused(invocation, answer, *result);
	json_decref(*result);
	*result = NULL;
	return status;
}

int
invocation_stream(struct invocation *invocation, const char *path, const json_t *body,
    void (*on_its_line)(const json_t *line, void *ctx), void *ctx, json_t **result_out)
{
	struct stream stream = {on_its_line, ctx};
	struct answer answer;
	struct err err;
	int status;

	if (client_stream(invocation->client, path, body, on_line, &stream, &answer, &err) < 0)
		return invocation_fail(STATUS_UNREACHABLE, "%s", err.text);
	status = read_result(invocation, &answer, result_out);
	if (status == STATUS_DONE)
		status = check_streamed(invocation, &answer, result_out);
	answer_fini(&answer);
	return status;
}

int
invocation_fetch(struct invocation *invocation, const char *path, struct answer *answer_out)
{
	struct err err;
	int status;

	if (client_call(invocation->client, "GET", path, NULL, answer_out, &err) < 0)
		return invocation_fail(STATUS_UNREACHABLE, "%s", err.text);
	if (answer_out->status >= 200 && answer_out->status <= 299)
		return STATUS_DONE;
	status = read_result(invocation, answer_out, NULL);
	answer_fini(answer_out);
	return status;
}

void
invocation_print_json(const json_t *value)
{
	(void)json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	(void)putchar('\n');
}

int
invocation_print_rows(
    const struct invocation *invocation, const json_t *rows, const struct column *columns)
{
	if (invocation->is_json)
		invocation_print_json(rows);
	else
		table_print(stdout, rows, columns);
	return STATUS_DONE;
}

int
invocation_print_record(const struct invocation *invocation, json_t *record)
{
	if (invocation->is_json)
		invocation_print_json(record);
	else
		table_print_record(stdout, record);
	return STATUS_DONE;
}

/* What was done, but may not have been meant. */
static void
print_warning(const json_t *result)
{
	const char *warning = json_string_value(json_object_get(result, "warning"));

	if (warning != NULL)
		(void)fprintf(stderr, "posternctl: warning: %s\n", warning);
}

/* What is known of the provider that a profile was made for, and what else may not be expected. */
void
invocation_print_notes(const json_t *notes)
{
	size_t i;
	json_t *note;

	json_array_foreach(notes, i, note)(void) printf("note: %s\n", json_string_value(note));
}

int
invocation_finish(const struct invocation *invocation, int status, json_t *result)
{
	if (status != STATUS_DONE)
		return status;
	if (invocation->is_json) {
		invocation_print_json(result);
	} else {
		invocation_print_notes(json_object_get(result, "hints"));
		invocation_print_notes(json_object_get(result, "notes"));
		print_warning(result);
	}
	json_decref(result);
	return STATUS_DONE;
}

static void
append_parameter(struct buf *query, const char *field, const json_t *value)
{
	char number[32];
	const char *text = json_string_value(value);
	char *encoded;

	if (text == NULL) {
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		    json_is_true(value) ? 1 : json_integer_value(value));
		text = number;
	}
	encoded = client_path((const char *const[]){"", text, NULL});
	buf_printf(query, "%s=%s", field, encoded);
	free(encoded);
}

char *
invocation_query(const struct invocation *invocation, const char *path)
{
	struct buf query;
	const char *field;
	json_t *value;
	char separator = '?';

	buf_init(&query);
	buf_text(&query, path);
	json_object_foreach(invocation->arguments.fields, field, value)
	{
		buf_char(&query, separator);
		append_parameter(&query, field, value);
		separator = '&';
	}
	return buf_give(&query);
}

bool
invocation_take_has_more(json_t *messages)
{
	size_t count = json_array_size(messages);
	json_t *last = count == 0 ? NULL : json_array_get(messages, count - 1);

	if (!json_is_true(json_object_get(last, "has_more")))
		return false;
	(void)json_object_set_new(last, "has_more", json_false());
	return true;
}

/* The rows behind what there is of them already. */
static int
get_page(struct invocation *invocation, const char *collection, json_t **page_out)
{
	char *path = invocation_query(invocation, collection);
	int status = invocation_call(invocation, "GET", path, NULL, page_out);

	free(path);
	return status;
}

/* One answer has no room for any number of rows. The first column is the name they go by. */
int
invocation_ls(struct invocation *invocation, const char *collection, const struct column *columns)
{
	json_t *fields = invocation->arguments.fields, *rows = json_array(), *last;
	json_t *page = NULL;
	size_t count = PAGE_ROWS;
	int status = STATUS_DONE;

	(void)json_object_set_new(fields, "limit", json_integer(PAGE_ROWS));
	while (status == STATUS_DONE && count == PAGE_ROWS) {
		status = get_page(invocation, collection, &page);
		if (status != STATUS_DONE)
			break;
		count = json_array_size(page);
		(void)json_array_extend(rows, page);
		last = json_array_get(page, count - 1);
		(void)json_object_set(fields, "after", json_object_get(last, columns[0].field));
		json_decref(page);
	}
	if (status == STATUS_DONE)
		status = invocation_print_rows(invocation, rows, columns);
	json_decref(rows);
	return status;
}

int
invocation_get(struct invocation *invocation, const char *prefix, json_t **record_out)
{
	char *path = invocation_path(invocation, prefix, "");
	int status = invocation_call(invocation, "GET", path, NULL, record_out);

	free(path);
	return status;
}

int
invocation_show(struct invocation *invocation, const char *prefix)
{
	json_t *record = NULL;
	int status = invocation_get(invocation, prefix, &record);

	if (status != STATUS_DONE)
		return status;
	status = invocation_print_record(invocation, record);
	json_decref(record);
	return status;
}

int
invocation_add(struct invocation *invocation, const char *collection, const char *name_field)
{
	json_t *fields = invocation->arguments.fields;
	json_t *name = json_string(invocation->arguments.operands[0]);
	json_t *result = NULL;
	int status;

	if (name == NULL)
		return invocation_fail(STATUS_USAGE, "the name is not UTF-8");
	(void)json_object_set_new(fields, name_field, name);
	status = invocation_call(invocation, "POST", collection, fields, &result);
	return invocation_finish(invocation, status, result);
}

int
invocation_set(struct invocation *invocation, const char *prefix)
{
	char *path;
	json_t *result = NULL;
	int status;

	if (json_object_size(invocation->arguments.fields) == 0)
		return invocation_fail(STATUS_USAGE,
		    "no option says what to change; see posternctl help %s %s",
		    invocation->command->noun, invocation->command->verb);
	path = invocation_path(invocation, prefix, "");
	status = invocation_call(invocation, "PATCH", path, invocation->arguments.fields, &result);
	free(path);
	return invocation_finish(invocation, status, result);
}

int
invocation_rm(struct invocation *invocation, const char *prefix)
{
	char *name = invocation_path(invocation, prefix, "");
	char *path = invocation_query(invocation, name);
	json_t *result = NULL;
	int status = invocation_call(invocation, "DELETE", path, NULL, &result);

	free(name);
	free(path);
	return invocation_finish(invocation, status, result);
}

int
invocation_post(struct invocation *invocation, const char *prefix, const char *suffix)
{
	char *path = invocation_path(invocation, prefix, suffix);
	json_t *result = NULL;
	int status =
	    invocation_call(invocation, "POST", path, invocation->arguments.fields, &result);

	free(path);
	return invocation_finish(invocation, status, result);
}
