/*
 * value - the value of one option, from text to JSON
 *
 * Gives    *value_out, which the caller decrefs
 * Fails    as args.h says
 */
#ifndef POSTERN_CTL_VALUE_H
#define POSTERN_CTL_VALUE_H

#include "ctl/args.h"

/* `text` is NULL for the types that have no value. */
enum args_outcome value_parse(const struct option_row *row, const char *text, FILE *input,
    json_t **value_out, struct err *err_out);

#endif
