/*
 * client_envelope - what MAIL and RCPT say, and who is named at all: by what the upstream announced.
 *
 * What a client wished for is passed on as it was given to an upstream that knows the extension,
 * and not said to any other (RFC 3461 5.2, RFC 6710 4.1). A time to wait until is never said: the
 * queue has waited. An address that isn't ASCII needs SMTPUTF8; without it a domain becomes
 * A-labels, and a local part can't be said (RFC 6531 3.2). REQUIRETLS is never left out: without a
 * verified upstream that knows it the message fails (RFC 8689). What a RCPTMAX or RCPTDOMAINMAX leaves
 * over is postponed (RFC 9422): the queue hands it over again.
 */
#include "daemon/relay/client_private.h"

#include "common/domain.h"
#include "common/utf8.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* More domains are not kept in mind: a larger limit counts as this. */
#define DOMAINS_MAX 1000

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static bool
is_sayable(const struct client *client, const char *address)
{
	return client->capabilities.has_smtputf8 || is_ascii(address);
}

/* The address with its domain in A-labels; NULL if that doesn't help. */
static char *
in_ascii(const char *address)
{
	const char *at = strrchr(address, '@');
	char domain[DOMAIN_SIZE];
	struct err err;
	char *result;

	if (at == NULL || domain_normalise(at + 1, strlen(at + 1), domain, &err) != 0)
		return NULL;
	result = xasprintf("%.*s@%s", (int)(at - address), address, domain);
	if (is_ascii(result))
		return result;
	free(result);
	return NULL;
}

/* ---- whom ---- */

static void
settle_failed(struct client *client, const struct reply *reply)
{
	const struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED,
	    .fate = FATE_FAILED,
	    .class = REPLY_REFUSED,
	    .rule = "own"};

	client->transaction->is_answered = true;
	client_settle(client, verdict, reply, PHASE_MAIL);
}

static bool
is_protected(const struct client *client)
{
	return client->has_tls && client->settings->verifies;
}

/* REQUIRETLS (RFC 8689 4.2.1). A notice rather goes without than not at all (5). */
static bool
keeps_tls(struct client *client)
{
	const struct client_transaction *transaction = client->transaction;
	struct reply reply;

	if (!transaction->wishes.requires_tls || *transaction->sender == '\0' ||
	    (is_protected(client) && client->capabilities.has_requiretls))
		return true;
	if (is_protected(client))
		reply_set(&reply, 550, "5.7.30",
		    "REQUIRETLS support required, and the upstream lacks it");
	else
		reply_set(&reply, 550, "5.7.10",
		    "Encryption needed: the message requires TLS and a certificate that is "
		    "verified");
	settle_failed(client, &reply);
	return false;
}

/* Of the message as a whole. */
static bool
fits_upstream(struct client *client)
{
	struct client_transaction *transaction = client->transaction;
	struct reply reply;

	if (!keeps_tls(client))
		return false;
	if (transaction->wishes.has_utf8_header && !client->capabilities.has_smtputf8) {
		reply_set(&reply, 554, "5.6.9",
		    "The message's header is not ASCII, and the upstream lacks SMTPUTF8");
		settle_failed(client, &reply);
		return false;
	}
	if (is_sayable(client, transaction->sender))
		return true;
	transaction->sender_wire = in_ascii(transaction->sender);
	if (transaction->sender_wire != NULL)
		return true;
	reply_set(&reply, 553, "5.6.7",
	    "The sender's address is not ASCII, and the upstream lacks SMTPUTF8");
	settle_failed(client, &reply);
	return false;
}

static bool
translate(struct client *client, struct client_recipient *recipient)
{
	if (is_sayable(client, recipient->address))
		return true;
	recipient->wire = in_ascii(recipient->address);
	if (recipient->wire != NULL)
		return true;
	recipient->verdict =
	    (struct verdict){.fate = FATE_FAILED, .class = REPLY_BAD_RECIPIENT, .rule = "own"};
	recipient->refusal = xmalloc(sizeof(*recipient->refusal));
	reply_set(recipient->refusal, 553, "5.6.7",
	    "The recipient's address is not ASCII, and the upstream lacks SMTPUTF8");
	return false;
}

static const char *
say(const struct client_recipient *recipient)
{
	return recipient->wire != NULL ? recipient->wire : recipient->address;
}

/* False: it would be one domain too many for this connection. */
static bool
note_domain(struct client *client, const char *address)
{
	const char *at = strrchr(address, '@');
	const char *domain = at == NULL ? "" : at + 1;
	size_t limit = client->capabilities.rcpt_domain_max;

	if (limit == 0)
		return true;
	if (limit > DOMAINS_MAX)
		limit = DOMAINS_MAX;
	for (size_t i = 0; i < client->domain_count; i++)
		if (strcasecmp(client->domains[i], domain) == 0)
			return true;
	if (client->domain_count == limit)
		return false;
	client->domains =
	    xrealloc(client->domains, client->domain_count + 1, sizeof(*client->domains));
	client->domains[client->domain_count++] = xstrdup(domain);
	return true;
}

static bool
has_room(struct client *client, const struct client_recipient *recipient)
{
	size_t limit = client->capabilities.rcpt_max;

	if (limit != 0 && client->chosen_count == limit)
		return false;
	return note_domain(client, say(recipient));
}

/* Another connection is to carry it: this one has had its domains. */
static void
give_up_connection(struct client *client)
{
	const struct verdict verdict = {
	    .outcome = ATTEMPT_ATTEMPTED, .fate = FATE_DEFERRED, .is_over = true};
	struct reply reply;

	reply_set(&reply, 0, "", "The upstream takes no more domains on one connection");
	client_put(client, "QUIT");
	client_settle(client, verdict, &reply, PHASE_MAIL);
}

bool
client_choose_recipients(struct client *client)
{
	struct client_transaction *transaction = client->transaction;
	const struct reply *refusal = NULL;
	bool has_postponed = false;

	client->chosen_count = 0;
	if (!fits_upstream(client))
		return false;
	client->chosen =
	    xrealloc(client->chosen, transaction->recipient_count, sizeof(*client->chosen));
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		struct client_recipient *recipient = &transaction->recipients[i];

		if (!translate(client, recipient)) {
			refusal = recipient->refusal;
			continue;
		}
		recipient->is_postponed = !has_room(client, recipient);
		has_postponed |= recipient->is_postponed;
		if (!recipient->is_postponed)
			client->chosen[client->chosen_count++] = i;
	}
	if (client->chosen_count > 0)
		return true;
	if (has_postponed)
		give_up_connection(client);
	else
		settle_failed(client, refusal);
	return false;
}

void
client_forget_envelope(struct client *client)
{
	for (size_t i = 0; i < client->domain_count; i++)
		free(client->domains[i]);
	free(client->domains);
	free(client->chosen);
}

/* ---- what ---- */

static void
put_dsn_of_mail(struct buf *line, const struct rec_wishes *wishes)
{
	if (wishes->ret != RET_UNSAID)
		buf_printf(line, " RET=%s", wishes->ret == RET_FULL ? "FULL" : "HDRS");
	if (wishes->envid != NULL && *wishes->envid != '\0')
		buf_printf(line, " ENVID=%s", wishes->envid);
}

static bool
needs_utf8(const struct client *client)
{
	const struct client_transaction *transaction = client->transaction;
	bool needs = transaction->wishes.is_smtputf8 || !is_ascii(transaction->sender);

	for (size_t i = 0; i < transaction->recipient_count && !needs; i++)
		needs = !is_ascii(transaction->recipients[i].address);
	return needs;
}

/* BODY=8BITMIME where it is understood. Where it isn't, the body was made 7 bits before (rework.h). */
void
client_say_mail(struct client *client)
{
	struct client_transaction *transaction = client->transaction;
	const struct capabilities *can = &client->capabilities;
	const struct rec_wishes *wishes = &transaction->wishes;
	struct buf line = {0};

	buf_printf(&line, "MAIL FROM:<%s>",
	    transaction->sender_wire != NULL ? transaction->sender_wire : transaction->sender);
	if (can->has_size)
		buf_printf(&line, " SIZE=%llu", (unsigned long long)transaction->size_bytes);
	if (can->has_8bitmime && transaction->has_8bit)
		buf_text(&line, " BODY=8BITMIME");
	if (can->has_smtputf8 && needs_utf8(client))
		buf_text(&line, " SMTPUTF8");
	if (can->has_dsn)
		put_dsn_of_mail(&line, wishes);
	/* Whom the client named is not ours to vouch for (RFC 4954 section 5). */
	if (can->has_auth && client->has_authenticated && wishes->has_auth)
		buf_text(&line, " AUTH=<>");
	if (can->has_mt_priority && wishes->has_mt_priority)
		buf_printf(&line, " MT-PRIORITY=%d", wishes->mt_priority - 9);
	if (can->has_requiretls && wishes->requires_tls && is_protected(client))
		buf_text(&line, " REQUIRETLS");
	transaction->has_dsn = can->has_dsn;
	client_put(client, "%s", line.bytes);
	buf_fini(&line);
}

static void
put_notify(struct buf *line, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} wishes[] = {{NOTIFY_NEVER, "NEVER"}, {NOTIFY_SUCCESS, "SUCCESS"},
	    {NOTIFY_FAILURE, "FAILURE"}, {NOTIFY_DELAY, "DELAY"}};
	const char *before = " NOTIFY=";

	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		if ((notify & wishes[i].bit) == 0)
			continue;
		buf_printf(line, "%s%s", before, wishes[i].name);
		before = ",";
	}
}

/* Characters of an address of type utf-8 stand for themselves only where SMTPUTF8 is (RFC 6533
 * section 3). */
static void
put_orcpt(struct buf *line, const char *orcpt, bool has_smtputf8)
{
	buf_text(line, " ORCPT=");
	while (*orcpt != '\0') {
		size_t size = utf8_length(orcpt, strlen(orcpt));
		uint32_t character = (unsigned char)*orcpt & (0xffu >> (size + 1));

		if (size < 2 || has_smtputf8) {
			buf_char(line, *orcpt++);
			continue;
		}
		for (size_t i = 1; i < size; i++)
			character = character << 6 | ((unsigned char)orcpt[i] & 0x3f);
		buf_printf(line, "\\x{%X}", character);
		orcpt += size;
	}
}

void
client_say_rcpt(struct client *client, const struct client_recipient *recipient)
{
	struct buf line = {0};

	buf_printf(&line, "RCPT TO:<%s>", say(recipient));
	if (client->capabilities.has_dsn) {
		put_notify(&line, recipient->notify);
		if (recipient->orcpt != NULL && *recipient->orcpt != '\0')
			put_orcpt(&line, recipient->orcpt, client->capabilities.has_smtputf8);
	}
	client_put(client, "%s", line.bytes);
	buf_fini(&line);
}
