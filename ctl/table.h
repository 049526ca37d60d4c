/*
 * table - answers for people: tables and records
 *
 * Owns     nothing; borrows the JSON
 *
 * Control characters leave as \xNN: a subject must not write on the operator's terminal.
 */
#ifndef POSTERN_CTL_TABLE_H
#define POSTERN_CTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

enum column_kind {
	COLUMN_PLAIN,
	COLUMN_SHORT,     /* what is long loses its middle: "a long te…its end" */
	COLUMN_BEGINNING, /* what is long loses its end */
	COLUMN_NUMBER,    /* to the right */
	COLUMN_SIZE,      /* bytes, with a unit */
	COLUMN_IF_ANY     /* left out unless an element has the field */
};

struct column {
	const char *heading; /* NULL ends the table */
	const char *field;
	enum column_kind kind;
};

/* A line with the headings, then a line for each element. */
void table_print(FILE *out, const json_t *array, const struct column *columns);
/* One value as it stands in a table. */
void table_print_value(FILE *out, const json_t *value);
/* `field: value` lines, named like the options. */
void table_print_record(FILE *out, json_t *object);

#endif
