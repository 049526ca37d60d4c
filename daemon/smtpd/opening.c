/*
 * opening - what a client speaks, on a listener where it may begin with TLS: told by its first
 * byte, or by its silence.
 *
 * A client that is set to STARTTLS waits for a greeting that implicit TLS doesn't have, and one
 * that is set to no TLS at all sends EHLO: both hear in plain text what is wrong.
 */
#include "daemon/smtpd/client_private.h"

#include "common/log.h"

#include <event2/buffer.h>
#include <stdio.h>

#define WRONG_PORT "this port expects TLS at once"
#define REFUSAL "421 4.7.0 " WRONG_PORT "\r\n"

void
opening_begin(struct client *client, enum listener_tls tls)
{
	const struct config *config = client->config;

	client->awaits = tls;
	timer_set(client->deadline,
	    tls == LISTENER_AUTO ? config->tls.auto_wait_ms : config->tls.implicit_wait_ms);
}

static void
log_refused(const struct client *client, unsigned code, const char *reason)
{
	struct log_line line;

	if (!log_begin(&line, LOG_INFO, EVENT_REJECTED, 0))
		return;
	log_text(&line, KEY_CLIENT, conn_peer_text(client->conn));
	log_number(&line, KEY_LISTENER, client->port);
	if (code != 0) {
		log_number(&line, KEY_CODE, code);
		log_text(&line, KEY_ENHANCED, "4.7.0");
		log_text(&line, KEY_REPLY, WRONG_PORT);
	}
	log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

static void
refuse_plain(struct client *client, const char *what_it_does)
{
	unsigned port = config_port_with(client->config, LISTENER_STARTTLS);
	char reason[300], where[40] = "";

	if (port != 0)
		(void)snprintf(where, sizeof(where), ", which is port %u here", port);
	(void)snprintf(reason, sizeof(reason),
	    "%s: its encryption must be set to TLS from the start (also called SSL or SSL/TLS), or "
	    "its port to one with STARTTLS%s",
	    what_it_does, where);
	log_refused(client, 421, reason);
	conn_write(client->conn, REFUSAL, sizeof(REFUSAL) - 1);
	client_dismiss(client, "it does not begin with TLS");
}

static void
take_plain(struct client *client, const char *bytes, size_t size)
{
	if (session_is_http(bytes, size)) {
		log_refused(client, 0, "the client speaks HTTP");
		client_abuse(client, "a client that speaks HTTP");
		client_dismiss(client, "the client speaks HTTP");
	} else {
		refuse_plain(
		    client, "the client talks in plain text where TLS is expected at once");
	}
}

/* What SMTP and HTTP begin with is ASCII; anything else is OpenSSL's to judge. */
static bool
is_text(uint8_t byte)
{
	return byte >= ' ' ? byte < 0x7f : byte == '\t' || byte == '\r' || byte == '\n';
}

void
opening_input(struct client *client)
{
	struct evbuffer *input = conn_input(client->conn);
	size_t size = evbuffer_get_length(input);
	const uint8_t *bytes = evbuffer_pullup(input, -1);
	enum listener_tls kind = client->awaits;

	if (size == 0 || client->is_over)
		return;
	client->awaits = LISTENER_NONE;
	timer_stop(client->deadline);
	if (!is_text(bytes[0])) {
		client_secure(client);
	} else if (kind == LISTENER_IMPLICIT) {
		take_plain(client, (const char *)bytes, size);
	} else {
		client_greet(client, NULL);
		client_pump(client);
	}
}

void
opening_over(struct client *client)
{
	enum listener_tls kind = client->awaits;

	client->awaits = LISTENER_NONE;
	if (kind == LISTENER_IMPLICIT)
		refuse_plain(
		    client, "the client waits for a greeting where TLS is expected at once");
	else
		client_greet(client, NULL);
}
