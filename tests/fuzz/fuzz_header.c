/*
 * Headers, from the bytes of a message to what smtpd writes: the end is found the same way however
 * the bytes come, and whoever reads the result finds what we found, and the body where we put it.
 */
#include "common/mailaddr.h"
#include "daemon/smtpd/trace.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* As smtpd lets it in: every line ends in CRLF, no other CR or LF. */
static void
make_message(struct buf *message, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] == '\n')
			buf_char(message, '\r');
		if (bytes[i] != '\r')
			buf_char(message, (char)bytes[i]);
	}
	buf_text(message, "\r\n");
}

static void
find_end(struct header_end *end, const struct buf *message)
{
	struct header_end slow = {0};
	bool is_found = false;

	*end = (struct header_end){0};
	if (!header_find_end(end, message->bytes, message->size)) {
		header_end_at(end, message->size);
		return;
	}
	for (size_t size = 0; !is_found && size <= message->size; size++)
		is_found = header_find_end(&slow, message->bytes, size);
	ensure(is_found && slow.fields_size == end->fields_size && slow.body_at == end->body_at);
}

static void
check_mailboxes(const struct header_mailboxes *mailboxes)
{
	struct mailaddr address;

	ensure((mailboxes->outcome == HEADER_PARSED) == (mailboxes->addresses.count > 0));
	for (size_t i = 0; i < mailboxes->addresses.count; i++) {
		const char *item = mailboxes->addresses.items[i];

		ensure(mailaddr_parse(item, strlen(item), &address, NULL) == MAILADDR_OK);
		ensure(strcmp(address.text, item) == 0);
	}
}

static void
check_written(const struct header *header, const struct buf *written)
{
	struct header_end end = {0};
	struct header again;

	ensure(header_find_end(&end, written->bytes, written->size));
	ensure(end.body_at == written->size && end.fields_size + 2 == written->size);
	header_scan(&again, written->bytes, end.fields_size);
	ensure(again.received_count == header->received_count + 1);
	ensure(again.has_date && again.has_message_id);
	ensure(again.from.outcome == header->from.outcome);
	ensure(again.sender.outcome == header->sender.outcome);
	ensure(priority_own(&again.hints) != 0);
	header_fini(&again);
}

static void
write_and_check(const struct header *header, const char *bytes, size_t size)
{
	static char dropped[] = "Bcc";
	static char *const drop_headers[] = {dropped, NULL};
	const struct header_changes changes = {drop_headers, 2};
	struct trace trace = {
	    .hostname = "relay.example",
	    .helo = header->subject,
	    .message_id = 1,
	    .is_esmtp = true,
	    .tls_version = "",
	};
	struct buf written;

	buf_init(&written);
	trace_write_header(&written, &trace, &changes, header, bytes, size);
	check_written(header, &written);
	buf_fini(&written);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct header_end end;
	struct header header, utf8;
	struct buf message;

	buf_init(&message);
	make_message(&message, bytes, size);
	find_end(&end, &message);
	ensure(end.fields_size <= end.body_at && end.body_at <= message.size);
	header_scan(&header, message.bytes, end.fields_size);
	check_mailboxes(&header.from);
	check_mailboxes(&header.sender);
	header_scan_utf8(&utf8, message.bytes, end.fields_size);
	check_mailboxes(&utf8.from);
	check_mailboxes(&utf8.sender);
	/* what ASCII suffices for is read the same */
	ensure(header.from.outcome != HEADER_PARSED || utf8.from.outcome == HEADER_PARSED);
	header_fini(&utf8);
	write_and_check(&header, message.bytes, end.fields_size);
	header_fini(&header);
	buf_fini(&message);
	return 0;
}
