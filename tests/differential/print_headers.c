/* print_headers - for headers.py: messages in, each ended by NUL; for each a line on From: and
 * Sender:, and the header as smtpd would send it on with what is behind it, ended by NUL. The line
 * has the outcome and the addresses of each, tabs between, `|` between the two. */
#include "common/buf.h"
#include "daemon/smtpd/trace.h"

#include <stdio.h>
#include <string.h>

static void
print_mailboxes(const struct header_mailboxes *mailboxes, const char *behind)
{
	static const char *const outcomes[] = {[HEADER_ABSENT] = "absent",
	    [HEADER_PARSED] = "parsed",
	    [HEADER_UNPARSABLE] = "unparsable",
	    [HEADER_SEVERAL] = "several"};

	fputs(outcomes[mailboxes->outcome], stdout);
	for (size_t i = 0; i < mailboxes->addresses.count; i++)
		printf("\t%s", mailboxes->addresses.items[i]);
	fputs(behind, stdout);
}

static void
print(const char *message, size_t size)
{
	const struct header_changes changes = {0};
	const struct trace trace = {
	    .hostname = "relay.example", .helo = "me", .message_id = 1, .tls_version = ""};
	struct header_end end = {0};
	struct header header;
	struct buf out;

	buf_init(&out);
	if (!header_find_end(&end, message, size))
		header_end_at(&end, size);
	header_scan(&header, message, end.fields_size);
	print_mailboxes(&header.from, "|");
	print_mailboxes(&header.sender, "\n");
	trace_write_header(&out, &trace, &changes, &header, message, end.fields_size);
	buf_append(&out, message + end.body_at, size - end.body_at);
	fwrite(out.bytes, 1, out.size, stdout);
	putchar('\0');
	header_fini(&header);
	buf_fini(&out);
}

int
main(void)
{
	char piece[4096];
	struct buf input;
	size_t got;

	buf_init(&input);
	while ((got = fread(piece, 1, sizeof(piece), stdin)) > 0)
		buf_append(&input, piece, got);
	for (size_t at = 0; at < input.size; at += strlen(input.bytes + at) + 1)
		print(input.bytes + at, strlen(input.bytes + at));
	buf_fini(&input);
	return 0;
}
