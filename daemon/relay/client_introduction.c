/*
 * client_introduction - the client's first words: greeting, EHLO or HELO, STARTTLS.
 *
 * A name of ours that the upstream refuses makes way for the other form that RFC 5321 (4.1.1.1,
 * 4.1.3) allows, once; one that the operator chose doesn't.
 */
#include "daemon/relay/client_private.h"

#include <stdio.h>
#include <string.h>

enum client_event
client_on_greeting(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code != 220)
		return client_end_refused(client, reply);
	client_enter(client, CLIENT_STATE_EHLO);
	return CLIENT_WAITS;
}

void
client_send_ehlo(struct client *client)
{
	client->capabilities = (struct capabilities){0};
	client->has_said_helo = false;
	client_put(client, "EHLO %s", client->name);
}

void
client_send_helo(struct client *client)
{
	client->has_said_helo = true;
	client_put(client, "HELO %s", client->name);
}

void
client_send_starttls(struct client *client)
{
	client_put(client, "STARTTLS");
}

static bool
insists_on_tls(const struct client *client)
{
	return client->settings->tls == PROFILE_STARTTLS ||
	       client->settings->tls == PROFILE_IMPLICIT;
}

/* The upstream's first words are over: encrypt, log in, or go. */
static enum client_event
on_introduced(struct client *client)
{
	bool may_encrypt =
	    client->settings->tls != PROFILE_NONE && !client->settings->skips_starttls;

	if (!client->has_tls && may_encrypt && client->capabilities.has_starttls) {
		client_enter(client, CLIENT_STATE_STARTTLS);
		return CLIENT_WAITS;
	}
	if (!client->has_tls && insists_on_tls(client))
		return client_end_by_us(
		    client, ATTEMPT_TLS, "the upstream does not offer STARTTLS");
	return client_begin_auth(client);
}

static void
read_capabilities(struct client *client, const struct smtp_reply *reply)
{
	const char *at = smtp_reply_text(reply), *next;
	char line[512];

	/* The first line is the upstream's name. */
	for (bool is_first = true; at != NULL; at = next, is_first = false) {
		size_t length = smtp_reply_line_length(at, &next);

		if (is_first || length >= sizeof(line))
			continue;
		memcpy(line, at, length);
		line[length] = '\0';
		capabilities_add(&client->capabilities, line);
	}
}

static bool
is_about_name(const struct client *client, const struct reply *reply)
{
	struct verdict verdict = classify_reply(&client->settings->classifier, PHASE_EHLO, reply);

	if (reply->code == 500 || reply->code == 502) /* it doesn't know the command */
		return false;
	return reply->code == 501 || reply->code == 504 ||
	       (reply->code > 500 && verdict.class == REPLY_PROTOCOL);
}

/* The upstream doesn't like our name, and there is another that it hasn't heard. */
static bool
takes_other_name(struct client *client, const struct smtp_reply *from)
{
	const char *other = client->settings->ehlo_other;
	struct reply reply;

	client_read_reply(from, &reply);
	if (!is_about_name(client, &reply))
		return false;
	if (!client->is_name_refused)
		client->name_refusal = reply;
	client->is_name_refused = true;
	if (other == NULL || client->name == other)
		return false;
	client->name = other;
	return true;
}

static enum client_event
end_introduction(struct client *client, const struct smtp_reply *refusal)
{
	struct reply *first = &client->name_refusal;
	size_t size = strlen(first->text);
	char words[300];

	if (!client->is_name_refused || client->name == client->settings->ehlo_name)
		return client_end_refused(client, refusal);
	(void)snprintf(first->text + size, sizeof(first->text) - size, " (as %s; as %s: %s)",
	    client->settings->ehlo_name, client->name,
	    smtp_reply_format(refusal, words, sizeof(words)));
	return client_end_reply(client, first);
}

/* HELO can't give what the profile wants. */
static bool
needs_ehlo(const struct client *client)
{
	return (insists_on_tls(client) && !client->has_tls) || client->settings->auth_methods != 0;
}

enum client_event
client_on_ehlo(struct client *client, const struct smtp_reply *reply)
{
	if (client_is_positive(reply)) {
		read_capabilities(client, reply);
		return on_introduced(client);
	}
	if (takes_other_name(client, reply))
		client_enter(client, CLIENT_STATE_EHLO);
	else if (reply->code >= 500 && !(client->is_name_refused && needs_ehlo(client)))
		client_enter(client, CLIENT_STATE_HELO);
	else
		return end_introduction(client, reply);
	return CLIENT_WAITS;
}

enum client_event
client_on_helo(struct client *client, const struct smtp_reply *reply)
{
	if (client_is_positive(reply))
		return on_introduced(client);
	if (!takes_other_name(client, reply))
		return end_introduction(client, reply);
	client_enter(client, CLIENT_STATE_HELO);
	return CLIENT_WAITS;
}

enum client_event
client_on_starttls(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code == 220) {
		client_enter(client, CLIENT_STATE_HANDSHAKE);
		return CLIENT_WANTS_TLS;
	}
	if (reply->code == 421 || insists_on_tls(client))
		return client_end_refused(client, reply);
	return client_begin_auth(client);
}

const char *
client_name(const struct client *client)
{
	return client->name;
}

bool
client_is_name_refused(const struct client *client)
{
	return client->is_name_refused;
}

bool
client_has_said_helo(const struct client *client)
{
	return client->has_said_helo;
}
