/* operator_json - the API's texts. */
#include "daemon/queue/operator_json.h"

#include "common/clock.h"
#include "common/ident.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* More are counted, not shown: an answer has a limit. */
#define RECIPIENTS_SHOWN 1000

static const char *const state_names[SHOWN_COUNT] = {
    [SHOWN_ANY] = "",
    [SHOWN_READY] = "ready",
    [SHOWN_DEFERRED] = "deferred",
    [SHOWN_SCHEDULED] = "scheduled",
    [SHOWN_HELD] = "held",
    [SHOWN_SENDING] = "sending",
    [SHOWN_UNCERTAIN] = "uncertain",
};

const char *
operator_state_name(enum shown_state state)
{
	return state_names[state];
}

enum shown_state
operator_state_parse(const char *name)
{
	for (int i = SHOWN_READY; i < SHOWN_COUNT; i++)
		if (strcmp(name, state_names[i]) == 0)
			return (enum shown_state)i;
	return SHOWN_COUNT;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that `%XX` stands for, or -1. */
static int
escaped(const char *at, const char *end)
{
	int high, low;

	if (*at != '%' || end - at < 3)
		return -1;
	high = hex_value(at[1]);
	low = hex_value(at[2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static char *
decode(const char *text, size_t size)
{
	const char *end = text + size;
	char *decoded = xmalloc(size + 1);
	size_t length = 0;

	while (text < end) {
		int byte = escaped(text, end);

		decoded[length++] = byte < 0 ? *text : (char)byte;
		text += byte < 0 ? 1 : 3;
	}
	decoded[length] = '\0';
	return decoded;
}

char *
operator_query(const char *path, const char *name)
{
	const char *at = strchr(path, '?');
	size_t length = strlen(name);

	while (at != NULL && *at != '\0') {
		const char *next = strchr(++at, '&');
		size_t size = next == NULL ? strlen(at) : (size_t)(next - at);

		if (size > length && strncmp(at, name, length) == 0 && at[length] == '=')
			return decode(at + length + 1, size - length - 1);
		at = next;
	}
	return NULL;
}

char *
operator_part(const char *path, unsigned n)
{
	static const char prefix[] = "/v1/";

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return xstrdup("");
	path += sizeof(prefix) - 1;
	for (; n > 0; n--) {
		path += strcspn(path, "/?");
		if (*path != '/')
			return xstrdup("");
		path++;
	}
	return decode(path, strcspn(path, "/?"));
}

json_t *
operator_text(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value != NULL)
		return value;
	copy = xstrdup(text);
	for (char *at = copy; *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = json_string(copy);
	free(copy);
	return value;
}

json_t *
operator_time(int64_t at_ms)
{
	char text[CLOCK_RFC3339_SIZE];

	return at_ms == 0 ? json_null() : json_string(clock_rfc3339(at_ms, text, sizeof(text)));
}

static void
set_reply(json_t *object, const struct recipient *recipient)
{
	(void)json_object_set_new(
	    object, "code", recipient->code == 0 ? json_null() : json_integer(recipient->code));
	(void)json_object_set_new(object, "enhanced", operator_text(recipient->enhanced));
	(void)json_object_set_new(object, "reply", operator_text(recipient->reply));
}

static const char *
recipient_state(const struct recipient *recipient, const char *message_state)
{
	switch ((enum recipient_state)recipient->state) {
	case RECIPIENT_DELIVERED:
		return "delivered";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_PENDING:
	case RECIPIENT_UNCERTAIN:
		break;
	}
	return message_state;
}

static json_t *
recipients(const struct mail *mail, const char *state)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < mail->recipient_count && i < RECIPIENTS_SHOWN; i++) {
		const struct recipient *recipient = &mail->recipients[i];
		json_t *object = json_object();

		(void)json_object_set_new(object, "to", operator_text(recipient->address));
		(void)json_object_set_new(
		    object, "state", json_string(recipient_state(recipient, state)));
		(void)json_object_set_new(object, "attempts", json_integer(recipient->attempts));
		(void)json_object_set_new(object, "next_attempt_at",
		    recipient_is_pending(recipient) ? operator_time(mail->next_at_ms)
						    : json_null());
		set_reply(object, recipient);
		(void)json_array_append_new(array, object);
	}
	return array;
}

static enum shown_state
state_of(const struct mail *mail, bool is_sending)
{
	if (is_sending)
		return SHOWN_SENDING;
	if (mail->state == MAIL_HELD)
		return SHOWN_HELD;
	if (mail->state == MAIL_UNCERTAIN)
		return SHOWN_UNCERTAIN;
	return mail->next_at_ms != 0 ? SHOWN_DEFERRED : SHOWN_READY;
}

json_t *
operator_message(const struct mail *mail, const char *profile, bool is_sending)
{
	const char *state = operator_state_name(state_of(mail, is_sending));
	json_t *object = json_object();
	char ident[IDENT_SIZE];

	(void)json_object_set_new(object, "id", json_string(ident_format(mail->id, ident)));
	(void)json_object_set_new(object, "state", json_string(state));
	(void)json_object_set_new(object, "priority", json_integer(mail->priority));
	(void)json_object_set_new(object, "user", operator_text(mail->login));
	(void)json_object_set_new(object, "list", operator_text(mail->list));
	(void)json_object_set_new(
	    object, "profile", profile == NULL ? json_null() : operator_text(profile));
	(void)json_object_set_new(object, "from", operator_text(mail->sender));
	(void)json_object_set_new(object, "header_from", operator_text(mail->header_from));
	(void)json_object_set_new(object, "message_id", operator_text(mail->message_id));
	(void)json_object_set_new(object, "subject", operator_text(mail->subject));
	(void)json_object_set_new(object, "client", operator_text(mail->client));
	(void)json_object_set_new(object, "size", json_integer((json_int_t)mail->size));
	(void)json_object_set_new(object, "received_at", operator_time(mail->received_at_ms));
	(void)json_object_set_new(object, "attempts", json_integer(mail->attempts));
	(void)json_object_set_new(object, "recipient_count", json_integer(mail->recipient_count));
	(void)json_object_set_new(object, "recipients", recipients(mail, state));
	return object;
}

json_t *
operator_error(const char *code, const char *message, const char *field)
{
	return json_pack(
	    "{s:{s:s,s:s,s:s?}}", "error", "code", code, "message", message, "field", field);
}
