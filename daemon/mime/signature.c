/*
 * signature - finds the text, then puts the addition into it.
 *
 * Where octets can stand beside octets (a plain charset, 7bit or 8bit) the addition is one edit and
 * the text isn't touched. Otherwise the part is decoded, added to and encoded as it was; if what is
 * added can't be said in its charset, it goes to UTF-8.
 */
#include "daemon/mime/signature.h"

#include "daemon/mime/part.h"

#include <stdlib.h>
#include <string.h>

struct signing {
	const struct tree *tree;
	const struct signatures *signatures;
	struct edits *edits;
	const struct tree_level *level;
	const char *obstacle; /* the whole message is left alone */
	const char *remark;   /* a part of it was */
	unsigned count;       /* of parts that have one now */
};

/* ---- one text ---- */

struct text {
	struct part part;
	const struct tree_level *level;
	bool is_html;
	struct buf decoded; /* only if it had to be */
	const char *bytes;  /* the text in its charset */
	size_t size;
	struct buf addition; /* UTF-8 */
};

static bool
is_flowed(const struct part *part)
{
	const char *format = g_mime_object_get_content_type_parameter(part->object, "format");

	return format != NULL && g_ascii_strcasecmp(format, "flowed") == 0;
}

static bool
stands_as_it_is(const struct part *part)
{
	return part->encoding == ENCODING_7BIT || part->encoding == ENCODING_8BIT;
}

static bool
has_line(const char *bytes, size_t size, const char *line)
{
	size_t length = strlen(line);
	const char *at = bytes, *end = bytes + size;

	while (at < end && (at = memmem(at, (size_t)(end - at), line, length)) != NULL) {
		if (at == bytes || at[-1] == '\n')
			return true;
		at += length;
	}
	return false;
}

static bool
has_armor(const struct text *text)
{
	return has_line(text->bytes, text->size, "-----BEGIN PGP MESSAGE-----") ||
	       has_line(text->bytes, text->size, "-----BEGIN PGP SIGNED MESSAGE-----");
}

/* The last one: what is in a quoted page before it is not the end of this one. */
static bool
find_last(const char *bytes, size_t size, const char *tag, size_t *at_out)
{
	size_t length = strlen(tag);

	for (size_t at = size >= length ? size - length + 1 : 0; at > 0; at--) {
		if (bytes[at - 1] != '<' || strncasecmp(bytes + at - 1, tag, length) != 0)
			continue;
		*at_out = at - 1;
		return true;
	}
	return false;
}

static size_t
find_place(const struct text *text, const char *bytes, size_t size)
{
	size_t at = size;

	if (!text->is_html)
		return size;
	if (!find_last(bytes, size, "</body", &at))
		(void)find_last(bytes, size, "</html", &at);
	return at;
}

/* As an addition to these bytes: on a line of its own, and with an end of line only if there was
 * one. */
static void
fit_addition(const struct text *text, const char *bytes, size_t at, size_t size, struct buf *out)
{
	bool is_at_line = at == 0 || bytes[at - 1] == '\n';

	if (!is_at_line)
		buf_text(out, "\r\n");
	buf_append(out, text->addition.bytes, text->addition.size);
	if (at == size && !is_at_line && out->size >= 2)
		out->size -= 2;
}

static void
splice(const char *bytes, size_t size, size_t at, const struct buf *middle, struct buf *out)
{
	buf_reserve(out, size + middle->size + 1);
	buf_append(out, bytes, at);
	buf_append(out, middle->bytes, middle->size);
	buf_append(out, bytes + at, size - at);
}

/* A line would end the part. */
static bool
has_boundary(const struct text *text, const struct buf *addition)
{
	return tree_find_boundary(text->level, addition->bytes, addition->size) != NULL;
}

static bool
fits_as_it_is(const struct text *text, const struct buf *addition)
{
	const struct part *part = &text->part;

	return stands_as_it_is(part) && !has_boundary(text, addition) &&
	       (part->encoding == ENCODING_8BIT ||
		   !encoding_has_8bit(addition->bytes, addition->size)) &&
	       !encoding_has_long_line(addition->bytes, addition->size);
}

/* What the part is encoded in once it has this content. */
static enum encoding
next_encoding(const struct text *text, const struct buf *content)
{
	const struct part *part = &text->part;

	if (!stands_as_it_is(part))
		return part->encoding;
	if (has_boundary(text, content))
		return ENCODING_BASE64;
	if (part->encoding == ENCODING_8BIT || !encoding_has_8bit(content->bytes, content->size))
		return encoding_has_long_line(content->bytes, content->size) &&
			       !encoding_has_long_line(part_bytes(part), part->size)
			   ? ENCODING_QUOTED_PRINTABLE
			   : part->encoding;
	return encoding_choose(content->bytes, content->size);
}

/* The addition is said in the part's own charset. */
static bool
add_plainly(const struct text *text, struct edits *edits)
{
	const struct part *part = &text->part;
	size_t at = find_place(text, text->bytes, text->size);
	struct buf fitted = {0}, converted = {0}, content = {0};
	bool is_sayable;

	fit_addition(text, text->bytes, at, text->size, &fitted);
	is_sayable = charset_from_utf8(part->charset, fitted.bytes, fitted.size, &converted);
	if (is_sayable && fits_as_it_is(text, &converted)) {
		edits_add(edits, part->at + at, 0, &converted);
	} else if (is_sayable) {
		splice(text->bytes, text->size, at, &converted, &content);
		part_set_content(part, next_encoding(text, &content), NULL, &content, edits);
	}
	buf_fini(&fitted);
	buf_fini(&converted);
	buf_fini(&content);
	return is_sayable;
}

/* Texts that name US-ASCII and are UTF-8 are common; whoever shows them guesses right. */
static bool
read_text(const struct text *text, struct buf *out)
{
	const struct charset *charset =
	    charset_is_ascii(text->part.charset) ? charset_find("utf-8") : text->part.charset;

	return charset != NULL && charset_to_utf8(charset, text->bytes, text->size, out);
}

/* By way of UTF-8, and back to the charset if that can say it. */
static bool
add_decoded(const struct text *text, struct edits *edits)
{
	const struct part *part = &text->part;
	struct buf whole = {0}, fitted = {0}, content = {0}, back = {0};
	bool is_readable = read_text(text, &whole), is_back;
	size_t at;

	if (is_readable) {
		at = find_place(text, whole.bytes, whole.size);
		fit_addition(text, whole.bytes, at, whole.size, &fitted);
		splice(whole.bytes, whole.size, at, &fitted, &content);
		is_back = !charset_is_wide(part->charset) &&
			  charset_from_utf8(part->charset, content.bytes, content.size, &back);
		part_set_content(part, next_encoding(text, is_back ? &back : &content),
		    is_back ? NULL : "utf-8", is_back ? &back : &content, edits);
	}
	buf_fini(&whole);
	buf_fini(&fitted);
	buf_fini(&content);
	buf_fini(&back);
	return is_readable;
}

static void
sign_text(struct signing *signing, struct text *text)
{
	const struct part *part = &text->part;

	if (part->encoding == ENCODING_UNKNOWN || part->charset == NULL) {
		signing->remark = part->charset == NULL ? "the charset of its text is not known"
							: "the encoding of its text is not known";
		return;
	}
	text->bytes = part_bytes(part);
	text->size = part->size;
	if (!stands_as_it_is(part)) {
		encoding_decode(part->encoding, part_bytes(part), part->size, &text->decoded);
		text->bytes = text->decoded.bytes;
		text->size = text->decoded.size;
	}
	if (!text->is_html && has_armor(text)) {
		signing->obstacle = "it is signed or encrypted";
		return;
	}
	if ((charset_is_plain(part->charset) && add_plainly(text, signing->edits)) ||
	    add_decoded(text, signing->edits))
		signing->count++;
	else
		signing->remark = "its text is not in the charset that it names";
}

static void
sign_part(struct signing *signing, GMimeObject *object)
{
	struct text text = {0};

	if (!part_locate(&text.part, signing->tree, object)) {
		signing->obstacle = "its MIME structure is broken";
		return;
	}
	if (part_is(&text.part, "application", "pkcs7-mime") ||
	    part_is(&text.part, "application", "x-pkcs7-mime")) {
		signing->obstacle = "it is signed or encrypted";
		return;
	}
	text.level = signing->level;
	text.is_html = part_is(&text.part, "text", "html");
	if (part_is_attachment(&text.part) ||
	    (!text.is_html && !part_is(&text.part, "text", "plain")))
		return;
	if (text.is_html)
		addition_html(signing->signatures, &text.addition);
	else
		addition_text(signing->signatures, is_flowed(&text.part), &text.addition);
	if (text.addition.size > 0)
		sign_text(signing, &text);
	buf_fini(&text.addition);
	buf_fini(&text.decoded);
}

/* ---- which texts ---- */

static void sign_object(struct signing *signing, GMimeObject *object);

static void
sign_each(struct signing *signing, GMimeMultipart *multipart)
{
	int count = g_mime_multipart_get_count(multipart);

	for (int i = 0; i < count && signing->obstacle == NULL; i++)
		sign_object(signing, g_mime_multipart_get_part(multipart, i));
}

/* RFC 2387 section 3.2 */
static GMimeObject *
find_root(GMimeMultipart *related)
{
	const char *start =
	    g_mime_object_get_content_type_parameter(GMIME_OBJECT(related), "start");
	size_t length = start == NULL ? 0 : strlen(start);
	GMimeObject *root = NULL;

	if (length > 2 && start[0] == '<' && start[length - 1] == '>') {
		char *id = g_strndup(start + 1, length - 2);
		int at = g_mime_multipart_get_count(related);

		while (root == NULL && at-- > 0) {
			GMimeObject *part = g_mime_multipart_get_part(related, at);

			if (g_strcmp0(g_mime_object_get_content_id(part), id) == 0)
				root = part;
		}
		g_free(id);
	}
	return root != NULL ? root : g_mime_multipart_get_part(related, 0);
}

static bool
is_kind(GMimeObject *object, const char *subtype)
{
	return g_mime_content_type_is_type(
	    g_mime_object_get_content_type(object), "multipart", subtype);
}

static void
sign_multipart(struct signing *signing, GMimeObject *object)
{
	if (is_kind(object, "signed") || is_kind(object, "encrypted"))
		signing->obstacle = "it is signed or encrypted";
	else if (is_kind(object, "report"))
		signing->obstacle = "it is a report";
	else if (is_kind(object, "alternative"))
		sign_each(signing, GMIME_MULTIPART(object));
	else if (is_kind(object, "related"))
		sign_object(signing, find_root(GMIME_MULTIPART(object)));
	else
		sign_object(signing, g_mime_multipart_get_part(GMIME_MULTIPART(object), 0));
}

static void
sign_object(struct signing *signing, GMimeObject *object)
{
	struct tree_level level = {.outer = signing->level};

	if (GMIME_IS_PART(object)) {
		sign_part(signing, object);
		return;
	}
	if (!GMIME_IS_MULTIPART(object) || g_mime_multipart_get_count(GMIME_MULTIPART(object)) == 0)
		return;
	level.boundary = g_mime_multipart_get_boundary(GMIME_MULTIPART(object));
	if (level.boundary == NULL) {
		signing->obstacle = "its MIME structure is broken";
		return;
	}
	signing->level = &level;
	sign_multipart(signing, object);
	signing->level = level.outer;
}

static void
take(struct edits *from, struct edits *to)
{
	for (size_t i = 0; i < from->count; i++)
		edits_add(to, from->items[i].at, from->items[i].removed, &from->items[i].text);
	edits_fini(from);
}

const char *
signature_add(const struct tree *tree, const struct signatures *signatures, struct edits *edits)
{
	struct edits own = {0};
	struct signing signing = {.tree = tree, .signatures = signatures, .edits = &own};

	sign_object(&signing, tree->root);
	if (signing.obstacle == NULL && signing.count > 0) {
		take(&own, edits);
		return NULL;
	}
	edits_fini(&own);
	if (signing.obstacle != NULL)
		return signing.obstacle;
	return signing.remark != NULL ? signing.remark
				      : "it has no text of a kind that has a signature";
}
