/* mail - one block of memory: the struct, its recipients, its texts. */
#include "daemon/queue/mail.h"

#include "common/err.h"
#include "common/xalloc.h"

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

static size_t
commit_text_bytes(const struct msg_commit *commit)
{
	/* The recipients' list has more bytes than their addresses. */
	return strlen(commit->login) + strlen(commit->list) + strlen(commit->sender) +
	       strlen(commit->header_from) + strlen(commit->message_id_header) +
	       strlen(commit->subject) + strlen(commit->client) + commit->recipients.size +
	       commit->recipients.count + 8;
}

struct mail *
mail_from_commit(const struct msg_commit *commit, int64_t received_at_ms)
{
	struct mail *message = mail_new(commit->recipients.count, commit_text_bytes(commit));
	struct msg_list list = commit->recipients;
	struct recipient *to = message->recipients;
	struct rec_recipient from;

	message->id = commit->message_id;
	message->user_id = commit->user_id;
	message->size = commit->size;
	message->received_at_ms = received_at_ms;
	message->priority = commit->priority;
	message->has_8bit = commit->has_8bit;
	message->login = mail_text(message, commit->login);
	message->list = mail_text(message, commit->list);
	message->sender = mail_text(message, commit->sender);
	message->header_from = mail_text(message, commit->header_from);
	message->message_id = mail_text(message, commit->message_id_header);
	message->subject = mail_text(message, commit->subject);
	message->client = mail_text(message, commit->client);
	for (; message_list_next(&list, REC_RECIPIENT, &from); to++) {
		to->index = from.index;
		to->address = mail_text(message, from.address);
		to->enhanced = to->reply = to->address + strlen(to->address);
	}
	return message;
}

bool
recipient_is_pending(const struct recipient *recipient)
{
	return recipient->state == RECIPIENT_PENDING || recipient->state == RECIPIENT_UNCERTAIN;
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
