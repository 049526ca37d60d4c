/* db_rows - statements made from a table's fields, so that a field is declared in one place. */
#include "daemon/accounts/db_rows.h"

#include "common/buf.h"
#include "common/xalloc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 100

static void
append_columns(struct buf *sql, const struct table *table, const char *suffix)
{
	for (size_t i = 0; i < table->field_count; i++)
		buf_printf(sql, "%s\"%s\"%s", i == 0 ? "" : ", ", table->fields[i].name, suffix);
}

static struct db_value
value_of(const struct field *field, const void *row)
{
	void *fields = (void *)(uintptr_t)row;

	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_ITEMS:
		return DB_TEXT(*field_text(field, fields));
	case FIELD_BOOL:
		return DB_NUMBER(*field_bool(field, fields));
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_PERCENT:
	case FIELD_SECONDS:
	case FIELD_TIME:
		break;
	}
	return DB_NUMBER(*field_number(field, fields));
}

static size_t
values_of(const struct table *table, const void *row, struct db_value values[static FIELDS_MAX])
{
	ensure(table->field_count < FIELDS_MAX);
	for (size_t i = 0; i < table->field_count; i++)
		values[i] = value_of(&table->fields[i], row);
	return table->field_count;
}

static int
run(struct db *db, struct buf *sql, const struct db_value *values, size_t count, db_row_fn *on_row,
    void *ctx, struct err *err_out)
{
	int rows = db_run(db, sql->bytes, values, count, on_row, ctx, err_out);

	buf_fini(sql);
	return rows;
}

int
db_insert(struct db *db, const struct table *table, void *row, struct err *err_out)
{
	struct db_value values[FIELDS_MAX];
	size_t count = values_of(table, row, values);
	struct buf sql;

	buf_init(&sql);
	buf_printf(&sql, "INSERT INTO \"%s\" (", table->name);
	append_columns(&sql, table, "");
	buf_text(&sql, ") VALUES (?");
	for (size_t i = 1; i < count; i++)
		buf_text(&sql, ", ?");
	buf_char(&sql, ')');
	if (run(db, &sql, values, count, NULL, NULL, err_out) < 0)
		return -1;
	*(int64_t *)row = db_last_id(db);
	return 0;
}

int
db_update(struct db *db, const struct table *table, const void *row, struct err *err_out)
{
	struct db_value values[FIELDS_MAX];
	size_t count = values_of(table, row, values);
	struct buf sql;

	values[count++] = DB_NUMBER(*(const int64_t *)row);
	buf_init(&sql);
	buf_printf(&sql, "UPDATE \"%s\" SET ", table->name);
	append_columns(&sql, table, " = ?");
	buf_text(&sql, " WHERE id = ?");
	return run(db, &sql, values, count, NULL, NULL, err_out) < 0 ? -1 : 0;
}

int
db_remove(struct db *db, const struct table *table, int64_t id, struct err *err_out)
{
	struct buf sql;

	buf_init(&sql);
	buf_printf(&sql, "DELETE FROM \"%s\" WHERE id = ?", table->name);
	return run(db, &sql, &DB_NUMBER(id), 1, NULL, NULL, err_out) < 0 ? -1 : 0;
}

/* ---- reading ---- */

struct reader {
	const struct table *table;
	void (*on_row)(void *row, void *ctx);
	void *ctx;
};

static void
read_row(const struct table *table, const struct db_row *from, void *row)
{
	memset(row, 0, table->row_size);
	*(int64_t *)row = db_row_number(from, 0);
	for (size_t i = 0; i < table->field_count; i++) {
		const struct field *field = &table->fields[i];
		const char *text;

		switch (field->type) {
		case FIELD_TEXT:
		case FIELD_ITEMS:
			text = db_row_text(from, (int)i + 1);
			*field_text(field, row) = text == NULL ? NULL : xstrdup(text);
			break;
		case FIELD_BOOL:
			*field_bool(field, row) = db_row_number(from, (int)i + 1) != 0;
			break;
		case FIELD_NUMBER:
		case FIELD_SIZE:
		case FIELD_PERCENT:
		case FIELD_SECONDS:
		case FIELD_TIME:
			*field_number(field, row) = db_row_number(from, (int)i + 1);
			break;
		}
	}
}

static void
begin_select(struct buf *sql, const struct table *table)
{
	buf_init(sql);
	buf_text(sql, "SELECT id, ");
	append_columns(sql, table, "");
	buf_printf(sql, " FROM \"%s\" WHERE ", table->name);
}

struct found {
	const struct table *table;
	void *row;
};

static void
take_found(const struct db_row *from, void *ctx)
{
	struct found *found = ctx;

	read_row(found->table, from, found->row);
}

static int
find(struct db *db, const struct table *table, const char *column, const struct db_value *value,
    void *row_out, struct err *err_out)
{
	struct found found = {.table = table, .row = row_out};
	struct buf sql;

	begin_select(&sql, table);
	buf_printf(&sql, "\"%s\" = ?", column);
	return run(db, &sql, value, 1, take_found, &found, err_out);
}

int
db_find(
    struct db *db, const struct table *table, const char *name, void *row_out, struct err *err_out)
{
	return find(db, table, table->fields[0].name, &DB_TEXT(name), row_out, err_out);
}

int
db_find_id(struct db *db, const struct table *table, int64_t id, void *row_out, struct err *err_out)
{
	return find(db, table, "id", &DB_NUMBER(id), row_out, err_out);
}

static void
give_row(const struct db_row *from, void *ctx)
{
	struct reader *reader = ctx;
	void *row = xmalloc(reader->table->row_size);

	read_row(reader->table, from, row);
	reader->on_row(row, reader->ctx);
	table_row_fini(reader->table, row);
	free(row);
}

int
db_each(struct db *db, const struct table *table, const struct db_page *page,
    void (*on_row)(void *row, void *ctx), void *ctx, struct err *err_out)
{
	const char *order = page->order == NULL ? table->fields[0].name : page->order;
	struct reader reader = {.table = table, .on_row = on_row, .ctx = ctx};
	struct db_value values[3];
	size_t count = 0;
	struct buf sql;

	begin_select(&sql, table);
	if (page->filter != NULL) {
		buf_printf(&sql, "\"%s\" = ? AND ", page->filter);
		values[count++] = page->filter_value;
	}
	buf_printf(&sql, "\"%s\" > ? ORDER BY \"%s\" LIMIT ?", order, order);
	/* Numbers sort before texts: every name and every id is above -1. */
	values[count++] = page->after.type == DB_NULL ? DB_NUMBER(-1) : page->after;
	values[count++] = DB_NUMBER(page->limit > 0 ? page->limit : -1);
	return run(db, &sql, values, count, give_row, &reader, err_out);
}
