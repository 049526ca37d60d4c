/* part - places are GMime's, checked against the bytes. */
#include "daemon/mime/part.h"

#include <string.h>

#define WORD_OCTETS 40
#define VALUE_OCTETS 500

static bool
is_line_end(const char *at)
{
	return at[0] == '\r' && at[1] == '\n';
}

/* The content is where its stream begins and ends; the line before is the empty one. */
static bool
find_content(struct part *part)
{
	const struct tree *tree = part->tree;
	GMimeDataWrapper *content = g_mime_part_get_content(GMIME_PART(part->object));
	GMimeStream *stream = content == NULL ? NULL : g_mime_data_wrapper_get_stream(content);
	gint64 end;

	if (stream == NULL || stream->bound_start < 2)
		return false;
	end = stream->bound_end < 0 ? (gint64)tree->size : stream->bound_end;
	if (end < stream->bound_start || (guint64)end > tree->size)
		return false;
	part->at = (size_t)stream->bound_start;
	part->size = (size_t)(end - stream->bound_start);
	part->fields_end = part->at - 2;
	return is_line_end(tree->bytes + part->fields_end) &&
	       (part->fields_end == 0 ||
		   (part->fields_end >= 2 && is_line_end(tree->bytes + part->fields_end - 2)));
}

bool
part_locate(struct part *part, const struct tree *tree, GMimeObject *object)
{
	const char *charset = g_mime_object_get_content_type_parameter(object, "charset");

	*part = (struct part){.tree = tree, .object = object};
	if (!GMIME_IS_PART(object) || !find_content(part))
		return false;
	part->encoding =
	    encoding_find(g_mime_object_get_header(object, "Content-Transfer-Encoding"));
	part->charset_name = charset == NULL ? "us-ascii" : charset;
	part->charset = charset_find(part->charset_name);
	return true;
}

bool
part_is(const struct part *part, const char *type, const char *subtype)
{
	return g_mime_content_type_is_type(
	    g_mime_object_get_content_type(part->object), type, subtype);
}

bool
part_is_attachment(const struct part *part)
{
	GMimeContentDisposition *disposition = g_mime_object_get_content_disposition(part->object);

	/* What isn't known counts as an attachment (RFC 2183 section 2.8). */
	return disposition != NULL &&
	       g_ascii_strcasecmp(
		   g_mime_content_disposition_get_disposition(disposition), "inline") != 0;
}

void
part_set_field(const struct part *part, const char *name, const char *value, struct edits *edits)
{
	struct tree_field field = {.at = part->fields_end};
	struct buf text = {0};

	if (g_mime_object_get_header(part->object, name) != NULL &&
	    !tree_find_field(part->tree, part->object, name, &field))
		return;
	buf_printf(&text, "%s: %s\r\n", name, value);
	edits_add(edits, field.at, field.size, &text);
}

/* A token (RFC 2045 section 5.1) that fits into a line. */
static bool
is_word(const char *text)
{
	size_t length = text == NULL ? 0 : strlen(text);

	if (length == 0 || length > WORD_OCTETS)
		return false;
	for (; *text != '\0'; text++)
		if (!g_ascii_isgraph(*text) || strchr("()<>@,;:\\\"/[]?=*'%", *text) != NULL)
			return false;
	return true;
}

bool
part_can_encode(GMimeParamList *parameters)
{
	int count = parameters == NULL ? 0 : g_mime_param_list_length(parameters);

	for (int i = 0; i < count; i++) {
		GMimeParam *parameter = g_mime_param_list_get_parameter_at(parameters, i);
		const char *value = g_mime_param_get_value(parameter);

		if (!is_word(g_mime_param_get_name(parameter)) || value == NULL ||
		    strlen(value) > VALUE_OCTETS)
			return false;
	}
	return true;
}

/* What of the field is sure to be right, if not all of it can be said again. */
static GMimeContentType *
plain_type(const struct part *part)
{
	GMimeContentType *now = g_mime_object_get_content_type(part->object);
	const char *subtype = g_mime_content_type_get_media_subtype(now);
	const char *format = g_mime_content_type_get_parameter(now, "format");
	GMimeContentType *type =
	    g_mime_content_type_new("text", is_word(subtype) ? subtype : "plain");

	if (is_word(format))
		g_mime_content_type_set_parameter(type, "format", format);
	return type;
}

static GMimeContentType *
copy_type(const struct part *part)
{
	const char *now = g_mime_object_get_header(part->object, "Content-Type");
	GMimeContentType *type;

	if (now == NULL)
		return g_mime_content_type_new("text", "plain");
	type = g_mime_content_type_parse(NULL, now);
	if (part_can_encode(g_mime_content_type_get_parameters(type)) &&
	    is_word(g_mime_content_type_get_media_subtype(type)))
		return type;
	g_object_unref(type);
	return plain_type(part);
}

static void
set_charset(const struct part *part, const char *charset, struct edits *edits)
{
	GMimeFormatOptions *options = g_mime_format_options_new();
	/* Not the object's own: a change of it makes GMime forget where the field stands. */
	GMimeContentType *type = copy_type(part);
	char *value;

	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	g_mime_content_type_set_parameter(type, "charset", charset);
	value = g_mime_content_type_encode(type, options);
	part_set_field(part, "Content-Type", g_strstrip(value), edits);
	g_free(value);
	g_object_unref(type);
	g_mime_format_options_free(options);
}

/* A text without a word of MIME becomes one of its first version. */
static void
set_version(const struct part *part, struct edits *edits)
{
	struct buf text = {0};

	if (part->object != part->tree->root ||
	    g_mime_object_get_header(GMIME_OBJECT(part->tree->message), "MIME-Version") != NULL)
		return;
	buf_text(&text, "MIME-Version: 1.0\r\n");
	edits_add(edits, part->fields_end, 0, &text);
}

void
part_set_content(const struct part *part, enum encoding encoding, const char *charset,
    const struct buf *content, struct edits *edits)
{
	struct buf text = {0};

	if (encoding != part->encoding || charset != NULL)
		set_version(part, edits);
	if (charset != NULL)
		set_charset(part, charset, edits);
	if (encoding != part->encoding)
		part_set_field(part, "Content-Transfer-Encoding", encoding_name(encoding), edits);
	encoding_encode(encoding, content->bytes, content->size, &text);
	/* Behind the last part of a message there is no boundary to bring a line's end. */
	if (part->at + part->size == part->tree->size && text.size > 0 &&
	    text.bytes[text.size - 1] != '\n')
		buf_text(&text, "\r\n");
	edits_add(edits, part->at, part->size, &text);
}
