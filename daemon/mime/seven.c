/* seven - walks over all parts; the header at the top stays as it is, since 8BITMIME isn't about it. */
#include "daemon/mime/seven.h"

#include "common/header_field.h"
#include "daemon/mime/part.h"

#include <string.h>

static const char signed_text[] = "a part that is not ASCII is signed or encrypted";
static const char nested_header[] = "the header of a message within is not ASCII";
static const char broken[] = "its MIME structure is broken";

struct converting {
	const struct tree *tree;
	struct edits *edits;
	const struct tree_level *level;
	const char *obstacle;
};

static void convert_object(struct converting *converting, GMimeObject *object, bool is_sealed);

/* ---- fields of parts ---- */

/* NULL: it can't be. */
static char *
encode_parameters(GMimeObject *object, bool is_type, GMimeFormatOptions *options)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);
	GMimeContentDisposition *disposition = g_mime_object_get_content_disposition(object);

	if (is_type)
		return part_can_encode(g_mime_content_type_get_parameters(type))
			   ? g_mime_content_type_encode(type, options)
			   : NULL;
	return part_can_encode(g_mime_content_disposition_get_parameters(disposition))
		   ? g_mime_content_disposition_encode(disposition, options)
		   : NULL;
}

static char *
encode_value(GMimeObject *object, GMimeHeader *header, GMimeFormatOptions *options)
{
	const char *name = g_mime_header_get_name(header), *value;
	bool is_type = g_ascii_strcasecmp(name, "Content-Type") == 0;

	if (is_type || (g_ascii_strcasecmp(name, "Content-Disposition") == 0 &&
			   g_mime_object_get_content_disposition(object) != NULL))
		return encode_parameters(object, is_type, options);
	value = g_mime_header_get_value(header);
	return g_mime_utils_header_encode_text(options, value == NULL ? "" : value, NULL);
}

static void
encode_field(struct converting *converting, GMimeObject *object, GMimeHeader *header,
    const struct tree_field *field)
{
	GMimeFormatOptions *options = g_mime_format_options_new();
	char *value;
	struct buf text = {0};

	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	value = encode_value(object, header, options);
	if (value == NULL) {
		converting->obstacle = "a field of a part is not ASCII and can't be encoded";
	} else {
		buf_printf(&text, "%s: %s\r\n", g_mime_header_get_name(header), g_strstrip(value));
		edits_add(converting->edits, field->at, field->size, &text);
	}
	g_free(value);
	g_mime_format_options_free(options);
}

/* Of a part, not of the message: those aren't ours to change. */
static void
convert_fields(struct converting *converting, GMimeObject *object, bool is_sealed)
{
	GMimeHeaderList *list = g_mime_object_get_header_list(object);
	int count = g_mime_header_list_get_count(list);

	for (int i = 0; i < count; i++) {
		struct tree_field field;

		if (!tree_field_at(converting->tree, object, i, &field) ||
		    !encoding_has_8bit(converting->tree->bytes + field.at, field.size))
			continue;
		if (is_sealed)
			converting->obstacle = signed_text;
		else
			encode_field(
			    converting, object, g_mime_header_list_get_header_at(list, i), &field);
	}
}

/* ---- parts ---- */

/* RFC 1428 section 3: what nobody says is UTF-8, or not known. */
static const char *
missing_charset(const struct part *part)
{
	const struct charset *utf8 = charset_find("utf-8");
	struct buf converted = {0};
	bool is_utf8;

	if (g_mime_object_get_content_type_parameter(part->object, "charset") != NULL ||
	    !part_is(part, "text", "*"))
		return NULL;
	is_utf8 = utf8 != NULL && charset_to_utf8(utf8, part_bytes(part), part->size, &converted);
	buf_fini(&converted);
	return is_utf8 ? "utf-8" : "unknown-8bit";
}

/* It says 8bit or binary, and need not. */
static void
relabel(struct converting *converting, GMimeObject *object)
{
	static const char name[] = "Content-Transfer-Encoding";
	struct tree_field field;
	struct buf text = {0};

	if (encoding_find(g_mime_object_get_header(object, name)) != ENCODING_8BIT ||
	    !tree_find_field(converting->tree, object, name, &field))
		return;
	buf_printf(&text, "%s: 7bit\r\n", name);
	edits_add(converting->edits, field.at, field.size, &text);
}

static void
convert_part(struct converting *converting, GMimeObject *object, bool is_sealed)
{
	struct part part;
	enum encoding encoding;
	struct buf content = {0};

	if (!part_locate(&part, converting->tree, object)) {
		converting->obstacle = broken;
		return;
	}
	if (!encoding_has_8bit(part_bytes(&part), part.size)) {
		if (!is_sealed)
			relabel(converting, object);
		return;
	}
	if (is_sealed || part_is(&part, "message", "partial")) {
		converting->obstacle = is_sealed ? signed_text : "a part of a message is not ASCII";
		return;
	}
	encoding = part.encoding;
	if (encoding != ENCODING_QUOTED_PRINTABLE && encoding != ENCODING_BASE64)
		encoding = part_is(&part, "text", "*") || part_is(&part, "message", "*")
			       ? ENCODING_QUOTED_PRINTABLE
			       : ENCODING_BASE64;
	if (part.encoding == ENCODING_UNKNOWN) {
		converting->obstacle = "the encoding of a part is not known";
		return;
	}
	encoding_decode(part.encoding, part_bytes(&part), part.size, &content);
	part_set_content(&part, encoding, missing_charset(&part), &content, converting->edits);
	buf_fini(&content);
}

static void
convert_message(struct converting *converting, GMimeMessage *message, bool is_sealed)
{
	GMimeHeaderList *list;
	struct tree_field field;

	if (message == NULL || g_mime_message_get_mime_part(message) == NULL) {
		converting->obstacle = broken;
		return;
	}
	list = g_mime_object_get_header_list(GMIME_OBJECT(message));
	for (int i = 0; i < g_mime_header_list_get_count(list); i++)
		if (tree_field_at(converting->tree, GMIME_OBJECT(message), i, &field) &&
		    encoding_has_8bit(converting->tree->bytes + field.at, field.size))
			converting->obstacle = nested_header;
	convert_object(converting, g_mime_message_get_mime_part(message), is_sealed);
}

/* `at`: where the field goes if it is missing. */
static void
set_quoted(struct converting *converting, GMimeObject *object, size_t at)
{
	static const char name[] = "Content-Transfer-Encoding";
	struct tree_field field = {.at = at};
	struct buf text = {0};

	if (encoding_find(g_mime_object_get_header(object, name)) > ENCODING_8BIT)
		converting->obstacle = "the encoding of a part is not known";
	(void)tree_find_field(converting->tree, object, name, &field);
	buf_printf(&text, "%s: quoted-printable\r\n", name);
	edits_add(converting->edits, field.at, field.size, &text);
}

/* The whole of it becomes text of another encoding (RFC 6532 section 3.7), as far as the boundary of
 * what it stands in. */
static void
convert_global(struct converting *converting, GMimeObject *object)
{
	const struct tree *tree = converting->tree;
	GMimeHeaderList *list = g_mime_object_get_header_list(object);
	int count = g_mime_header_list_get_count(list);
	struct tree_field last;
	struct buf text = {0};
	const char *at, *end;

	if (converting->level == NULL || count == 0 ||
	    !tree_field_at(tree, object, count - 1, &last)) {
		converting->obstacle = broken;
		return;
	}
	at = tree->bytes + last.at + last.size;
	end = tree_find_boundary(converting->level, at, tree->size - (last.at + last.size));
	if (end == NULL || end - at < 4 || memcmp(at, "\r\n", 2) != 0) {
		converting->obstacle = broken;
		return;
	}
	at += 2;
	end -= 2; /* its line end is the boundary's */
	if (!encoding_has_8bit(at, (size_t)(end - at)))
		return;
	set_quoted(converting, object, last.at + last.size);
	encoding_encode(ENCODING_QUOTED_PRINTABLE, at, (size_t)(end - at), &text);
	edits_add(converting->edits, (size_t)(at - tree->bytes), (size_t)(end - at), &text);
}

static bool
is_global(GMimeObject *object)
{
	return g_mime_content_type_is_type(
	    g_mime_object_get_content_type(object), "message", "global");
}

static bool
seals(GMimeObject *object)
{
	GMimeContentType *type = g_mime_object_get_content_type(object);

	return g_mime_content_type_is_type(type, "multipart", "signed") ||
	       g_mime_content_type_is_type(type, "multipart", "encrypted");
}

static void
convert_multipart(struct converting *converting, GMimeMultipart *multipart, bool is_sealed)
{
	bool seals_parts = is_sealed || seals(GMIME_OBJECT(multipart));
	struct tree_level level = {
	    .outer = converting->level, .boundary = g_mime_multipart_get_boundary(multipart)};

	if (level.boundary == NULL) {
		converting->obstacle = broken;
		return;
	}
	converting->level = &level;
	for (int i = 0; i < g_mime_multipart_get_count(multipart); i++)
		if (converting->obstacle == NULL)
			convert_object(
			    converting, g_mime_multipart_get_part(multipart, i), seals_parts);
	converting->level = level.outer;
}

static void
convert_object(struct converting *converting, GMimeObject *object, bool is_sealed)
{
	/* Content-Type: and its like at the top are fields of the part as well. */
	if (object != converting->tree->root)
		convert_fields(converting, object, is_sealed);
	if (converting->obstacle != NULL)
		return;
	if (GMIME_IS_PART(object)) {
		convert_part(converting, object, is_sealed);
		return;
	}
	if (GMIME_IS_MESSAGE_PART(object) && is_global(object) && !is_sealed) {
		convert_global(converting, object);
		return;
	}
	if (!is_sealed)
		relabel(converting, object);
	if (GMIME_IS_MESSAGE_PART(object))
		convert_message(converting,
		    g_mime_message_part_get_message(GMIME_MESSAGE_PART(object)), is_sealed);
	else if (GMIME_IS_MULTIPART(object))
		convert_multipart(converting, GMIME_MULTIPART(object), is_sealed);
}

const char *
seven_convert(const struct tree *tree, struct edits *edits)
{
	struct converting converting = {.tree = tree, .edits = edits};

	convert_object(&converting, tree->root, false);
	return converting.obstacle;
}

bool
seven_is_done(const char *message, size_t size)
{
	struct header_end end = {0};

	if (!header_find_end(&end, message, size))
		return true;
	return !encoding_has_8bit(message + end.body_at, size - end.body_at);
}
