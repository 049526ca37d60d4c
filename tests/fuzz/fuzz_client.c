/*
 * What an upstream may say to the client automaton: the first byte chooses the profile, the others
 * are the upstream's. Whatever comes, a transaction that was begun gets its verdict once, what we
 * say is whole lines, and nothing is said after the end.
 */
#include "daemon/relay/client.h"
#include "daemon/relay/client_auth.h"

#include <stdint.h>
#include <string.h>

#define TRANSACTIONS 3

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct run {
	struct client *client;
	struct client_recipient recipients[2];
	struct client_transaction transaction;
	unsigned begun, done;
	bool is_over;
};

static void
check_output(struct run *run)
{
	struct buf *output = client_output(run->client);

	if (output->size == 0)
		return;
	ensure(!run->is_over);
	ensure(output->size >= 2 && memcmp(output->bytes + output->size - 2, "\r\n", 2) == 0);
	buf_clear(output);
}

static enum client_event
begin(struct run *run)
{
	if (run->begun == TRANSACTIONS)
		return CLIENT_WAITS;
	run->begun++;
	return client_send(run->client, &run->transaction);
}

static enum client_event
finish(struct run *run)
{
	ensure(++run->done == run->begun);
	for (size_t i = 0; i < run->transaction.recipient_count; i++)
		ensure(run->recipients[i].refusal == NULL ||
		       run->recipients[i].verdict.fate != FATE_DELIVERED);
	return client_next(run->client);
}

/* Without the time that deriving takes. */
static enum client_event
use_key(struct client *client)
{
	struct scram_key *key = client_take_key(client);

	ensure(key->rounds >= SCRAM_ROUNDS_MIN && key->rounds <= SCRAM_ROUNDS_MAX);
	key->rounds = 1;
	scram_key_derive(key);
	return client_use_key(client, key);
}

/* In two chunks, if it goes in chunks. */
static enum client_event
send_body(struct run *run)
{
	if (!client_takes_body(run->client))
		return CLIENT_WAITS;
	if (client_is_chunked(run->client)) {
		client_chunk(run->client, 10);
		client_last_chunk(run->client, 0);
	}
	check_output(run);
	return client_body_sent(run->client);
}

static void
follow(struct run *run, enum client_event event)
{
	const struct credential credential = {.secret = "secret"};

	while (event != CLIENT_WAITS) {
		check_output(run);
		ensure(!run->is_over);
		if (event == CLIENT_WANTS_TLS)
			event = client_secured(run->client);
		else if (event == CLIENT_WANTS_CREDENTIAL)
			event = client_credential(run->client, &credential);
		else if (event == CLIENT_WANTS_KEY)
			event = use_key(run->client);
		else if (event == CLIENT_IS_READY)
			event = begin(run);
		else if (event == CLIENT_WANTS_BODY)
			event = send_body(run);
		else if (event == CLIENT_IS_DONE)
			event = finish(run);
		else {
			run->is_over = true;
			event = CLIENT_WAITS;
		}
	}
	check_output(run);
}

static void
feed(struct run *run, const uint8_t *bytes, size_t size)
{
	size_t used = 1;

	while (used > 0 && size > 0 && !run->is_over) {
		enum client_event event = client_input(run->client, bytes, size, &used);

		ensure(used <= size);
		bytes += used;
		size -= used;
		follow(run, event);
	}
	if (!run->is_over)
		follow(run, client_lost(run->client, "lost"));
	ensure(run->is_over && run->done == run->begun);
}

static const unsigned methods[8] = {
    [1] = AUTH_BIT(AUTH_CRAM_MD5),
    [2] = AUTH_BIT(AUTH_LOGIN),
    [3] = AUTH_BIT(AUTH_SCRAM_SHA_1) | AUTH_BIT(AUTH_SCRAM_SHA_256) |
	  AUTH_BIT(AUTH_SCRAM_SHA_256_PLUS),
    [4] = AUTH_BIT(AUTH_PLAIN),
    [5] = AUTH_BIT(AUTH_NTLM) | AUTH_BIT(AUTH_EXTERNAL),
    [6] = AUTH_BIT(AUTH_XOAUTH2) | AUTH_BIT(AUTH_OAUTHBEARER) | AUTH_BIT(AUTH_ANONYMOUS),
    [7] = AUTH_BIT(AUTH_METHODS) - 1,
};

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct tls_binding binding;
	const struct client_settings settings = {
	    .ehlo_name = "relay.example",
	    .ehlo_other = size > 0 && (bytes[0] & 32) != 0 ? "[192.0.2.7]" : NULL,
	    .tls = size > 0 ? bytes[0] & 3 : 0,
	    .verifies = true,
	    .auth_methods = size > 0 ? methods[(bytes[0] >> 2) & 7] : 0,
	    .username = "user",
	    .host = "mail.example",
	    .port = 587,
	    .has_certificate = true,
	    .is_loopback = true,
	    .groups_body = size > 0 && (bytes[0] & 64) == 0,
	    .tries_chunks = size > 0 && (bytes[0] & 192) == 192,
	    .binding = &binding,
	    .timeout_ms = 1000,
	    .dot_timeout_ms = 1000,
	};
	bool has_wishes = size > 0 && (bytes[0] & 64) != 0;
	bool is_utf8 = size > 0 && (bytes[0] & 128) != 0;
	struct run run = {
	    .recipients = {{.index = 0, .address = is_utf8 ? "a@\xc3\xbc.x" : "a@x"},
		{.index = 1,
		    .address = is_utf8 ? "\xc3\xbc@y" : "b@y",
		    .notify = has_wishes ? NOTIFY_SUCCESS | NOTIFY_FAILURE : 0,
		    .orcpt = is_utf8 ? "utf-8;\xc3\xbc@y" : ""}},
	};

	run.transaction = (struct client_transaction){.sender = "s@x",
	    .recipients = run.recipients,
	    .recipient_count = 2,
	    .size_bytes = 1000,
	    .is_whole = true,
	    .has_8bit = size > 0 && (bytes[0] & 32) != 0};
	if (has_wishes)
		run.transaction.wishes = (struct rec_wishes){.is_smtputf8 = is_utf8,
		    .ret = RET_HDRS,
		    .envid = "id",
		    .has_auth = true,
		    .has_mt_priority = true,
		    .mt_priority = 12,
		    .requires_tls = settings.tls == PROFILE_IMPLICIT};
	run.client = client_new(&settings, settings.tls == PROFILE_IMPLICIT);
	feed(&run, bytes + (size > 0), size > 0 ? size - 1 : 0);
	client_free(run.client);
	client_transaction_reset(&run.transaction);
	return 0;
}
