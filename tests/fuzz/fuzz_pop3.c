/*
 * What a POP3 server may say: the first byte chooses the settings, the others are the server's, a zero
 * among them ends a segment. Whatever comes, what we say is whole lines, it ends once, a password is
 * shown to nobody, and nothing is said after the end.
 */
#include "common/err.h"
#include "daemon/relay/pop3_client.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	ensure(strstr(line, "secret-word") == NULL || !is_sent);
	ensure(strpbrk(line, "\r\n") == NULL);
}

static void
check_output(struct pop3_client *client, bool is_over)
{
	struct buf *output = pop3_client_output(client);

	if (output->size == 0)
		return;
	ensure(!is_over && output->size < 8192);
	ensure(memcmp(output->bytes + output->size - 2, "\r\n", 2) == 0);
	buf_clear(output);
}

/* Gives whether it has ended. */
static bool
follow(struct pop3_client *client, enum pop3_event event)
{
	while (event == POP3_WANTS_TLS || event == POP3_WANTS_TURN) {
		check_output(client, false);
		event = event == POP3_WANTS_TLS ? pop3_client_secured(client)
						: pop3_client_login(client);
	}
	check_output(client, false);
	if (event == POP3_IS_OVER)
		ensure(pop3_client_end(client)->reply.text[0] != '\0' &&
		       pop3_client_end(client)->verdict.outcome != ATTEMPT_ATTEMPTED);
	return event != POP3_WAITS;
}

static bool
feed(struct pop3_client *client, const uint8_t *bytes, size_t size)
{
	size_t used;
	bool is_over = follow(client, pop3_client_input(client, bytes, size, &used));

	ensure(used <= size);
	return is_over;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const methods[] = {
	    "none", "login", "apop", "plain", "cram-md5", "ntlm", "ntlm-v1"};
	struct pop3_client_settings settings = {
	    .username = "user", .password = "secret-word", .timeout_ms = 1000, .on_line = on_line};
	struct pop3_client *client;
	bool is_over = false;

	if (size == 0)
		return 0;
	settings.tls = (bytes[0] & 1) != 0 ? PROFILE_STARTTLS : PROFILE_NONE;
	ensure(pop3_method_find(methods[(bytes[0] >> 1) % 7], &settings.method));
	client = pop3_client_new(&settings, false);
	bytes++;
	size--;
	while (size > 0 && !is_over) {
		const uint8_t *end = memchr(bytes, 0, size);
		size_t length = end == NULL ? size : (size_t)(end - bytes);

		is_over = feed(client, bytes, length);
		bytes += length + (end != NULL);
		size -= length + (end != NULL);
	}
	if (!is_over)
		is_over = follow(client, pop3_client_lost(client, "lost"));
	ensure(is_over);
	(void)feed(client, (const uint8_t *)"+OK\r\n", 5);
	check_output(client, true);
	pop3_client_free(client);
	return 0;
}
