/*
 * tree - a message's structure, as GMime sees it, with the places where things stand in its bytes
 *
 * Role     mime
 * Owns     GMime's objects; borrows the message
 * Units    octets, from the message's beginning
 * Fails    false, and `problem` says why in words: the structure is broken, or there is too much of
 *          it; such a message is left as it is
 *
 * GMime reads, and nothing of what it would write is used: what changes is put into the bytes that
 * came (edits.h).
 */
#ifndef POSTERN_MIME_TREE_H
#define POSTERN_MIME_TREE_H

#include <gmime/gmime.h>
#include <stdbool.h>
#include <stddef.h>

struct tree {
	const char *bytes;
	size_t size;
	GMimeMessage *message;
	GMimeObject *root; /* what the message has in it */
	GByteArray *array; /* the bytes, as GMime wants them */
	const char *problem;
};

/* Before the rights are given up. */
void tree_prepare(void);

__attribute__((warn_unused_result)) bool tree_parse(
    struct tree *tree, const char *bytes, size_t size);
void tree_fini(struct tree *tree);

/* A multipart and those around it. */
struct tree_level {
	const struct tree_level *outer;
	const char *boundary;
};

/* The first line that one of them would take for a boundary; NULL: there is none. */
const char *tree_find_boundary(const struct tree_level *level, const char *bytes, size_t size);

/* A field in the bytes, with its folds and last CRLF. */
struct tree_field {
	size_t at, size;
};

/* False: the object has no such field, or it isn't where it should be. */
bool tree_find_field(
    const struct tree *tree, GMimeObject *object, const char *name, struct tree_field *field_out);
/* The same of the field with that number. */
bool tree_field_at(
    const struct tree *tree, GMimeObject *object, int index, struct tree_field *field_out);

#endif
