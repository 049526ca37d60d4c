/*
 * help - what the commands are, from their tables
 *
 * Owns     nothing
 */
#ifndef POSTERN_CTL_HELP_H
#define POSTERN_CTL_HELP_H

#include "ctl/args.h"

/* The tables of all nouns, ended by NULL. */
extern const struct command *const command_tables[];

/* Finds the command that `words` begin with; `*used_out` is how many of them name it. NULL: there
 * is none, and *err_out says what there is. */
const struct command *command_find(
    char *const *words, int word_count, int *used_out, struct err *err_out);

/* One line: `usage: posternctl list add NAME [--…]`. */
void help_usage(FILE *out, const struct command *command);
/* A command with its options. */
void help_command(FILE *out, const struct command *command);
bool help_has_noun(const char *noun);
/* All commands of a noun, or all (NULL). */
void help_all(FILE *out, const char *noun);

#endif
