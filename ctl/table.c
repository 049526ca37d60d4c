/* table - lays out JSON in columns. */
#include "ctl/table.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/xalloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 16
#define SHORT_HEAD 19
#define SHORT_TAIL 20
#define BEGINNING 80

static void
append_text(struct buf *cell, const char *text)
{
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
		if (*at < 0x20 || *at == 0x7f)
			buf_printf(cell, "\\x%02x", *at);
		else if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) /* C1 controls */
			buf_printf(cell, "\\x%02x", *++at);
		else
			buf_char(cell, (char)*at);
	}
}

static void append_value(struct buf *cell, const json_t *value);

static void
append_items(struct buf *cell, const json_t *array)
{
	size_t i;
	json_t *item;

	if (json_array_size(array) == 0)
		buf_char(cell, '-');
	json_array_foreach(array, i, item)
	{
		if (i > 0)
			buf_text(cell, "; ");
		append_value(cell, item);
	}
}

static void
append_value(struct buf *cell, const json_t *value)
{
	switch (value == NULL ? JSON_NULL : json_typeof(value)) {
	case JSON_STRING:
		append_text(
		    cell, json_string_value(value)[0] == '\0' ? "-" : json_string_value(value));
		break;
	case JSON_INTEGER:
		buf_printf(cell, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		buf_printf(cell, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
		buf_text(cell, "yes");
		break;
	case JSON_FALSE:
		buf_text(cell, "no");
		break;
	case JSON_NULL:
		buf_char(cell, '-');
		break;
	case JSON_ARRAY:
		append_items(cell, value);
		break;
	case JSON_OBJECT: {
		char *text = json_dumps(value, 0);

		append_text(cell, text);
		free(text);
		break;
	}
	}
}

static void
append_size(struct buf *cell, const json_t *value)
{
	static const char units[] = "BKMGT";
	double size = (double)json_integer_value(value);
	size_t unit = 0;

	while (size >= 1024 && unit < sizeof(units) - 2) {
		size /= 1024;
		unit++;
	}
	buf_printf(cell, size < 10 && unit > 0 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

/* In characters; good enough for names and addresses. */
static int
text_width(const char *text)
{
	int width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Behind `count` characters. */
static const char *
skip_characters(const char *text, int count)
{
	while (count-- > 0)
		do
			text++;
		while (((unsigned char)*text & 0xc0) == 0x80);
	return text;
}

/* Names that are read at a glance; who needs all of a long one asks with -j. Takes and gives. */
static char *
shorten(char *text)
{
	int width = text_width(text);
	const char *head_end, *tail;
	char *result;

	if (width <= SHORT_HEAD + 1 + SHORT_TAIL)
		return text;
	head_end = skip_characters(text, SHORT_HEAD);
	tail = skip_characters(text, width - SHORT_TAIL);
	result = xasprintf("%.*s…%s", (int)(head_end - text), text, tail);
	free(text);
	return result;
}

/* Of sentences that another command has in full. Takes and gives. */
static char *
cut(char *text)
{
	char *result;

	if (text_width(text) <= BEGINNING)
		return text;
	result = xasprintf("%.*s…", (int)(skip_characters(text, BEGINNING - 1) - text), text);
	free(text);
	return result;
}

static char *
cell_text(const json_t *value, enum column_kind kind)
{
	struct buf cell;

	buf_init(&cell);
	if (kind == COLUMN_SIZE && json_is_integer(value))
		append_size(&cell, value);
	else
		append_value(&cell, value);
	if (kind == COLUMN_SHORT)
		return shorten(buf_give(&cell));
	return kind == COLUMN_BEGINNING ? cut(buf_give(&cell)) : buf_give(&cell);
}

static void
print_cell(FILE *out, const char *text, int width, enum column_kind kind, bool is_last)
{
	int padding = width - text_width(text);

	if (kind == COLUMN_NUMBER || kind == COLUMN_SIZE)
		(void)fprintf(out, "%*s%s", padding, "", text);
	else
		(void)fprintf(out, "%s%*s", text, is_last ? 0 : padding, "");
	(void)fputs(is_last ? "\n" : "  ", out);
}

static bool
is_shown(const struct column *column, const json_t *array)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)array, i, row)
	{
		if (json_object_get(row, column->field) != NULL)
			return true;
	}
	return column->kind != COLUMN_IF_ANY;
}

void
table_print(FILE *out, const json_t *array, const struct column *all)
{
	struct column columns[COLUMNS_MAX];
	size_t rows = json_array_size(array), count = 0;
	int widths[COLUMNS_MAX] = {0};
	char **cells;

	for (; all->heading != NULL; all++)
		if (is_shown(all, array)) {
			ensure(count < COLUMNS_MAX);
			columns[count++] = *all;
		}
	cells = xcalloc((rows + 1) * count, sizeof(*cells));
	for (size_t i = 0; i < (rows + 1) * count; i++) {
		const struct column *column = &columns[i % count];
		const json_t *row = i < count ? NULL : json_array_get(array, i / count - 1);

		cells[i] = row == NULL
			       ? xstrdup(column->heading)
			       : cell_text(json_object_get(row, column->field), column->kind);
		if (text_width(cells[i]) > widths[i % count])
			widths[i % count] = text_width(cells[i]);
	}
	for (size_t i = 0; i < (rows + 1) * count; i++) {
		print_cell(out, cells[i], widths[i % count], columns[i % count].kind,
		    i % count == count - 1);
		free(cells[i]);
	}
	free(cells);
}

void
table_print_value(FILE *out, const json_t *value)
{
	char *text = cell_text(value, COLUMN_PLAIN);

	(void)fputs(text, out);
	free(text);
}

void
table_print_record(FILE *out, json_t *object)
{
	const char *field;
	json_t *value;

	json_object_foreach(object, field, value)
	{
		for (const char *at = field; *at != '\0'; at++)
			(void)fputc(*at == '_' ? '-' : *at, out);
		(void)fputs(": ", out);
		table_print_value(out, value);
		(void)fputc('\n', out);
	}
}
