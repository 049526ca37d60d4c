/* api_call - what most handlers do: find, list, check, write one row. */
#include "daemon/accounts/api_call.h"

#include "common/buf.h"
#include "daemon/accounts/db_rows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 3 /* names in a refusal */

void
call_note(struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)json_array_append_new(call->notes, json_vsprintf(format, args));
	va_end(args);
}

int
call_find(struct call *call, const struct table *table, void *row_out, struct refusal *refusal_out)
{
	struct err err;
	int found = db_find(call->parts->db, table, call->name, row_out, &err);

	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", NULL,
		    "there is no %s %.200s", table->name, call->name);
	return 0;
}

struct index {
	struct parts *parts;
	json_t *array;
	json_t *(*to_json)(struct parts *parts, const void *row);
};

static void
add_row(void *row, void *ctx)
{
	struct index *index = ctx;

	(void)json_array_append_new(index->array, index->to_json(index->parts, row));
}

int
call_query_number(struct call *call, const char *name, int64_t otherwise, int64_t *number_out,
    struct refusal *refusal_out)
{
	const char *text = json_string_value(json_object_get(call->query, name));
	char *end;

	*number_out = otherwise;
	if (text == NULL)
		return 0;
	errno = 0;
	*number_out = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno != 0 || *number_out < 0)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", name,
		    "%s: must be a whole number", name);
	return 0;
}

/* 1: there is a row of this name, 0: none. */
static int
has_row(struct call *call, const struct table *table, const char *name, struct err *err_out)
{
	void *row = calloc(1, table->row_size);
	int found;

	ensure(row != NULL);
	found = db_find(call->parts->db, table, name, row, err_out);
	if (found > 0)
		table_row_fini(table, row);
	free(row);
	return found;
}

/* An empty answer would hide that the name is misspelt. */
static int
check_filter(
    struct call *call, const struct table *filter, const char *name, struct refusal *refusal_out)
{
	struct err err;
	int found = has_row(call, filter, name, &err);

	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found == 0)
		return refuse(refusal_out, REFUSED_NOT_FOUND, "not_found", filter->name,
		    "there is no %s %.200s", filter->name, name);
	return 0;
}

enum handled
call_index(struct call *call, const struct table *table, const struct table *filter,
    json_t *(*to_json)(struct parts *parts, const void *row), json_t **result_out,
    struct refusal *refusal_out)
{
	const char *after = json_string_value(json_object_get(call->query, "after"));
	const char *value =
	    filter == NULL ? NULL : json_string_value(json_object_get(call->query, filter->name));
	struct index index = {.parts = call->parts, .to_json = to_json};
	struct db_page page = {0};
	struct err err;

	if (call_query_number(call, "limit", 0, &page.limit, refusal_out) != 0)
		return CALL_REFUSED;
	if (after != NULL)
		page.after = DB_TEXT(after);
	if (value != NULL && check_filter(call, filter, value, refusal_out) != 0)
		return CALL_REFUSED;
	if (value != NULL) {
		page.filter = filter->name;
		page.filter_value = DB_TEXT(value);
	}
	index.array = json_array();
	if (db_each(call->parts->db, table, &page, add_row, &index, &err) < 0) {
		json_decref(index.array);
		(void)refuse_unavailable(refusal_out, &err);
		return CALL_REFUSED;
	}
	*result_out = index.array;
	return CALL_DONE;
}

int
call_check_new(
    struct call *call, const struct table *table, const char *name, struct refusal *refusal_out)
{
	struct err err;
	int found = has_row(call, table, name, &err);

	if (found < 0)
		return refuse_unavailable(refusal_out, &err);
	if (found > 0)
		return refuse(refusal_out, REFUSED_CONFLICT, "exists", table->fields[0].name,
		    "there is a %s %s already", table->name, name);
	return 0;
}

struct users {
	const struct table *table;
	struct buf names;
	int count;
};

static void
add_name(void *row, void *ctx)
{
	struct users *users = ctx;

	users->count++;
	if (users->count <= SHOWN_MAX)
		buf_printf(&users->names, "%s%s", users->count > 1 ? ", " : "",
		    *field_text(&users->table->fields[0], row));
	else if (users->count == SHOWN_MAX + 1)
		buf_text(&users->names, " and others");
}

int
call_check_unused(struct call *call, const struct table *table, const char *field,
    const char *value, struct refusal *refusal_out)
{
	struct users users = {.table = table};
	const struct db_page page = {
	    .filter = field, .filter_value = DB_TEXT(value), .limit = SHOWN_MAX + 1};
	struct err err;
	int rc = 0;

	buf_init(&users.names);
	if (db_each(call->parts->db, table, &page, add_name, &users, &err) < 0)
		rc = refuse_unavailable(refusal_out, &err);
	else if (users.count > 0)
		rc = refuse(refusal_out, REFUSED_CONFLICT, "in_use", NULL,
		    "%s is in use by the %s%s %s", value, table->name, users.count > 1 ? "s" : "",
		    users.names.bytes);
	buf_fini(&users.names);
	return rc;
}

int
call_check_no_fields(struct call *call, const char *allowed, struct refusal *refusal_out)
{
	const char *name;
	json_t *value;

	json_object_foreach(call->body, name,
	    value) if (allowed == NULL || strcmp(name, allowed) != 0) return refuse(refusal_out,
	    REFUSED_INVALID, "unknown_field", name, "there is no field %.60s here%s%s", name,
	    allowed == NULL ? "" : "; allowed is ", allowed == NULL ? "" : allowed);
	return 0;
}

/* ---- writing ---- */

static int
end(struct call *call, int rc, struct err *err, struct refusal *refusal_out)
{
	if (rc == 0 && db_commit(call->parts->db, err) == 0)
		return 0;
	db_rollback(call->parts->db);
	return refuse_unavailable(refusal_out, err);
}

int
call_insert(struct call *call, const struct table *table, void *row, struct refusal *refusal_out)
{
	struct db *db = call->parts->db;
	struct err err;
	int rc = db_begin(db, &err);

	if (rc == 0)
		rc = db_insert(db, table, row, &err);
	return end(call, rc, &err, refusal_out);
}

int
call_update(
    struct call *call, const struct table *table, const void *row, struct refusal *refusal_out)
{
	struct db *db = call->parts->db;
	struct err err;
	int rc = db_begin(db, &err);

	if (rc == 0)
		rc = db_update(db, table, row, &err);
	return end(call, rc, &err, refusal_out);
}

int
call_remove(struct call *call, const struct table *table, int64_t id, struct refusal *refusal_out)
{
	struct db *db = call->parts->db;
	struct err err;
	int rc = db_begin(db, &err);

	if (rc == 0)
		rc = db_remove(db, table, id, &err);
	return end(call, rc, &err, refusal_out);
}
