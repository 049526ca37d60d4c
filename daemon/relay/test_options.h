/*
 * test_options - what the caller of a profile's test asks for
 *
 * Owns     nothing
 * Context  any
 */
#ifndef POSTERN_RELAY_TEST_OPTIONS_H
#define POSTERN_RELAY_TEST_OPTIONS_H

#include <jansson.h>

/* What is wrong with the body, or NULL; *field_out is the member that it is about, NULL: all. */
const char *test_options_check(json_t *options, const char **field_out);

#endif
