/* mail - one block of memory: the struct, its recipients, its texts. */
#include "daemon/queue/mail.h"

#include "common/err.h"
#include "common/xalloc.h"
#include "daemon/core/values.h"

#include <stdlib.h>
#include <string.h>

struct mail *
mail_new(uint32_t recipient_count, size_t text_bytes)
{
	size_t fixed = sizeof(struct mail) + recipient_count * sizeof(struct recipient);
	struct mail *message = xmalloc(fixed + text_bytes);

	memset(message, 0, fixed);
	message->recipients = (struct recipient *)(void *)(message + 1);
	message->recipient_count = recipient_count;
	message->text_at = (char *)message + fixed;
	message->text_end = message->text_at + text_bytes;
	return message;
}

const char *
mail_text(struct mail *message, const char *text)
{
	size_t size = text == NULL ? 1 : strlen(text) + 1;
	char *copy = message->text_at;

	ensure(size <= (size_t)(message->text_end - copy));
	memcpy(copy, text == NULL ? "" : text, size);
	message->text_at += size;
	return copy;
}

bool
recipient_hears_of_delay(const struct recipient *recipient)
{
	return recipient->notify == NOTIFY_UNSAID || (recipient->notify & NOTIFY_DELAY) != 0;
}

static size_t
commit_text_bytes(const struct msg_commit *commit)
{
	/* The lists have more bytes than their texts. */
	return strlen(commit->login) + strlen(commit->list) + strlen(commit->sender) +
	       strlen(commit->header_from) + strlen(commit->message_id_header) +
	       strlen(commit->subject) + strlen(commit->client) + commit->wishes.size +
	       commit->recipients.size + 2 * commit->recipients.count + 9;
}

static bool
is_possible(const struct rec_wishes *wishes)
{
	return wishes->ret <= RET_HDRS && wishes->mt_priority <= 18 && wishes->hold_until_ms >= 0 &&
	       (!wishes->requires_tls || wishes->ret == RET_HDRS);
}

static bool
take_wishes(struct mail *message, struct msg_list list)
{
	struct rec_wishes wishes = {0};

	message->has_wishes = message_list_next(&list, REC_WISHES, &wishes);
	if (!is_possible(&wishes))
		return false;
	message->wishes = wishes;
	message->wishes.envid = mail_text(message, wishes.envid);
	message->wishes.hold_until_ms = 0;
	if (wishes.hold_until_ms > message->received_at_ms) {
		message->state = MAIL_SCHEDULED;
		message->next_at_ms = message->begins_at_ms = wishes.hold_until_ms;
	}
	return true;
}

static bool
take_recipient(struct mail *message, struct recipient *to, const struct rec_recipient *from)
{
	to->index = from->index;
	to->notify = from->notify;
	to->address = mail_text(message, from->address);
	to->orcpt = mail_text(message, from->orcpt);
	to->enhanced = to->reply = to->class = to->rule = to->address + strlen(to->address);
	return from->notify == NOTIFY_NEVER ||
	       (from->notify & ~(NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY)) == 0;
}

static bool
hears_of_delay(const struct mail *message)
{
	if (*message->sender == '\0')
		return false;
	for (uint32_t i = 0; i < message->recipient_count; i++)
		if (recipient_hears_of_delay(&message->recipients[i]))
			return true;
	return false;
}

struct mail *
mail_from_commit(const struct msg_commit *commit, int64_t received_at_ms)
{
	struct mail *message = mail_new(commit->recipients.count, commit_text_bytes(commit));
	struct msg_list list = commit->recipients;
	struct recipient *to = message->recipients;
	struct rec_recipient from;
	bool is_sound;

	message->id = commit->message_id;
	message->user_id = commit->user_id;
	message->size = commit->size;
	message->received_at_ms = message->begins_at_ms = received_at_ms;
	message->priority = commit->priority;
	message->has_8bit = commit->has_8bit;
	message->login = mail_text(message, commit->login);
	message->list = mail_text(message, commit->list);
	message->sender = mail_text(message, commit->sender);
	message->header_from = mail_text(message, commit->header_from);
	message->message_id = mail_text(message, commit->message_id_header);
	message->subject = mail_text(message, commit->subject);
	message->client = mail_text(message, commit->client);
	is_sound = take_wishes(message, commit->wishes);
	for (; message_list_next(&list, REC_RECIPIENT, &from); to++)
		is_sound &= take_recipient(message, to, &from);
	if (!hears_of_delay(message))
		message->age = AGE_DELAYED;
	if (is_sound)
		return message;
	free(message);
	return NULL;
}

enum shown_state
mail_shown_as(enum mail_state state, bool has_time)
{
	switch (state) {
	case MAIL_HELD:
	case MAIL_LIMITED:
		return SHOWN_HELD;
	case MAIL_UNCERTAIN:
		return SHOWN_UNCERTAIN;
	case MAIL_SCHEDULED:
		return SHOWN_SCHEDULED;
	case MAIL_WAITING:
		break;
	}
	return has_time ? SHOWN_DEFERRED : SHOWN_READY;
}

bool
recipient_is_pending(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_PENDING || recipient->state == RECIPIENT_UNCERTAIN;
}

uint32_t
mail_round(const struct mail *message)
{
	uint32_t round = UINT32_MAX;

	for (uint32_t i = 0; i < message->recipient_count; i++)
		if (recipient_is_pending(&message->recipients[i]) &&
		    message->recipients[i].attempts < round)
			round = message->recipients[i].attempts;
	return round;
}

bool
recipient_is_due(const struct recipient *recipient, uint32_t round)
{
	return recipient_is_pending(recipient) && recipient->attempts == round;
}

uint32_t
mail_due_count(const struct mail *message)
{
	uint32_t count = 0, round = mail_round(message);

	for (uint32_t i = 0; i < message->recipient_count; i++)
		count += recipient_is_due(&message->recipients[i], round);
	return count;
}

struct recipient *
mail_recipient(const struct mail *message, uint16_t index)
{
	/* The client's order: a recipient mostly stands where its index says. */
	if (index < message->recipient_count && message->recipients[index].index == index)
		return &message->recipients[index];
	for (uint32_t i = 0; i < message->recipient_count; i++)
		if (message->recipients[i].index == index)
			return &message->recipients[i];
	return NULL;
}

size_t
mail_footprint(const struct mail *message)
{
	return (size_t)(message->text_end - (const char *)message);
}
