/*
 * seed_messages - writes what fuzz_messages begins with: one valid message of each kind
 *
 * Made from the declared list each time, as numbers of kinds and their fields change with it: a file
 * that was kept would one day be of another kind, or of none. Every text and list has something in
 * it.
 */
#include "daemon/core/messages.h"

#include <stdio.h>
#include <stdlib.h>

static struct msg_list one_record(enum record_kind kind);

static const struct msg_bytes some_bytes = {(const uint8_t *)"abc", 3};

#define BEGIN_RECORD(NAME, name)                                                                   \
	static void fill_record_##name(struct rec_##name *it)                                      \
	{
#define END_RECORD }
#define BEGIN_MESSAGE(NAME, name, from, to, answer)                                                \
	static void fill_##name(struct msg_##name *it)                                             \
	{
#define END_MESSAGE }
#define NO_FIELDS (void)it;
#define U8(field) it->field = 1;
#define U16(field) it->field = 1;
#define U32(field) it->field = 1;
#define U64(field) it->field = 1;
#define I64(field) it->field = 1;
#define BOOL(field) it->field = true;
#define TEXT(field, limit) it->field = "text";
#define BYTES(field, limit) it->field = some_bytes;
#define SECRET(field, limit) it->field = some_bytes;
#define LIST(field, RECORD, limit) it->field = one_record(REC_##RECORD);
#include "daemon/core/messages.def"

/* Stays for as long as the program runs. */
static struct msg_list
one_record(enum record_kind kind)
{
	static struct msg_list_builder builders[REC_COUNT];
	union {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name) struct rec_##name name;
#include "daemon/core/messages.def"
	} record;

	switch (kind) {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name)                                                                   \
	case REC_##NAME:                                                                           \
		fill_record_##name(&record.name);                                                  \
		break;
#include "daemon/core/messages.def"
	case REC_COUNT:
		abort();
	}
	if (builders[kind].count == 0)
		message_list_add(&builders[kind], kind, &record);
	return message_list_value(&builders[kind]);
}

static void
fill(enum message_kind kind, union message *message)
{
	switch (kind) {
#define ONLY_MESSAGE_NAMES
#define BEGIN_MESSAGE(NAME, name, from, to, answer)                                                \
	case MSG_##NAME:                                                                           \
		fill_##name(&message->name);                                                       \
		break;
#include "daemon/core/messages.def"
	case MSG_NONE:
	case MSG_COUNT:
		abort();
	}
}

static int
write_seed(const char *directory, enum message_kind kind)
{
	union message message, again;
	struct buf frame;
	struct err err;
	char path[4096];
	FILE *file;

	buf_init(&frame);
	buf_char(&frame, (char)kind);
	fill(kind, &message);
	message_encode(kind, &message, &frame);
	ensure(message_decode(kind, (const uint8_t *)frame.bytes + 1, (uint32_t)frame.size - 1,
		   &again, &err) == 0);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, message_name(kind));
	file = fopen(path, "wb");
	if (file == NULL || fwrite(frame.bytes, 1, frame.size, file) != frame.size ||
	    fclose(file) != 0) {
		perror(path);
		return -1;
	}
	buf_fini(&frame);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_messages DIRECTORY\n");
		return 2;
	}
	for (int kind = MSG_NONE + 1; kind < MSG_COUNT; kind++)
		if (write_seed(argv[1], (enum message_kind)kind) != 0)
			return 1;
	return 0;
}
