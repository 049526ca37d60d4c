/* operator_json - the API's texts. */
#include "daemon/queue/operator_json.h"

#include "common/ident.h"
#include "common/percent.h"
#include "common/xalloc.h"
#include "daemon/core/result.h"
#include "daemon/core/values.h"

#include <stdlib.h>
#include <string.h>

/* More are counted, not shown: an answer has a limit. */
#define RECIPIENTS_SHOWN 1000
#define RECIPIENTS_SHOWN_BYTES (OPERATOR_ANSWER_MAX / 2)

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

/* A broken escape stands for itself. */
static char *
decode(const char *text, size_t size)
{
	char *decoded = percent_decode(text, size);

	return decoded != NULL ? decoded : xstrndup(text, size);
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

static void
set_reply(json_t *object, const struct recipient *recipient)
{
	(void)json_object_set_new(
	    object, "code", recipient->code == 0 ? json_null() : json_integer(recipient->code));
	(void)json_object_set_new(object, "enhanced", result_text(recipient->enhanced));
	(void)json_object_set_new(object, "reply", result_text(recipient->reply));
	(void)json_object_set_new(object, "class",
	    *recipient->class == '\0' ? json_null() : result_text(recipient->class));
	(void)json_object_set_new(
	    object, "rule", *recipient->rule == '\0' ? json_null() : result_text(recipient->rule));
}

static const char *
recipient_state(const struct recipient *recipient, const char *message_state)
{
	switch ((enum recipient_state)recipient->state) {
	case RECIPIENT_DELIVERED:
		return "delivered";
	case RECIPIENT_FAILED:
		return "failed";
	case RECIPIENT_UNDECIDED:
		return "uncertain";
	case RECIPIENT_PENDING:
	case RECIPIENT_UNCERTAIN:
		break;
	}
	return message_state;
}

static json_t *
text_or_null(const char *text)
{
	return *text == '\0' ? json_null() : result_text(text);
}

/* Of what the client wants to be told; null: it didn't say. */
static json_t *
notify(const struct recipient *recipient)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} wishes[] = {{"never", NOTIFY_NEVER}, {"success", NOTIFY_SUCCESS},
	    {"failure", NOTIFY_FAILURE}, {"delay", NOTIFY_DELAY}};
	json_t *array;

	if (recipient->notify == NOTIFY_UNSAID)
		return json_null();
	array = json_array();
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		if ((recipient->notify & wishes[i].bit) != 0)
			(void)json_array_append_new(array, json_string(wishes[i].name));
	return array;
}

static json_t *
one_recipient(const struct mail *mail, const struct recipient *recipient, const char *state)
{
	json_t *object = json_object();

	(void)json_object_set_new(object, "to", result_text(recipient->address));
	(void)json_object_set_new(object, "state", json_string(recipient_state(recipient, state)));
	(void)json_object_set_new(object, "attempts", json_integer(recipient->attempts));
	(void)json_object_set_new(object, "next_attempt_at",
	    recipient_is_pending(recipient) ? result_time(mail->next_at_ms) : json_null());
	(void)json_object_set_new(object, "notify", notify(recipient));
	(void)json_object_set_new(object, "orcpt", text_or_null(recipient->orcpt));
	set_reply(object, recipient);
	return object;
}

static json_t *
recipients(const struct mail *mail, const char *state, uint32_t first)
{
	json_t *array = json_array();
	size_t bytes = 0;

	for (uint32_t i = first; i < mail->recipient_count && i - first < RECIPIENTS_SHOWN; i++) {
		json_t *object = one_recipient(mail, &mail->recipients[i], state);

		bytes += json_dumpb(object, NULL, 0, JSON_COMPACT) + 1;
		if (bytes > RECIPIENTS_SHOWN_BYTES) {
			json_decref(object);
			break;
		}
		(void)json_array_append_new(array, object);
	}
	return array;
}

static enum shown_state
state_of(const struct mail *mail, bool is_sending)
{
	if (is_sending)
		return SHOWN_SENDING;
	return mail_shown_as(mail->state, mail->next_at_ms != 0);
}

json_t *
operator_recipients(const struct mail *mail, bool is_sending, uint32_t first)
{
	return recipients(mail, operator_state_name(state_of(mail, is_sending)), first);
}

/* What else the client said with MAIL. */
static void
set_wishes(json_t *object, const struct mail *mail)
{
	static const char *const rets[] = {NULL, "full", "hdrs"};
	const struct rec_wishes *wishes = &mail->wishes;
	const char *ret = wishes->ret <= RET_HDRS ? rets[wishes->ret] : NULL;

	(void)json_object_set_new(object, "hold_until",
	    mail->begins_at_ms > mail->received_at_ms ? result_time(mail->begins_at_ms)
						      : json_null());
	(void)json_object_set_new(object, "envid", text_or_null(wishes->envid));
	(void)json_object_set_new(object, "ret", ret == NULL ? json_null() : json_string(ret));
	(void)json_object_set_new(object, "8bitmime", json_boolean(mail->has_8bit));
	(void)json_object_set_new(object, "smtputf8", json_boolean(wishes->is_smtputf8));
	(void)json_object_set_new(object, "requiretls", json_boolean(wishes->requires_tls));
	(void)json_object_set_new(object, "mt_priority",
	    wishes->has_mt_priority ? json_integer((json_int_t)wishes->mt_priority - 9)
				    : json_null());
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
	(void)json_object_set_new(object, "user", result_text(mail->login));
	(void)json_object_set_new(object, "list", result_text(mail->list));
	(void)json_object_set_new(
	    object, "profile", profile == NULL ? json_null() : result_text(profile));
	(void)json_object_set_new(object, "from", result_text(mail->sender));
	(void)json_object_set_new(object, "header_from", result_text(mail->header_from));
	(void)json_object_set_new(object, "message_id", result_text(mail->message_id));
	(void)json_object_set_new(object, "subject", result_text(mail->subject));
	(void)json_object_set_new(object, "client", result_text(mail->client));
	(void)json_object_set_new(object, "size", json_integer((json_int_t)mail->size));
	(void)json_object_set_new(object, "received_at", result_time(mail->received_at_ms));
	set_wishes(object, mail);
	(void)json_object_set_new(object, "attempts", json_integer(mail->attempts));
	(void)json_object_set_new(object, "recipient_count", json_integer(mail->recipient_count));
	(void)json_object_set_new(object, "recipients", recipients(mail, state, 0));
	return object;
}
