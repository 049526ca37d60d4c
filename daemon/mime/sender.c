/* sender - reads with GMime, and writes whole fields. */
#include "daemon/mime/sender.h"

#include "common/header_field.h"
#include "common/utf8.h"
#include "common/xalloc.h"
#include "daemon/mime/bounds.h"

#include <gmime/gmime.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES 256

struct found {
	struct header_field field; /* the first; size 0: there is none */
	unsigned count;
};

struct changing {
	const struct sender_wishes *wishes;
	const char *message;
	size_t fields_size;
	struct edits *edits;
	struct found from, reply_to, sender;
	unsigned mailbox_count; /* of the one From:; 0 if it can't be read */
	char *name, *address;   /* of the one mailbox that it has; name may be NULL */
	struct buf added;       /* fields */
};

/* ---- what there is ---- */

static void
note(struct found *found, const struct header_field *field)
{
	if (found->count++ == 0)
		found->field = *field;
}

static void
find_fields(struct changing *changing)
{
	const char *at = changing->message, *end = at + changing->fields_size;
	struct header_field field;

	while (header_next_field(&at, end, &field)) {
		if (header_field_is(&field, "From"))
			note(&changing->from, &field);
		else if (header_field_is(&field, "Reply-To"))
			note(&changing->reply_to, &field);
		else if (header_field_is(&field, "Sender"))
			note(&changing->sender, &field);
	}
}

/* For a field again: nothing that could end it, and no longer than a name is. */
static char *
clean_name(const char *name)
{
	struct buf out = {0};

	utf8_append_clean(&out, name, utf8_cut(name, strlen(name), NAME_BYTES));
	return buf_give(&out);
}

static void
read_mailbox(struct changing *changing, InternetAddress *address)
{
	const char *name = internet_address_get_name(address), *text;

	if (!INTERNET_ADDRESS_IS_MAILBOX(address))
		return;
	text = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
	if (text == NULL || strchr(text, '@') == NULL)
		return;
	changing->mailbox_count++;
	free(changing->address);
	free(changing->name);
	changing->address = xstrdup(text);
	changing->name = name == NULL || *name == '\0' ? NULL : clean_name(name);
}

static void
read_from(struct changing *changing)
{
	char *value;
	InternetAddressList *list;

	if (changing->from.count != 1 || !bounds_hold_for_addresses(changing->from.field.value,
					     changing->from.field.value_length))
		return;
	value = xstrndup(changing->from.field.value, changing->from.field.value_length);
	list = internet_address_list_parse(NULL, value);
	free(value);
	if (list == NULL)
		return;
	for (int i = 0; i < internet_address_list_length(list); i++)
		read_mailbox(changing, internet_address_list_get_address(list, i));
	g_object_unref(list);
}

/* ---- what there will be ---- */

static void
put_mailbox(struct buf *out, const char *field, const char *name, const char *address)
{
	GMimeFormatOptions *options = g_mime_format_options_new();
	InternetAddress *mailbox = internet_address_mailbox_new(name, address);
	InternetAddressList *list = internet_address_list_new();
	GString *text = g_string_new(field);

	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	internet_address_set_charset(mailbox, "utf-8");
	internet_address_list_add(list, mailbox);
	g_string_append(text, ": ");
	internet_address_list_encode(list, options, text);
	while (text->len > 0 && strchr("\r\n", text->str[text->len - 1]) != NULL)
		g_string_truncate(text, text->len - 1);
	buf_printf(out, "%s\r\n", text->str);
	(void)g_string_free(text, TRUE);
	g_object_unref(list);
	g_object_unref(mailbox);
	g_mime_format_options_free(options);
}

/* The same value under another name. */
static void
put_renamed(struct buf *out, const char *name, const struct header_field *field)
{
	buf_printf(out, "%s:", name);
	buf_append(out, field->value, field->value_length);
	buf_text(out, "\r\n");
}

static void
drop_each(struct changing *changing, const char *name)
{
	const char *at = changing->message, *end = at + changing->fields_size;
	struct header_field field;
	struct buf nothing = {0};

	while (header_next_field(&at, end, &field))
		if (header_field_is(&field, name))
			edits_add(changing->edits, (size_t)(field.bytes - changing->message),
			    field.size, &nothing);
}

static const char *
wanted_name(const struct changing *changing)
{
	if (changing->wishes->name[0] != '\0')
		return changing->wishes->name;
	return changing->mailbox_count == 1 ? changing->name : NULL;
}

static void
supply_from(struct changing *changing)
{
	const struct sender_wishes *wishes = changing->wishes;
	const char *address = wishes->address[0] != '\0' ? wishes->address : wishes->envelope;

	if (changing->from.count == 0) {
		if (address[0] != '\0' && (wishes->address[0] != '\0' || wishes->name[0] != '\0'))
			put_mailbox(&changing->added, "From",
			    wishes->name[0] != '\0' ? wishes->name : NULL, address);
	} else if (wishes->name[0] != '\0' && changing->mailbox_count == 1 &&
		   changing->name == NULL) {
		drop_each(changing, "From");
		put_mailbox(&changing->added, "From", wishes->name, changing->address);
	}
}

static bool
is_as_wanted(const struct changing *changing)
{
	const char *name = wanted_name(changing);

	if (changing->mailbox_count != 1)
		return false;
	if (changing->wishes->address[0] != '\0' &&
	    strcasecmp(changing->address, changing->wishes->address) != 0)
		return false;
	return name == changing->name ||
	       (name != NULL && changing->name != NULL && strcmp(name, changing->name) == 0);
}

/* Whoever answers is to reach whom the message came from. */
static void
answer_to_original(struct changing *changing)
{
	if (changing->reply_to.count == 0 && changing->wishes->reply_to[0] == '\0' &&
	    changing->mailbox_count > 0)
		put_renamed(&changing->added, "Reply-To", &changing->from.field);
}

static void
replace_address(struct changing *changing)
{
	const struct sender_wishes *wishes = changing->wishes;

	put_mailbox(&changing->added, "From", wanted_name(changing), wishes->address);
	if (changing->mailbox_count == 1 && strcasecmp(changing->address, wishes->address) == 0)
		return; /* only the name is another */
	answer_to_original(changing);
	if (changing->sender.count == 0)
		return;
	drop_each(changing, "Sender");
	put_renamed(&changing->added, "X-Original-Sender", &changing->sender.field);
}

static void
replace_from(struct changing *changing)
{
	const struct sender_wishes *wishes = changing->wishes;

	if (changing->from.count == 0) {
		supply_from(changing);
		return;
	}
	if (is_as_wanted(changing) ||
	    (wishes->address[0] == '\0' &&
		(changing->mailbox_count != 1 || wishes->name[0] == '\0')))
		return;
	drop_each(changing, "From");
	if (wishes->address[0] != '\0')
		replace_address(changing);
	else
		put_mailbox(&changing->added, "From", wishes->name, changing->address);
	put_renamed(&changing->added, "X-Original-From", &changing->from.field);
}

static void
change_reply_to(struct changing *changing)
{
	const struct sender_wishes *wishes = changing->wishes;

	if (wishes->reply_to[0] == '\0' ||
	    (wishes->policy == FROM_SUPPLY && changing->reply_to.count > 0))
		return;
	if (changing->reply_to.count > 0)
		drop_each(changing, "Reply-To");
	put_mailbox(&changing->added, "Reply-To", NULL, wishes->reply_to);
}

void
sender_change(const struct sender_wishes *wishes, const char *message, size_t fields_size,
    struct edits *edits)
{
	struct changing changing = {
	    .wishes = wishes, .message = message, .fields_size = fields_size, .edits = edits};

	find_fields(&changing);
	read_from(&changing);
	if (wishes->policy == FROM_REPLACE)
		replace_from(&changing);
	else
		supply_from(&changing);
	change_reply_to(&changing);
	/* Behind the header's last field. */
	if (changing.added.size > 0)
		edits_add(edits, fields_size, 0, &changing.added);
	buf_fini(&changing.added);
	free(changing.name);
	free(changing.address);
}
