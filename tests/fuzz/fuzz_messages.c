/*
 * The decoder of messages between roles: the first octet is the kind, the rest a payload. What is
 * accepted must come out of the encoder as it went in, and every list must be readable to its end.
 */
#include "daemon/core/messages.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
read_recipients(struct msg_list list)
{
	struct rec_recipient recipient;
	uint32_t count = list.count, seen = 0;

	while (message_list_next(&list, REC_RECIPIENT, &recipient)) {
		ensure(strlen(recipient.address) <= 1024);
		seen++;
	}
	ensure(seen == count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	union message message;
	struct err err;
	struct buf again;

	if (size == 0 || size > MESSAGE_SIZE_MAX)
		return 0;
	if (message_decode(bytes[0], bytes + 1, (uint32_t)size - 1, &message, &err) != 0)
		return 0;
	buf_init(&again);
	message_encode(bytes[0], &message, &again);
	ensure(again.size == size - 1);
	ensure(size == 1 || memcmp(again.bytes, bytes + 1, size - 1) == 0);
	buf_fini(&again);
	if (bytes[0] == MSG_COMMIT)
		read_recipients(message.commit.recipients);
	else if (bytes[0] == MSG_DELIVER)
		read_recipients(message.deliver.recipients);
	return 0;
}
