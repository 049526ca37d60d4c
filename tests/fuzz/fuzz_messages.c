/*
 * The decoder of messages between roles: the first octet is the kind, the rest a payload. What is
 * accepted must come out of the encoder as it went in, and every list must be readable to its end.
 */
#include "daemon/core/messages.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
read_list(struct msg_list list, enum record_kind kind)
{
	union {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name) struct rec_##name name;
#include "daemon/core/messages.def"
	} record;
	uint32_t count = list.count, seen = 0;

	while (message_list_next(&list, kind, &record)) {
		if (kind == REC_RECIPIENT)
			ensure(strlen(record.recipient.address) <= 1024);
		seen++;
	}
	ensure(seen == count && list.size == 0);
}

static void
read_lists(enum message_kind kind, const union message *message)
{
	switch (kind) {
#define BEGIN_RECORD(NAME, name)
#define END_RECORD
#define BEGIN_MESSAGE(NAME, name, from, to, answer)                                                \
	case MSG_##NAME: {                                                                         \
		const struct msg_##name *it = &message->name;                                      \
		(void)it;
#define END_MESSAGE                                                                                \
	break;                                                                                     \
	}
#define NO_FIELDS
#define U8(field)
#define U16(field)
#define U32(field)
#define U64(field)
#define I64(field)
#define BOOL(field)
#define TEXT(field, limit)
#define BYTES(field, limit)
#define SECRET(field, limit)
#define LIST(field, RECORD, limit) read_list(it->field, REC_##RECORD);
#include "daemon/core/messages.def"
	case MSG_NONE:
	case MSG_COUNT:
		break;
	}
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
	read_lists(bytes[0], &message);
	return 0;
}
