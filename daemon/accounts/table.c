/* table - reads a noun's fields from JSON, each with its limits, and writes them back. */
#include "daemon/accounts/table.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "daemon/config/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int64_t *
field_number(const struct field *field, void *row)
{
	return (int64_t *)(void *)((char *)row + field->offset);
}

char **
field_text(const struct field *field, void *row)
{
	return (char **)(void *)((char *)row + field->offset);
}

bool *
field_bool(const struct field *field, void *row)
{
	return (bool *)(void *)((char *)row + field->offset);
}

static bool
is_text(const struct field *field)
{
	return field->type == FIELD_TEXT || field->type == FIELD_ITEMS;
}

bool
field_is_set(const struct field *field, const void *row)
{
	void *fields = (void *)(uintptr_t)row;

	if (is_text(field))
		return *field_text(field, fields) != NULL;
	return field->type == FIELD_BOOL ? *field_bool(field, fields)
					 : *field_number(field, fields) != 0;
}

void
field_clear(const struct field *field, void *row)
{
	if (is_text(field)) {
		free(*field_text(field, row));
		*field_text(field, row) = NULL;
	} else if (field->type == FIELD_BOOL) {
		*field_bool(field, row) = false;
	} else {
		*field_number(field, row) = 0;
	}
}

void
table_row_fini(const struct table *table, void *row)
{
	for (size_t i = 0; i < table->field_count; i++)
		if (is_text(&table->fields[i]))
			free(*field_text(&table->fields[i], row));
	memset(row, 0, table->row_size);
}

static bool
is_among(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* ---- from JSON ---- */

static int
refuse_field(struct refusal *refusal_out, const struct field *field, const char *allowed)
{
	return refuse(
	    refusal_out, REFUSED_INVALID, "invalid", field->name, "%s: %s", field->name, allowed);
}

static void
append_name(struct buf *out, const char *name)
{
	if (out->size > 0)
		buf_text(out, ", ");
	buf_text(out, name);
}

static int
refuse_unknown(struct refusal *refusal_out, const struct table *table, const char *name,
    unsigned refused_flags)
{
	struct buf allowed;
	int rc;

	buf_init(&allowed);
	for (size_t i = 0; i < table->field_count; i++)
		if ((table->fields[i].flags & (refused_flags | FIELD_HIDDEN)) == 0)
			append_name(&allowed, table->fields[i].name);
	for (const char *const *at = table->extra; at != NULL && *at != NULL; at++)
		append_name(&allowed, *at);
	rc = refuse(refusal_out, REFUSED_INVALID, "unknown_field", name,
	    "a %s has no field %.60s; allowed are: %s", table->name, name, allowed.bytes);
	buf_fini(&allowed);
	return rc;
}

static int
check_choice(const struct field *field, char *text, struct refusal *refusal_out)
{
	struct buf allowed;
	int rc;

	for (const char *const *at = field->choices; *at != NULL; at++)
		if (strcasecmp(*at, text) == 0) {
			memcpy(text, *at, strlen(*at));
			return 0;
		}
	buf_init(&allowed);
	for (const char *const *at = field->choices; *at != NULL; at++)
		append_name(&allowed, *at);
	rc = refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
	    "%s: %.100s is not one of %s", field->name, text, allowed.bytes);
	buf_fini(&allowed);
	return rc;
}

static bool
takes_items(const struct field *field)
{
	return field->type == FIELD_ITEMS || (field->flags & FIELD_SEVERAL) != 0;
}

/* Several values come as an array or as one text; either way they become one text. */
static char *
text_of(const struct field *field, const json_t *value)
{
	struct buf items;

	if (json_is_string(value))
		return xstrdup(json_string_value(value));
	if (!takes_items(field) || !json_is_array(value))
		return NULL;
	buf_init(&items);
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *item = json_string_value(json_array_get(value, i));

		if (item == NULL) {
			buf_fini(&items);
			return NULL;
		}
		if (i > 0)
			buf_char(&items, ';');
		buf_text(&items, item);
	}
	return buf_give(&items);
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text) && *text != '\n' && *text != '\t' &&
		    *text != '\r')
			return true;
	return false;
}

static int
check_text(const struct field *field, char **text, struct refusal *refusal_out)
{
	struct err err;

	if ((int64_t)strlen(*text) > field->max)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
		    "%s: at most %" PRId64 " bytes are allowed", field->name, field->max);
	if (has_control(*text))
		return refuse_field(refusal_out, field, "control characters are not allowed");
	if (field->choices != NULL && check_choice(field, *text, refusal_out) != 0)
		return -1;
	if (field->normalise != NULL && field->normalise(text, &err) != 0)
		return refuse_field(refusal_out, field, err.text);
	return 0;
}

static int
read_text(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	char **target = field_text(field, row);
	char *text = NULL;

	if (!json_is_null(value) && (text = text_of(field, value)) == NULL)
		return refuse_field(refusal_out, field,
		    takes_items(field) ? "must be text, or an array of texts" : "must be text");
	/* Nothing at all is unset. */
	if (text != NULL && *text != '\0' && check_text(field, &text, refusal_out) != 0) {
		free(text);
		return -1;
	}
	if (text != NULL && *text == '\0') {
		free(text);
		text = NULL;
	}
	free(*target);
	*target = text;
	return 0;
}

static bool
parse_whole(const json_t *value, int64_t *number_out)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_integer(value)) {
		*number_out = json_integer_value(value);
		return true;
	}
	if (text == NULL || !isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*number_out = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0;
}

static int
read_number(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	bool is_endless = (field->flags & FIELD_ENDLESS) != 0, is_whole;
	int64_t number;

	is_whole = parse_whole(value, &number);
	if (is_whole && number == 0 && is_endless)
		number = FIELD_NO_LIMIT;
	else if (!is_whole || number < field->min || number > field->max)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
		    "%s: must be %sa whole number from %" PRId64 " to %" PRId64, field->name,
		    is_endless ? "0 (no limit), or " : "", field->min, field->max);
	*field_number(field, row) = number;
	return 0;
}

static int
read_size(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	char min[UNIT_TEXT_SIZE], max[UNIT_TEXT_SIZE];
	const char *text = json_string_value(value);
	uint64_t bytes = 0;
	int64_t number;

	if (text != NULL && unit_size(text, &bytes) == 0)
		number = (int64_t)bytes;
	else if (!parse_whole(value, &number))
		number = -1;
	if (number == 0 || (number >= field->min && number <= field->max)) {
		*field_number(field, row) = number;
		return 0;
	}
	return refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
	    "%s: must be 0 (none), or a size such as \"64K\" or \"1M\", from %s to %s", field->name,
	    unit_size_text((uint64_t)field->min, min), unit_size_text((uint64_t)field->max, max));
}

static int
read_percent(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	const char *text = json_string_value(value);
	size_t length = text == NULL ? 0 : strlen(text);
	json_t *digits = NULL;
	int64_t number;
	bool is_read;

	if (length > 1 && text[length - 1] == '%')
		digits = json_stringn(text, length - 1);
	is_read = parse_whole(digits != NULL ? digits : value, &number);
	json_decref(digits);
	if (!is_read || number < field->min || number > field->max)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
		    "%s: must be a percentage from %" PRId64 "%% to %" PRId64 "%%", field->name,
		    field->min, field->max);
	*field_number(field, row) = number;
	return 0;
}

static int
read_seconds(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	int64_t ms = 0, seconds;
	bool is_read = true;

	if (parse_whole(value, &seconds) && seconds < INT64_MAX / 1000)
		ms = seconds * 1000;
	else
		is_read =
		    json_is_string(value) && unit_duration(json_string_value(value), &ms) == 0;
	if (!is_read || ms < field->min || ms > field->max)
		return refuse(refusal_out, REFUSED_INVALID, "invalid", field->name,
		    "%s: must be a duration such as \"60s\" or \"10m\", from %" PRId64
		    " to %" PRId64 " seconds",
		    field->name, field->min / 1000, field->max / 1000);
	*field_number(field, row) = ms;
	return 0;
}

static int
read_bool(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		*field_bool(field, row) = json_is_true(value);
	else if (text != NULL && (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0))
		*field_bool(field, row) = true;
	else if (text != NULL && (strcasecmp(text, "no") == 0 || strcasecmp(text, "false") == 0))
		*field_bool(field, row) = false;
	else
		return refuse_field(refusal_out, field, "must be yes or no");
	return 0;
}

static bool
is_nothing(const json_t *value)
{
	return json_is_null(value) || (json_is_string(value) && *json_string_value(value) == '\0');
}

static int
read_field(const struct field *field, void *row, const json_t *value, struct refusal *refusal_out)
{
	if ((field->flags & FIELD_DEFAULTED) != 0 && is_nothing(value)) {
		*field_number(field, row) = 0;
		return 0;
	}
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_ITEMS:
		return read_text(field, row, value, refusal_out);
	case FIELD_NUMBER:
		return read_number(field, row, value, refusal_out);
	case FIELD_SIZE:
		return read_size(field, row, value, refusal_out);
	case FIELD_PERCENT:
		return read_percent(field, row, value, refusal_out);
	case FIELD_BOOL:
		return read_bool(field, row, value, refusal_out);
	case FIELD_SECONDS:
		return read_seconds(field, row, value, refusal_out);
	case FIELD_TIME:
		break;
	}
	ensure(field->type != FIELD_TIME);
	return -1;
}

const struct field *
table_find_field(const struct table *table, const char *name)
{
	for (size_t i = 0; i < table->field_count; i++)
		if (strcmp(table->fields[i].name, name) == 0)
			return &table->fields[i];
	return NULL;
}

static int
read_member(const struct table *table, void *row, const char *name, const json_t *value,
    unsigned refused_flags, struct refusal *refusal_out)
{
	const struct field *field;

	if (is_among(table->extra, name))
		return 0;
	if (is_among(table->not_built, name))
		return refuse(refusal_out, REFUSED_INVALID, "not_built", name,
		    "%s is not built yet in this version of postern", name);
	field = table_find_field(table, name);
	if (field == NULL || (field->flags & FIELD_HIDDEN) != 0)
		return refuse_unknown(refusal_out, table, name, refused_flags);
	if ((field->flags & refused_flags) != 0)
		return refuse_field(refusal_out, field, "can't be changed");
	return read_field(field, row, value, refusal_out);
}

int
table_read_json(const struct table *table, void *row, const json_t *object, unsigned refused_flags,
    struct refusal *refusal_out)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name,
	    value) if (read_member(table, row, name, value, refused_flags, refusal_out) !=
		       0) return -1;
	return 0;
}

/* ---- to JSON ---- */

json_t *
table_items_to_json(const char *items)
{
	json_t *array = json_array();
	size_t length;

	for (; items != NULL && *items != '\0'; items += length + (items[length] == ';')) {
		length = strcspn(items, ";");
		(void)json_array_append_new(array, json_stringn(items, length));
	}
	return array;
}

static json_t *
field_to_json(const struct field *field, void *row)
{
	char time[CLOCK_RFC3339_SIZE];

	switch (field->type) {
	case FIELD_TEXT:
		return *field_text(field, row) == NULL ? json_null()
						       : json_string(*field_text(field, row));
	case FIELD_ITEMS:
		return table_items_to_json(*field_text(field, row));
	case FIELD_NUMBER:
		if (*field_number(field, row) == FIELD_NO_LIMIT)
			return json_integer(0);
		return json_integer(*field_number(field, row));
	case FIELD_SIZE:
	case FIELD_PERCENT:
		return json_integer(*field_number(field, row));
	case FIELD_BOOL:
		return json_boolean(*field_bool(field, row));
	case FIELD_SECONDS:
		return *field_number(field, row) % 1000 == 0
			   ? json_integer(*field_number(field, row) / 1000)
			   : json_real((double)*field_number(field, row) / 1000);
	case FIELD_TIME:
		return json_string(clock_rfc3339(*field_number(field, row), time, sizeof(time)));
	}
	return json_null();
}

json_t *
table_to_json(const struct table *table, const void *row)
{
	json_t *object = json_object();
	void *fields = (void *)(uintptr_t)row;
	char id[24];

	(void)snprintf(id, sizeof(id), "%" PRId64, *(const int64_t *)row);
	(void)json_object_set_new(object, "id", json_string(id));
	for (size_t i = 0; i < table->field_count; i++)
		if ((table->fields[i].flags & FIELD_HIDDEN) == 0)
			(void)json_object_set_new(object, table->fields[i].name,
			    field_to_json(&table->fields[i], fields));
	return object;
}

int
check_name(char **text, struct err *err_out)
{
	if (!isalnum((unsigned char)**text))
		return err_set(err_out, "must begin with a letter or a digit");
	for (const char *at = *text; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && strchr("._-+@=\\", *at) == NULL)
			return err_set(
			    err_out, "only letters, digits and . _ - + @ = \\ are allowed");
	return 0;
}
