/*
 * part - a part of a message that has no others in it: where it stands, and how it is written
 *
 * Role     mime
 * Owns     nothing; borrows the tree
 * Units    octets
 * Fails    false: it isn't where GMime says, which a broken message may bring about
 */
#ifndef POSTERN_MIME_PART_H
#define POSTERN_MIME_PART_H

#include "daemon/mime/charset.h"
#include "daemon/mime/edits.h"
#include "daemon/mime/encoding.h"
#include "daemon/mime/tree.h"

struct part {
	const struct tree *tree;
	GMimeObject *object;
	size_t fields_end; /* where the empty line before the content is */
	size_t at, size;   /* of the content, as it is encoded */
	enum encoding encoding;
	const char *charset_name;      /* "us-ascii" if none is said */
	const struct charset *charset; /* NULL: not known */
};

__attribute__((warn_unused_result)) bool part_locate(
    struct part *part, const struct tree *tree, GMimeObject *object);
bool part_is(const struct part *part, const char *type, const char *subtype);
/* It is meant to be kept in a file of its own. */
bool part_is_attachment(const struct part *part);

static inline const char *
part_bytes(const struct part *part)
{
	return part->tree->bytes + part->at;
}

/* GMime can write these parameters again: with names that are none, or very long, it never ends. */
bool part_can_encode(GMimeParamList *parameters);
/* A field of the part takes this value, without a line end; it is added if it's missing. */
void part_set_field(
    const struct part *part, const char *name, const char *value, struct edits *edits);
/* The content becomes this, which isn't encoded yet; fields are changed as needed. `charset` is a
 * text's new one, NULL: as it was. */
void part_set_content(const struct part *part, enum encoding encoding, const char *charset,
    const struct buf *content, struct edits *edits);

#endif
