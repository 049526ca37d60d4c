/* tree - parses, and doesn't believe what it is told of places. */
#include "daemon/mime/tree.h"

#include "common/header_field.h"
#include "daemon/mime/bounds.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static GMimeParserOptions *parser_options;

static void
ignore_complaint(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer ctx)
{
	/* GLib would write to stderr, which is the log. */
}

/* Hostile values go as far as they can be read; only what readers may see in two ways is broken. */
static bool
is_broken(GMimeParserWarning warning)
{
	switch (warning) {
	case GMIME_WARN_MALFORMED_MULTIPART:
	case GMIME_WARN_TRUNCATED_MESSAGE:
	case GMIME_WARN_MALFORMED_MESSAGE:
	case GMIME_CRIT_INVALID_HEADER_NAME:
	case GMIME_CRIT_CONFLICTING_HEADER:
	case GMIME_CRIT_CONFLICTING_PARAMETER:
	case GMIME_CRIT_MULTIPART_WITHOUT_BOUNDARY:
	case GMIME_CRIT_NESTING_OVERFLOW:
	case GMIME_CRIT_PART_WITHOUT_HEADERS_OR_CONTENT:
		return true;
	default:
		return false;
	}
}

static struct tree *parsing;

static void
on_warning(gint64 offset, GMimeParserWarning warning, const gchar *item, gpointer ctx)
{
	if (parsing != NULL && is_broken(warning))
		parsing->problem = "its MIME structure is broken";
}

void
tree_prepare(void)
{
	if (parser_options != NULL)
		return;
	g_mime_init();
	(void)g_log_set_default_handler(ignore_complaint, NULL);
	parser_options = g_mime_parser_options_new();
	g_mime_parser_options_set_warning_callback(parser_options, on_warning, NULL);
}

/* ---- parsing ---- */

static void
parse(struct tree *tree)
{
	GMimeStream *stream = g_mime_stream_mem_new();
	GMimeParser *parser;

	/* Made by hand, so that the bytes aren't copied. */
	tree->array = g_byte_array_new_take((guint8 *)(guintptr)tree->bytes, (gsize)tree->size);
	g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(stream), tree->array);
	g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream), FALSE);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_persist_stream(parser, TRUE);
	parsing = tree;
	tree->message = g_mime_parser_construct_message(parser, parser_options);
	parsing = NULL;
	g_object_unref(parser);
	g_object_unref(stream);
	if (tree->message != NULL)
		tree->root = g_mime_message_get_mime_part(tree->message);
}

bool
tree_parse(struct tree *tree, const char *bytes, size_t size)
{
	*tree = (struct tree){.bytes = bytes, .size = size};
	if (size > UINT32_MAX / 2) {
		tree->problem = "it is too large";
		return false;
	}
	if (!bounds_hold(bytes, size)) {
		tree->problem = "it has too many parts, parameters or groups of addresses";
		return false;
	}
	parse(tree);
	if (tree->problem == NULL && tree->root == NULL)
		tree->problem = "its MIME structure is broken";
	return tree->problem == NULL;
}

void
tree_fini(struct tree *tree)
{
	if (tree->message != NULL)
		g_object_unref(tree->message);
	if (tree->array != NULL)
		(void)g_byte_array_free(tree->array, FALSE);
	*tree = (struct tree){0};
}

/* ---- boundaries ---- */

static bool
is_boundary(const struct tree_level *level, const char *line, size_t size)
{
	for (; level != NULL; level = level->outer) {
		size_t length = strlen(level->boundary);

		if (length <= size && memcmp(line, level->boundary, length) == 0)
			return true;
	}
	return false;
}

const char *
tree_find_boundary(const struct tree_level *level, const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size;

	while (at < end && (at = memmem(at, (size_t)(end - at), "--", 2)) != NULL) {
		const char *behind = at + 2;

		if ((at == bytes || at[-1] == '\n') &&
		    is_boundary(level, behind, (size_t)(end - behind)))
			return at;
		at += at == bytes || at[-1] == '\n' ? 2 : 1;
	}
	return NULL;
}

/* ---- places ---- */

static bool
place_field(const struct tree *tree, GMimeHeader *header, struct tree_field *field_out)
{
	gint64 offset = g_mime_header_get_offset(header);
	const char *name = g_mime_header_get_name(header), *at;
	struct header_field field;

	if (offset < 0 || (guint64)offset >= tree->size)
		return false;
	at = tree->bytes + offset;
	if (!header_next_field(&at, tree->bytes + tree->size, &field) ||
	    !header_field_is(&field, name) || field.bytes[field.size - 1] != '\n')
		return false;
	*field_out = (struct tree_field){.at = (size_t)offset, .size = field.size};
	return true;
}

bool
tree_find_field(
    const struct tree *tree, GMimeObject *object, const char *name, struct tree_field *field_out)
{
	GMimeHeader *header =
	    g_mime_header_list_get_header(g_mime_object_get_header_list(object), name);

	return header != NULL && place_field(tree, header, field_out);
}

bool
tree_field_at(const struct tree *tree, GMimeObject *object, int index, struct tree_field *field_out)
{
	return place_field(tree,
	    g_mime_header_list_get_header_at(g_mime_object_get_header_list(object), index),
	    field_out);
}
