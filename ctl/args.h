/*
 * args - a command's operands and options, from the command line to the fields of the API
 *
 * Owns     an `arguments` owns its fields; its operands are borrowed from the command line
 * Fails    ARGS_USAGE: the command line is wrong; ARGS_REFUSED: it can't be done (an option of a
 *          later version, a file that can't be read); *err_out says why and what to do
 *
 * An option `--some-name` becomes the field `some_name`. The rows say of which type.
 */
#ifndef POSTERN_CTL_ARGS_H
#define POSTERN_CTL_ARGS_H

#include "common/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum value_type {
	VALUE_FLAG,     /* has no value: true */
	VALUE_TEXT,     /* a string */
	VALUE_NUMBER,   /* a whole number, not negative */
	VALUE_YES_NO,   /* yes, no: a boolean */
	VALUE_ITEMS,    /* a;b,c: an array of strings */
	VALUE_DURATION, /* 90s, 10m: seconds; as it is when they are not whole */
	VALUE_FILE,     /* the content of the file */
	VALUE_SECRET,   /* the same, without blanks and line ends behind it */
	VALUE_LINES,    /* a text, or behind a @ the file that has it */
	VALUE_STDIN,    /* --password-stdin: the field `password`, a line of stdin */
	VALUE_LATER     /* has a value or not; not in this version */
};

struct option_row {
	const char *name; /* without the dashes; NULL ends the table */
	enum value_type type;
	const char *value; /* what the help calls its value, or NULL */
	const char *help;
};

struct invocation;

struct command {
	const char *noun;     /* NULL ends the table */
	const char *verb;     /* NULL: the noun alone is the command */
	const char *operands; /* as in the help: "NAME"; "" for none */
	unsigned operands_min, operands_max;
	const struct option_row *options; /* NULL: none */
	const char *help;
	/* Returns the exit status. NULL: not in this version. */
	int (*run)(struct invocation *invocation);
};

struct arguments {
	char **operands;
	unsigned operand_count;
	json_t *fields; /* of the options that were given */
};

enum args_outcome { ARGS_OK, ARGS_USAGE, ARGS_REFUSED };

/* Reads what stands behind the command's words. `input` is stdin, replaced by tests. The operands
 * are moved to the front of `words`. On ARGS_OK the caller calls arguments_fini(). */
enum args_outcome arguments_parse(const struct command *command, char **words, int word_count,
    FILE *input, struct arguments *arguments_out, struct err *err_out);
void arguments_fini(struct arguments *arguments);

/* A field that was given, taken out (the caller decrefs), or NULL. */
json_t *arguments_take(struct arguments *arguments, const char *field);
/* Whether a flag was given; takes it out. */
bool arguments_take_flag(struct arguments *arguments, const char *field);

#endif
