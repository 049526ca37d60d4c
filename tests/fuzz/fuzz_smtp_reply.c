/* Replies of an upstream: whole and byte by byte they must come to the same. */
#include "common/smtp_reply.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum smtp_reply_outcome
read_slowly(struct smtp_reply *reply, const char *bytes, size_t size)
{
	enum smtp_reply_outcome outcome = SMTP_REPLY_PARTIAL;
	size_t start = 0, used;

	for (size_t n = 1; outcome == SMTP_REPLY_PARTIAL && n <= size; n++) {
		outcome = smtp_reply_read(reply, bytes + start, n - start, &used, NULL);
		start += used;
	}
	return outcome;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct smtp_reply whole, slow;
	struct err err;
	size_t used;
	enum smtp_reply_outcome outcome;

	smtp_reply_init(&whole);
	smtp_reply_init(&slow);
	outcome = smtp_reply_read(&whole, (const char *)bytes, size, &used, &err);
	ensure(used <= size);
	ensure(read_slowly(&slow, (const char *)bytes, size) == outcome);
	if (outcome == SMTP_REPLY_COMPLETE) {
		char text[512];

		ensure(whole.code >= 200 && whole.code <= 599);
		ensure(whole.code == slow.code && whole.line_count == slow.line_count);
		ensure(strcmp(smtp_reply_text(&whole), smtp_reply_text(&slow)) == 0);
		ensure(strpbrk(smtp_reply_format(&whole, text, sizeof(text)), "\r\n") == NULL);
	}
	smtp_reply_fini(&whole);
	smtp_reply_fini(&slow);
	return 0;
}
