/*
 * bounds - whether a message is simple enough to be read with GMime
 *
 * Role     mime
 * Owns     nothing
 * Fails    never: one that isn't is left as it is
 *
 * GMime enters groups of addresses and multiparts once for each that stands in another, and compares each
 * parameter of a field with all before it. So all of these are counted first, by what could make one
 * at the most: nothing is parsed here, and nothing that quotes or hides can make less of it.
 */
#ifndef POSTERN_MIME_BOUNDS_H
#define POSTERN_MIME_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>

/* Multiparts and messages in each other: more cost more time and memory than they can be worth. */
#define BOUNDS_DEPTH_MAX 200
/* Lines that may be a boundary. */
#define BOUNDS_BOUNDARIES_MAX 100000
/* Colons in a field of addresses, of which each may begin a group. */
#define BOUNDS_GROUPS_MAX 2000
/* Semicolons in a field with parameters, of which each may begin one. */
#define BOUNDS_PARAMETERS_MAX 500

/* What a whole message, or what begins like one, has. */
bool bounds_hold(const char *bytes, size_t size);
/* The value of one field of addresses. */
bool bounds_hold_for_addresses(const char *value, size_t size);

#endif
