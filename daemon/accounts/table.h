/*
 * table - a noun of accounts.db: one row for each field says how it stands in the struct, in the
 * database and in the API's JSON
 *
 * Owns     a table is constant; a row's texts are the row's, freed by table_row_fini()
 * Units    durations are milliseconds in the struct and in the database, seconds in JSON
 * Fails    -1 and *refusal_out, which names the field and what is allowed
 *
 * Every row's struct begins with `int64_t id`. A text that is NULL is unset: null in JSON and in
 * the database. The first field is the name that people use; it is unique and doesn't change.
 */
#ifndef POSTERN_ACCOUNTS_TABLE_H
#define POSTERN_ACCOUNTS_TABLE_H

#include "daemon/accounts/refusal.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
	FIELD_TEXT,    /* char * */
	FIELD_ITEMS,   /* char *, items separated by `;`; in JSON an array or such a text */
	FIELD_NUMBER,  /* int64_t */
	FIELD_SIZE,    /* int64_t; read as a number of bytes or as text with a unit; 0: none */
	FIELD_PERCENT, /* int64_t; read as a number or as text with a percent sign */
	FIELD_BOOL,    /* bool */
	FIELD_SECONDS, /* int64_t; read as a number of seconds or as text with a unit */
	FIELD_TIME     /* int64_t, wall clock; RFC 3339 */
};

enum {
	FIELD_READ_ONLY = 1,   /* JSON shows it, only we change it */
	FIELD_HIDDEN = 2,      /* JSON doesn't know it */
	FIELD_ONLY_AT_ADD = 4, /* can't be changed later */
	FIELD_DEFAULTED = 8,   /* a number that 0 leaves to its default; null and "" make it that */
	FIELD_SEVERAL = 16,    /* a text that may hold items; JSON may have an array of them */
	FIELD_ENDLESS = 32,    /* of a number 0 in JSON is FIELD_NO_LIMIT */
	FIELD_UPSTREAM = 64,   /* says where mail goes, and as whom; see profile_change.h */
};

#define FIELD_NO_LIMIT (-1)

struct field {
	const char *name; /* in JSON, and of the column */
	enum field_type type;
	unsigned flags;
	size_t offset;
	int64_t min, max;           /* of numbers and durations; of a text: its bytes */
	const char *const *choices; /* NULL, or what a text may be */
	/* Checks a text and puts it into the form that is stored. May be NULL. */
	int (*normalise)(char **text, struct err *err_out);
};

struct table {
	const char *name; /* of the database's table, and what people call one row */
	const struct field *fields;
	size_t field_count;
	size_t row_size;
	const char *const *extra;     /* fields that JSON may have and someone else reads */
	const char *const *not_built; /* fields of the manual that this version can't do */
};

/* Frees the texts and clears the row. */
void table_row_fini(const struct table *table, void *row);
/* Reads what the object has into the row and leaves the rest. Fields with one of these flags are
 * refused. */
int table_read_json(const struct table *table, void *row, const json_t *object,
    unsigned refused_flags, struct refusal *refusal_out);
/* Gives an array of the text's items; NULL and "" have none. */
json_t *table_items_to_json(const char *items);
/* Gives an object. */
json_t *table_to_json(const struct table *table, const void *row);

int64_t *field_number(const struct field *field, void *row);
char **field_text(const struct field *field, void *row);
bool *field_bool(const struct field *field, void *row);
/* Whether somebody chose it: it isn't NULL, 0 or false. */
bool field_is_set(const struct field *field, const void *row);
/* Nobody has chosen it. */
void field_clear(const struct field *field, void *row);
/* NULL: there is none. */
const struct field *table_find_field(const struct table *table, const char *name);

/* For `normalise`: names of lists and profiles, logins. */
int check_name(char **text, struct err *err_out);

#endif
