/* other_protocol - who greets like that. */
#include "daemon/relay/other_protocol.h"

#include <string.h>

#define SHOWN_MAX 60

static const struct {
	const char *beginning, *name;
} greetings[] = {
    {"+OK", "a POP3 server"},
    {"-ERR", "a POP3 server"},
    {"* OK", "an IMAP server"},
    {"* BYE", "an IMAP server"},
    {"* PREAUTH", "an IMAP server"},
    {"SSH-", "an SSH server"},
    {"HTTP/", "a web server"},
    {"\"IMPLEMENTATION\"", "a ManageSieve server"},
};

/* A record of TLS: an alert, after our patience was longer than theirs. */
bool
other_protocol_is_tls(const uint8_t *bytes, size_t size)
{
	return size >= 2 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 0x03;
}

bool
other_protocol_find(const uint8_t *bytes, size_t size, struct err *words_out)
{
	const uint8_t *end = size > 0 ? memchr(bytes, '\n', size) : NULL;
	size_t length = end != NULL ? (size_t)(end - bytes) : 0;

	if (other_protocol_is_tls(bytes, size)) {
		(void)err_set(words_out, OTHER_PROTOCOL_TLS);
		return true;
	}
	for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
		size_t wanted = strlen(greetings[i].beginning);

		if (length < wanted || memcmp(bytes, greetings[i].beginning, wanted) != 0)
			continue;
		while (length > 0 && bytes[length - 1] == '\r')
			length--;
		(void)err_set(words_out, "this is %s, not one for SMTP: `%.*s`", greetings[i].name,
		    (int)(length < SHOWN_MAX ? length : SHOWN_MAX), (const char *)bytes);
		return true;
	}
	return false;
}
