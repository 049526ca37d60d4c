/*
 * messages - the codec that follows from the declared list.
 *
 * Each message and record becomes a row of field descriptors; one encoder and one decoder walk
 * them. Numbers travel in the machine's own order: both ends are the same program on the same
 * machine.
 */
#include "daemon/core/messages.h"

#include <stdio.h>
#include <string.h>

enum field_type {
	FIELD_U8,
	FIELD_U16,
	FIELD_U32,
	FIELD_U64,
	FIELD_I64,
	FIELD_BOOL,
	FIELD_TEXT,
	FIELD_BYTES,
	FIELD_LIST,
	FIELD_END
};

struct field {
	enum field_type type;
	uint32_t offset;
	uint32_t limit;
	enum record_kind record;
	const char *name;
	bool is_secret;
};

/* ---- descriptors ---- */

#define FIELD(type, field, limit, record)                                                          \
	{type, offsetof(THIS, field), limit, record, #field, false},
#define END_FIELDS                                                                                 \
	{                                                                                          \
		FIELD_END, 0, 0, 0, NULL, false                                                    \
	}

/* `THIS` is the struct whose fields follow; a type of its own for each row keeps it in one pass. */
#define BEGIN_RECORD(NAME, name)                                                                   \
	static const struct field *fields_of_record_##name(void)                                   \
	{                                                                                          \
		typedef struct rec_##name THIS;                                                    \
		static const struct field fields[] = {
#define END_RECORD                                                                                 \
	END_FIELDS                                                                                 \
	}                                                                                          \
	;                                                                                          \
	return fields;                                                                             \
	}
#define BEGIN_MESSAGE(NAME, name, from, to, answer)                                                \
	static const struct field *fields_of_##name(void)                                          \
	{                                                                                          \
		typedef struct msg_##name THIS;                                                    \
		static const struct field fields[] = {
#define END_MESSAGE END_RECORD
#define NO_FIELDS {FIELD_END, offsetof(THIS, unused), 0, 0, NULL, false},
#define U8(field) FIELD(FIELD_U8, field, 0, 0)
#define U16(field) FIELD(FIELD_U16, field, 0, 0)
#define U32(field) FIELD(FIELD_U32, field, 0, 0)
#define U64(field) FIELD(FIELD_U64, field, 0, 0)
#define I64(field) FIELD(FIELD_I64, field, 0, 0)
#define BOOL(field) FIELD(FIELD_BOOL, field, 0, 0)
#define TEXT(field, limit) FIELD(FIELD_TEXT, field, limit, 0)
#define BYTES(field, limit) FIELD(FIELD_BYTES, field, limit, 0)
#define SECRET(field, limit) {FIELD_BYTES, offsetof(THIS, field), limit, 0, #field, true},
#define LIST(field, RECORD, limit) FIELD(FIELD_LIST, field, limit, REC_##RECORD)
#include "daemon/core/messages.def"

struct message_row {
	const char *name;
	unsigned from, to; /* sets of roles */
	enum message_kind answer;
	const struct field *(*fields)(void);
};

#define ANY (~0u)
#define IS(role) (1u << ROLE_##role)
#define EITHER(a, b) (IS(a) | IS(b))

static const struct message_row messages[MSG_COUNT] = {
#define ONLY_MESSAGE_NAMES
#define BEGIN_MESSAGE(NAME, name, from, to, answer)                                                \
	[MSG_##NAME] = {#NAME, (from), (to), MSG_##answer, fields_of_##name},
#include "daemon/core/messages.def"
};

static const struct field *(*const records[REC_COUNT])(void) = {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name) [REC_##NAME] = fields_of_record_##name,
#include "daemon/core/messages.def"
};

static const char *const role_names[ROLE_COUNT] = {
    "parent", "smtpd", "accounts", "queue", "relay", "control", "mime"};

const char *
role_name(enum role role)
{
	return (unsigned)role < ROLE_COUNT ? role_names[role] : "unknown";
}

const char *
message_name(enum message_kind kind)
{
	return kind > MSG_NONE && kind < MSG_COUNT ? messages[kind].name : "UNKNOWN";
}

bool
message_is_allowed(enum message_kind kind, enum role from, enum role to)
{
	return kind > MSG_NONE && kind < MSG_COUNT && (messages[kind].from & 1u << from) != 0 &&
	       (messages[kind].to & 1u << to) != 0;
}

enum message_kind
message_answer(enum message_kind kind)
{
	return messages[kind].answer;
}

bool
message_has_secrets(enum message_kind kind)
{
	if (kind <= MSG_NONE || kind >= MSG_COUNT)
		return false;
	for (const struct field *field = messages[kind].fields(); field->type != FIELD_END; field++)
		if (field->is_secret)
			return true;
	return false;
}

bool
message_may_have_secrets(enum role a, enum role b)
{
	for (enum message_kind kind = MSG_NONE + 1; kind < MSG_COUNT; kind++)
		if (message_has_secrets(kind) &&
		    (message_is_allowed(kind, a, b) || message_is_allowed(kind, b, a)))
			return true;
	return false;
}

/* ---- encoding ---- */

static void
put_u32(struct buf *out, uint32_t value)
{
	buf_append(out, &value, sizeof(value));
}

static size_t
number_size(enum field_type type)
{
	static const size_t sizes[] = {[FIELD_U8] = 1,
	    [FIELD_U16] = 2,
	    [FIELD_U32] = 4,
	    [FIELD_U64] = 8,
	    [FIELD_I64] = 8,
	    [FIELD_BOOL] = 1};

	return sizes[type];
}

static void
encode_text(const struct field *field, const char *text, struct buf *out)
{
	size_t size = text == NULL ? 0 : strlen(text);

	ensure(size <= field->limit);
	put_u32(out, (uint32_t)size);
	buf_append(out, text == NULL ? "" : text, size + 1);
}

static void
encode_field(const struct field *field, const uint8_t *at, struct buf *out)
{
	const struct msg_bytes *bytes = (const void *)at;
	const struct msg_list *list = (const void *)at;

	switch (field->type) {
	case FIELD_TEXT:
		encode_text(field, *(const char *const *)(const void *)at, out);
		break;
	case FIELD_BYTES:
		ensure(bytes->size <= field->limit);
		put_u32(out, bytes->size);
		buf_append(out, bytes->at, bytes->size);
		break;
	case FIELD_LIST:
		ensure(list->count <= field->limit);
		put_u32(out, list->count);
		put_u32(out, list->size);
		buf_append(out, list->at, list->size);
		break;
	default:
		buf_append(out, at, number_size(field->type));
	}
}

static void
encode_fields(const struct field *fields, const void *value, struct buf *out)
{
	for (const struct field *field = fields; field->type != FIELD_END; field++)
		encode_field(field, (const uint8_t *)value + field->offset, out);
}

static size_t
field_size(const struct field *field, const uint8_t *at)
{
	const struct msg_bytes *bytes = (const void *)at;
	const struct msg_list *list = (const void *)at;
	const char *text;

	switch (field->type) {
	case FIELD_TEXT:
		text = *(const char *const *)(const void *)at;
		return sizeof(uint32_t) + (text == NULL ? 0 : strlen(text)) + 1;
	case FIELD_BYTES:
		return sizeof(uint32_t) + bytes->size;
	case FIELD_LIST:
		return 2 * sizeof(uint32_t) + list->size;
	default:
		return number_size(field->type);
	}
}

size_t
message_size(enum message_kind kind, const void *message)
{
	size_t size = 0;

	for (const struct field *field = messages[kind].fields(); field->type != FIELD_END; field++)
		size += field_size(field, (const uint8_t *)message + field->offset);
	return size;
}

void
message_encode(enum message_kind kind, const void *message, struct buf *out)
{
	encode_fields(messages[kind].fields(), message, out);
}

/* ---- decoding ---- */

struct reader {
	const uint8_t *at;
	uint32_t left;
	const char *where;
	struct err *err_out;
};

static int decode_fields(struct reader *reader, const struct field *fields, void *value);

static int
fail(struct reader *reader, const struct field *field, const char *what)
{
	return err_set(reader->err_out, "%s.%s: %s", reader->where, field->name, what);
}

static const uint8_t *
take(struct reader *reader, uint32_t size)
{
	const uint8_t *at = reader->at;

	if (size > reader->left)
		return NULL;
	reader->at += size;
	reader->left -= size;
	return at;
}

static bool
take_u32(struct reader *reader, uint32_t *value_out)
{
	const uint8_t *at = take(reader, sizeof(*value_out));

	if (at != NULL)
		memcpy(value_out, at, sizeof(*value_out));
	return at != NULL;
}

static int
decode_number(struct reader *reader, const struct field *field, uint8_t *value)
{
	size_t size = number_size(field->type);
	const uint8_t *at = take(reader, (uint32_t)size);

	if (at == NULL)
		return fail(reader, field, "is cut off");
	if (field->type == FIELD_BOOL && *at > 1)
		return fail(reader, field, "is neither true nor false");
	memcpy(value, at, size);
	return 0;
}

static int
decode_text(struct reader *reader, const struct field *field, uint8_t *value)
{
	uint32_t size;
	const uint8_t *at;

	if (!take_u32(reader, &size) || size > field->limit)
		return fail(reader, field, "is over its limit");
	at = take(reader, size + 1);
	if (at == NULL)
		return fail(reader, field, "is cut off");
	if (memchr(at, '\0', size + 1) != at + size)
		return fail(reader, field, "has a NUL inside or none at its end");
	memcpy(value, &at, sizeof(at));
	return 0;
}

static int
decode_bytes(struct reader *reader, const struct field *field, uint8_t *value)
{
	struct msg_bytes bytes;

	if (!take_u32(reader, &bytes.size) || bytes.size > field->limit)
		return fail(reader, field, "is over its limit");
	bytes.at = take(reader, bytes.size);
	if (bytes.at == NULL)
		return fail(reader, field, "is cut off");
	memcpy(value, &bytes, sizeof(bytes));
	return 0;
}

/* The largest record, to decode into when only the check matters. */
union any_record {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name) struct rec_##name name;
#include "daemon/core/messages.def"
};

static int
decode_list(struct reader *reader, const struct field *field, uint8_t *value)
{
	struct msg_list list;
	struct reader inner = *reader;
	union any_record record;

	if (!take_u32(reader, &list.count) || list.count > field->limit)
		return fail(reader, field, "has too many records");
	if (!take_u32(reader, &list.size))
		return fail(reader, field, "is cut off");
	list.at = take(reader, list.size);
	if (list.at == NULL)
		return fail(reader, field, "is cut off");
	inner.at = list.at;
	inner.left = list.size;
	for (uint32_t i = 0; i < list.count; i++)
		if (decode_fields(&inner, records[field->record](), &record) != 0)
			return -1;
	if (inner.left != 0)
		return fail(reader, field, "has bytes left over");
	memcpy(value, &list, sizeof(list));
	return 0;
}

static int
decode_fields(struct reader *reader, const struct field *fields, void *value)
{
	for (const struct field *field = fields; field->type != FIELD_END; field++) {
		uint8_t *at = (uint8_t *)value + field->offset;
		int result = field->type == FIELD_TEXT    ? decode_text(reader, field, at)
			     : field->type == FIELD_BYTES ? decode_bytes(reader, field, at)
			     : field->type == FIELD_LIST  ? decode_list(reader, field, at)
							  : decode_number(reader, field, at);

		if (result != 0)
			return -1;
	}
	return 0;
}

int
message_decode(enum message_kind kind, const uint8_t *payload, uint32_t size,
    union message *message_out, struct err *err_out)
{
	struct reader reader = {
	    .at = payload, .left = size, .where = message_name(kind), .err_out = err_out};

	if (kind <= MSG_NONE || kind >= MSG_COUNT)
		return err_set(err_out, "there is no message of kind %d", (int)kind);
	if (decode_fields(&reader, messages[kind].fields(), message_out) != 0)
		return -1;
	if (reader.left != 0)
		return err_set(err_out, "%s: %u bytes left over", reader.where, reader.left);
	return 0;
}

/* ---- lists ---- */

void
message_list_add(struct msg_list_builder *builder, enum record_kind kind, const void *record)
{
	encode_fields(records[kind](), record, &builder->buf);
	builder->count++;
}

struct msg_list
message_list_value(const struct msg_list_builder *builder)
{
	return (struct msg_list){.at = (const uint8_t *)builder->buf.bytes,
	    .size = (uint32_t)builder->buf.size,
	    .count = builder->count};
}

void
message_list_fini(struct msg_list_builder *builder)
{
	buf_fini(&builder->buf);
	builder->count = 0;
}

bool
message_list_next(struct msg_list *list, enum record_kind kind, void *record_out)
{
	struct reader reader = {.at = list->at, .left = list->size, .where = "record"};

	if (list->count == 0)
		return false;
	ensure(decode_fields(&reader, records[kind](), record_out) == 0);
	list->at = reader.at;
	list->size = reader.left;
	list->count--;
	return true;
}

/* ---- which build ---- */

static uint64_t
mix(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u; /* FNV-1a */
	return hash;
}

static uint64_t
mix_fields(uint64_t hash, const struct field *fields)
{
	for (const struct field *field = fields; field->type != FIELD_END; field++) {
		hash = mix(hash, field->name, strlen(field->name));
		hash = mix(hash, &field->type, sizeof(field->type));
		hash = mix(hash, &field->limit, sizeof(field->limit));
	}
	return hash;
}

const char *
message_build_id(void)
{
	static char id[64];
	uint64_t hash = 0xcbf29ce484222325u;

	if (id[0] != '\0')
		return id;
	for (int kind = MSG_NONE + 1; kind < MSG_COUNT; kind++)
		hash = mix_fields(hash, messages[kind].fields());
	for (int kind = 0; kind < REC_COUNT; kind++)
		hash = mix_fields(hash, records[kind]());
	(void)snprintf(id, sizeof(id), "%s-%016llx", PACKAGE_VERSION, (unsigned long long)hash);
	return id;
}
