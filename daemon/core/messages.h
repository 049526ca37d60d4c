/*
 * messages - everything that one role may say to another, declared once
 *
 * From the one list in messages.def come the enum, a struct for each message (struct
 * msg_<name>), its codec, its name in traces and the check of who may send it to whom. Adding a
 * message or a field means adding a line there.
 *
 * Owns     nothing: what a decoded message points to lies in the frame it was read from
 * Fails    the decoder trusts nobody: a size, a count, a text without its NUL or with one inside,
 *          a field over its limit, a byte left over: -1 and *err_out; the link then ends
 *
 * Fields: numbers; BOOL; TEXT, a NUL-terminated string of at most `limit` bytes (never NULL once
 * decoded); BYTES; LIST, records of one kind, read with message_list_next().
 */
#ifndef POSTERN_CORE_MESSAGES_H
#define POSTERN_CORE_MESSAGES_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum role {
	ROLE_PARENT,
	ROLE_SMTPD,
	ROLE_ACCOUNTS,
	ROLE_QUEUE,
	ROLE_RELAY,
	ROLE_CONTROL,
	ROLE_MIME,
	ROLE_COUNT
};

const char *role_name(enum role role);

struct msg_bytes {
	const uint8_t *at;
	uint32_t size;
};

/* Records, one behind the other, as they stand in the frame. */
struct msg_list {
	const uint8_t *at;
	uint32_t size;
	uint32_t count;
};

/* One struct for each record and each message. */
#define BEGIN_RECORD(NAME, name) struct rec_##name {
#define END_RECORD                                                                                 \
	}                                                                                          \
	;
#define BEGIN_MESSAGE(NAME, name, from, to, answer) struct msg_##name {
#define END_MESSAGE                                                                                \
	}                                                                                          \
	;
#define NO_FIELDS char unused;
#define U8(field) uint8_t field;
#define U16(field) uint16_t field;
#define U32(field) uint32_t field;
#define U64(field) uint64_t field;
#define I64(field) int64_t field;
#define BOOL(field) bool field;
#define TEXT(field, limit) const char *field;
#define BYTES(field, limit) struct msg_bytes field;
#define SECRET(field, limit) struct msg_bytes field;
#define LIST(field, RECORD, limit) struct msg_list field;
#include "daemon/core/messages.def"

enum message_kind {
	MSG_NONE,
#define ONLY_MESSAGE_NAMES
#define BEGIN_MESSAGE(NAME, name, from, to, answer) MSG_##NAME,
#include "daemon/core/messages.def"
	MSG_COUNT
};

enum record_kind {
#define ONLY_RECORD_NAMES
#define BEGIN_RECORD(NAME, name) REC_##NAME,
#include "daemon/core/messages.def"
	REC_COUNT
};

union message {
#define ONLY_MESSAGE_NAMES
#define BEGIN_MESSAGE(NAME, name, from, to, answer) struct msg_##name name;
#include "daemon/core/messages.def"
};

/* A frame's payload is never larger than this. */
/* Room for the largest: the fates of 10,000 recipients, each with a long reply. */
#define MESSAGE_SIZE_MAX (11u << 20)

/* The version and a hash of the whole declaration: both ends of a link must agree. */
const char *message_build_id(void);

const char *message_name(enum message_kind kind);
/* Whether `from` may send `kind` to `to`. */
bool message_is_allowed(enum message_kind kind, enum role from, enum role to);
/* The kind that answers a request, or MSG_NONE. */
enum message_kind message_answer(enum message_kind kind);

/* Whether `kind` has a field that may be a secret, and whether `a` and `b` exchange such messages:
 * what these travelled in is wiped. */
bool message_has_secrets(enum message_kind kind);
bool message_may_have_secrets(enum role a, enum role b);

/* How many bytes message_encode() will append. */
size_t message_size(enum message_kind kind, const void *message);
/* Appends the encoded message. A field over its limit is a bug of the sender (ensure): who fills
 * a message has checked or cut what came from outside. */
void message_encode(enum message_kind kind, const void *message, struct buf *out);
/* Decodes a payload; `*message_out` borrows from it. */
__attribute__((warn_unused_result)) int message_decode(enum message_kind kind,
    const uint8_t *payload, uint32_t size, union message *message_out, struct err *err_out);

/* Building a list: records are appended to a buf, which becomes the field's value. The buf must
 * live until the message is encoded. */
struct msg_list_builder {
	struct buf buf;
	uint32_t count;
};
void message_list_add(struct msg_list_builder *builder, enum record_kind kind, const void *record);
struct msg_list message_list_value(const struct msg_list_builder *builder);
void message_list_fini(struct msg_list_builder *builder);
/* Reads the next record into *record_out and steps behind it; false at the end. The records have
 * been checked when the message was decoded. */
bool message_list_next(struct msg_list *list, enum record_kind kind, void *record_out);

#endif
