/*
 * client - the dialogue with an upstream, a row per state.
 *
 * Every state is entered in one function, which sends what the row says; every reply goes to the
 * row's on_reply, which decides where to go. Fates are never made here: classify.c does that.
 */
#include "daemon/relay/client.h"

#include "common/log.h"
#include "common/smtp_reply.h"
#include "common/xalloc.h"
#include "daemon/relay/capabilities.h"
#include "daemon/relay/client_auth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 5321 4.5.3.2 */
#define ENVELOPE_MS (5 * 60 * 1000)
#define DATA_MS (2 * 60 * 1000)
#define BLOCK_MS (3 * 60 * 1000)

/* A command line has 512 octets (RFC 5321 4.5.3.1.4); a longer initial response waits for 334. */
#define INITIAL_RESPONSE_MAX 480

enum state {
	GREETING,
	EHLO,
	HELO,
	STARTTLS,
	HANDSHAKE,
	AUTH,
	READY,
	ENVELOPE,
	BODY,
	DOT,
	ABANDON,
	RSET,
	OVER
};

enum deadline { NEVER, STEP, IN_ENVELOPE, FOR_BLOCK, FOR_DOT };

struct client {
	const struct client_settings *settings;
	enum state state;
	bool has_tls;
	bool is_settled;  /* the transaction has its verdict; answers on their way don't count */
	bool needs_reset; /* RSET before the next transaction */
	struct smtp_reply reply; /* as far as it has come */
	struct buf output;
	struct capabilities capabilities;

	struct client_auth *auth;
	enum auth_method method;
	unsigned methods_refused;
	bool has_authenticated;

	struct client_transaction *transaction;
	size_t sent, answered; /* commands of the envelope: 0 MAIL, then RCPTs, then DATA */
	size_t accepted;       /* recipients */
	struct client_end end;
};

struct row {
	const char *name;
	enum phase phase;
	enum deadline deadline;
	void (*send)(struct client *client);
	enum client_event (*on_reply)(struct client *client, const struct smtp_reply *reply);
};

static const struct row rows[];

static void
say_line(struct client *client, bool is_sent, const char *line)
{
	if (client->settings->on_line != NULL)
		client->settings->on_line(is_sent, line, client->settings->line_ctx);
}

/* A command; `shown` stands in the transcript for what holds a secret. */
static void
put_secret(struct client *client, const char *line, const char *shown)
{
	say_line(client, true, shown);
	buf_text(&client->output, line);
	buf_text(&client->output, "\r\n");
}

static void __attribute__((format(printf, 2, 3)))
put(struct client *client, const char *format, ...)
{
	size_t start = client->output.size;
	va_list args;
	char *line;
	int length;

	va_start(args, format);
	length = vasprintf(&line, format, args);
	va_end(args);
	ensure(length >= 0);
	buf_append(&client->output, line, (size_t)length);
	say_line(client, true, client->output.bytes + start);
	buf_text(&client->output, "\r\n");
	free(line);
}

static void
enter(struct client *client, enum state state)
{
	client->state = state;
	log_trace("client: %s", rows[state].name);
	if (rows[state].send != NULL)
		rows[state].send(client);
}

static void
read_reply(const struct smtp_reply *from, struct reply *to)
{
	char enhanced[ENHANCED_SIZE] = "";

	if (from->has_enhanced)
		(void)enhanced_format(&from->enhanced, enhanced);
	reply_set(to, (uint16_t)from->code, enhanced, "%s", smtp_reply_text(from));
	for (char *at = to->text; (at = strchr(at, '\n')) != NULL;)
		*at = ' ';
}

/* ---- the end ---- */

static enum client_event
end_with(struct client *client, struct verdict verdict, const struct reply *reply)
{
	client->end.phase = client_phase(client);
	client->end.verdict = verdict;
	client->end.reply = *reply;
	enter(client, OVER);
	return CLIENT_IS_OVER;
}

/* The upstream refused to go on. */
static enum client_event
end_refused(struct client *client, const struct smtp_reply *refusal)
{
	struct reply reply;

	read_reply(refusal, &reply);
	return end_with(client, classify_reply(client_phase(client), &reply), &reply);
}

/* We refuse to go on. */
static enum client_event
end_by_us(struct client *client, enum attempt_outcome outcome, const char *why)
{
	struct verdict verdict = {.outcome = outcome, .fate = FATE_DEFERRED, .is_over = true};
	struct reply reply;

	reply_set(&reply, 0, "", "%s", why);
	return end_with(client, verdict, &reply);
}

static bool
is_positive(const struct smtp_reply *reply)
{
	return reply->code / 100 == 2;
}

/* ---- greeting, EHLO, STARTTLS ---- */

static enum client_event
on_greeting(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code != 220)
		return end_refused(client, reply);
	enter(client, EHLO);
	return CLIENT_WAITS;
}

static void
send_ehlo(struct client *client)
{
	client->capabilities = (struct capabilities){0};
	put(client, "EHLO %s", client->settings->ehlo_name);
}

static void
send_helo(struct client *client)
{
	put(client, "HELO %s", client->settings->ehlo_name);
}

static void
send_starttls(struct client *client)
{
	put(client, "STARTTLS");
}

static enum client_event begin_auth(struct client *client);

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
		enter(client, STARTTLS);
		return CLIENT_WAITS;
	}
	if (!client->has_tls && insists_on_tls(client))
		return end_by_us(client, ATTEMPT_TLS, "the upstream does not offer STARTTLS");
	return begin_auth(client);
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

static enum client_event
on_ehlo(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code >= 500) {
		enter(client, HELO);
		return CLIENT_WAITS;
	}
	if (!is_positive(reply))
		return end_refused(client, reply);
	read_capabilities(client, reply);
	return on_introduced(client);
}

static enum client_event
on_helo(struct client *client, const struct smtp_reply *reply)
{
	if (!is_positive(reply))
		return end_refused(client, reply);
	return on_introduced(client);
}

static enum client_event
on_starttls(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code == 220) {
		enter(client, HANDSHAKE);
		return CLIENT_WANTS_TLS;
	}
	if (reply->code == 421 || insists_on_tls(client))
		return end_refused(client, reply);
	return begin_auth(client);
}

/* ---- AUTH ---- */

static const char *
auth_obstacle(const struct client *client, unsigned usable, enum attempt_outcome *outcome_out)
{
	*outcome_out = ATTEMPT_TLS;
	if (!client->has_tls && client->settings->tls != PROFILE_NONE)
		return "there is no encryption, and credentials are not sent in clear";
	*outcome_out = ATTEMPT_MISCONFIGURED;
	if (!client->capabilities.has_auth)
		return "the upstream does not offer AUTH";
	if (usable == 0)
		return "the upstream offers no AUTH method that the profile allows";
	return NULL;
}

static unsigned
usable_methods(const struct client *client)
{
	return client->settings->auth_methods & client->capabilities.auth_methods &
	       ~client->methods_refused;
}

static int
answer_challenge(struct client *client, const char *prefix, const char *challenge,
    struct buf *line_out, struct err *err_out)
{
	buf_text(line_out, prefix);
	return client_auth_step(client->auth, challenge, line_out, err_out);
}

static void
wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

/* In base64, with the blanks and names around it. */
static bool
fits_command(const struct client *client)
{
	size_t size = strlen(client->settings->username) + client->settings->secret_size + 2;

	return (size + 2) / 3 * 4 <= INITIAL_RESPONSE_MAX;
}

static int
send_initial(struct client *client, struct err *err_out)
{
	struct buf line;
	char shown[64];
	int status;

	(void)snprintf(shown, sizeof(shown), "AUTH %s ", auth_method_name(client->method));
	buf_init(&line);
	status = answer_challenge(client, shown, "", &line, err_out);
	strcat(shown, "<secret>");
	if (status == 0)
		put_secret(client, line.bytes, shown);
	wipe(&line);
	return status;
}

static void
forget_auth(struct client *client)
{
	client_auth_free(client->auth);
	client->auth = NULL;
}

static int
start_method(struct client *client, enum auth_method method, struct err *err_out)
{
	const struct client_auth_settings settings = {
	    .method = method,
	    .username = client->settings->username,
	    .secret = client->settings->secret,
	    .secret_size = client->settings->secret_size,
	};

	forget_auth(client);
	client->method = method;
	client->auth = client_auth_new(&settings, err_out);
	if (client->auth == NULL)
		return -1;
	if (client_auth_is_first(client->auth) && fits_command(client))
		return send_initial(client, err_out);
	put(client, "AUTH %s", auth_method_name(method));
	return 0;
}

static enum client_event
try_auth(struct client *client, unsigned usable)
{
	enum auth_method method = 0;
	struct err err;

	while ((usable & AUTH_BIT(method)) == 0)
		method++;
	enter(client, AUTH);
	if (start_method(client, method, &err) != 0)
		return end_by_us(client, ATTEMPT_MISCONFIGURED, err.text);
	return CLIENT_WAITS;
}

static enum client_event
become_ready(struct client *client)
{
	enter(client, READY);
	return CLIENT_IS_READY;
}

static enum client_event
begin_auth(struct client *client)
{
	unsigned usable = usable_methods(client);
	enum attempt_outcome outcome;
	const char *obstacle;

	if (client->settings->auth_methods == 0)
		return become_ready(client);
	obstacle = auth_obstacle(client, usable, &outcome);
	if (obstacle != NULL) {
		enter(client, AUTH);
		return end_by_us(client, outcome, obstacle);
	}
	return try_auth(client, usable);
}

static enum client_event
on_challenge(struct client *client, const struct smtp_reply *reply)
{
	struct buf line;
	struct err err;
	int status;

	buf_init(&line);
	status = answer_challenge(client, "", smtp_reply_text(reply), &line, &err);
	/* What can't be answered is cancelled (RFC 4954 section 4); the upstream then says 501. */
	if (status == 0)
		put_secret(client, line.bytes, "<secret>");
	else
		put(client, "*");
	wipe(&line);
	return CLIENT_WAITS;
}

/* 504: it does not know the method after all; 534: the method is too weak. */
static bool
is_method_refused(const struct smtp_reply *reply)
{
	return reply->code == 504 || reply->code == 534;
}

static enum client_event
on_auth(struct client *client, const struct smtp_reply *reply)
{
	if (reply->code == 334)
		return on_challenge(client, reply);
	forget_auth(client);
	if (is_positive(reply)) {
		client->has_authenticated = true;
		return become_ready(client);
	}
	client->methods_refused |= AUTH_BIT(client->method);
	if (is_method_refused(reply) && usable_methods(client) != 0)
		return try_auth(client, usable_methods(client));
	return end_refused(client, reply);
}

/* ---- a transaction ---- */

static enum client_event
on_idle_reply(struct client *client, const struct smtp_reply *reply)
{
	return end_refused(client, reply); /* mostly 421: it has waited long enough */
}

static void
settle(struct client *client, struct verdict verdict, const struct reply *reply, enum phase phase)
{
	struct client_transaction *transaction = client->transaction;

	client->is_settled = true;
	transaction->verdict = verdict;
	transaction->reply = *reply;
	transaction->phase = phase;
}

/* The transaction has its verdict and no answer is on its way. */
static enum client_event
finish(struct client *client)
{
	struct client_transaction *transaction = client->transaction;

	client->end.phase = transaction->phase;
	client->end.verdict = transaction->verdict;
	client->end.reply = transaction->reply;
	if (transaction->verdict.is_over)
		enter(client, OVER);
	else
		enter(client, READY);
	client->transaction = NULL;
	return CLIENT_IS_DONE;
}

static size_t
data_index(const struct client *client)
{
	return client->transaction->recipient_count + 1;
}

/* BODY=8BITMIME where it is understood. Where it isn't, the body goes as it is: servers without
 * the extension carry 8 bits all the same these days, and a bounce (RFC 6152 section 3) or a body
 * rewritten under its signature serves the sender less. */
static void
put_mail(struct client *client)
{
	const struct client_transaction *transaction = client->transaction;
	char size[40] = "";

	if (client->capabilities.has_size)
		(void)snprintf(
		    size, sizeof(size), " SIZE=%llu", (unsigned long long)transaction->size_bytes);
	put(client, "MAIL FROM:<%s>%s%s", transaction->sender, size,
	    client->capabilities.has_8bitmime && transaction->has_8bit ? " BODY=8BITMIME" : "");
}

/* The next command of the envelope, or all that are left if the upstream takes them at once. */
static void
send_envelope(struct client *client)
{
	size_t last = client->capabilities.has_pipelining ? data_index(client) : client->sent;

	for (; client->sent <= last; client->sent++) {
		if (client->sent == 0)
			put_mail(client);
		else if (client->sent < data_index(client))
			put(client, "RCPT TO:<%s>",
			    client->transaction->recipients[client->sent - 1].address);
		else
			put(client, "DATA");
	}
}

static void
on_mail_reply(struct client *client, const struct reply *reply)
{
	struct verdict verdict = classify_reply(PHASE_MAIL, reply);

	if (verdict.fate != FATE_DELIVERED)
		settle(client, verdict, reply, PHASE_MAIL);
}

static void
on_rcpt_reply(struct client *client, const struct reply *reply)
{
	struct client_recipient *recipient = &client->transaction->recipients[client->answered - 1];
	struct verdict verdict = classify_reply(PHASE_RCPT, reply);

	if (verdict.fate == FATE_DELIVERED) {
		client->accepted++;
	} else if (verdict.is_over) {
		settle(client, verdict, reply, PHASE_RCPT);
	} else {
		recipient->fate = verdict.fate;
		recipient->refusal = xmalloc(sizeof(*recipient->refusal));
		*recipient->refusal = *reply;
	}
	/* If nobody is left, the last refusal stands for the transaction. */
	if (!client->is_settled && client->accepted == 0 &&
	    client->answered == client->transaction->recipient_count)
		settle(client, verdict, reply, PHASE_RCPT);
}

static enum client_event
on_data_reply(struct client *client, const struct reply *reply)
{
	if (client->is_settled && reply->code == 354) {
		enter(client, ABANDON); /* RFC 2920 3.1: 354 without a recipient */
		return CLIENT_WAITS;
	}
	if (!client->is_settled && reply->code == 354) {
		enter(client, BODY);
		return CLIENT_WANTS_BODY;
	}
	if (!client->is_settled)
		settle(client, classify_reply(PHASE_DATA, reply), reply, PHASE_DATA);
	return finish(client);
}

/* Settled, and no answer is due that would have to be read. */
static bool
is_envelope_over(const struct client *client)
{
	if (!client->is_settled)
		return false;
	return client->transaction->verdict.is_over || client->answered == client->sent;
}

static enum client_event
on_envelope(struct client *client, const struct smtp_reply *from)
{
	struct reply reply;

	read_reply(from, &reply);
	client->transaction->is_answered |= reply.code != 421;
	client->needs_reset = true;
	if (client->answered == data_index(client))
		return on_data_reply(client, &reply);
	/* A 421 is the last word, whatever it answers. */
	if (client->is_settled)
		client->transaction->verdict.is_over |= reply.code == 421;
	else if (client->answered == 0)
		on_mail_reply(client, &reply);
	else
		on_rcpt_reply(client, &reply);
	client->answered++;
	if (is_envelope_over(client))
		return finish(client);
	if (client->answered == client->sent)
		send_envelope(client);
	return CLIENT_WAITS;
}

static enum client_event
on_dot(struct client *client, const struct smtp_reply *from)
{
	struct reply reply;

	read_reply(from, &reply);
	client->needs_reset = false;
	settle(client, classify_reply(PHASE_DOT, &reply), &reply, PHASE_DOT);
	return finish(client);
}

static void
send_dot(struct client *client)
{
	put(client, ".");
}

static enum client_event
on_abandoned(struct client *client, const struct smtp_reply *reply)
{
	client->needs_reset = false;
	client->transaction->verdict.is_over |= reply->code == 421;
	return finish(client);
}

static void
send_rset(struct client *client)
{
	put(client, "RSET");
}

static enum client_event
on_rset(struct client *client, const struct smtp_reply *reply)
{
	if (!is_positive(reply))
		return end_refused(client, reply);
	client->needs_reset = false;
	return become_ready(client);
}

/* ---- the automaton ---- */

/* clang-format off */
static const struct row rows[] = {
	/*             name         phase           deadline     send           on reply */
	[GREETING]  = {"greeting",  PHASE_GREETING, STEP,        NULL,          on_greeting},
	[EHLO]      = {"ehlo",      PHASE_EHLO,     STEP,        send_ehlo,     on_ehlo},
	[HELO]      = {"helo",      PHASE_EHLO,     STEP,        send_helo,     on_helo},
	[STARTTLS]  = {"starttls",  PHASE_STARTTLS, STEP,        send_starttls, on_starttls},
	[HANDSHAKE] = {"handshake", PHASE_TLS,      STEP,        NULL,          NULL},
	[AUTH]      = {"auth",      PHASE_AUTH,     STEP,        NULL,          on_auth},
	[READY]     = {"ready",     PHASE_MAIL,     NEVER,       NULL,          on_idle_reply},
	[ENVELOPE]  = {"envelope",  PHASE_MAIL,     IN_ENVELOPE, send_envelope, on_envelope},
	[BODY]      = {"body",      PHASE_BODY,     FOR_BLOCK,   NULL,          NULL},
	[DOT]       = {"dot",       PHASE_DOT,      FOR_DOT,     NULL,          on_dot},
	[ABANDON]   = {"abandon",   PHASE_DATA,     FOR_BLOCK,   send_dot,      on_abandoned},
	[RSET]      = {"rset",      PHASE_MAIL,     IN_ENVELOPE, send_rset,     on_rset},
	[OVER]      = {"over",      PHASE_MAIL,     NEVER,       NULL,          NULL},
};
/* clang-format on */

struct client *
client_new(const struct client_settings *settings, bool has_tls)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->settings = settings;
	client->has_tls = has_tls;
	client->state = GREETING;
	buf_init(&client->output);
	smtp_reply_init(&client->reply);
	return client;
}

void
client_free(struct client *client)
{
	forget_auth(client);
	wipe(&client->output);
	smtp_reply_fini(&client->reply);
	free(client);
}

static void
show_reply(struct client *client)
{
	char text[1024];

	if (client->settings->on_line != NULL)
		say_line(client, false, smtp_reply_format(&client->reply, text, sizeof(text)));
}

/* No SMTP: the connection is worth nothing, as if it were lost. */
static enum client_event
on_broken(struct client *client, const struct err *err)
{
	return client_lost(client, err->text);
}

/* Bytes behind the 220 came in clear, from whoever was on the line (RFC 3207 section 6). */
static enum client_event
check_handover(struct client *client, enum client_event event, size_t left)
{
	if (event != CLIENT_WANTS_TLS || left == 0)
		return event;
	return end_by_us(client, ATTEMPT_TLS,
	    "something was injected in clear behind the answer to STARTTLS: an attack, or a "
	    "broken upstream");
}

enum client_event
client_input(struct client *client, const uint8_t *bytes, size_t size, size_t *used_out)
{
	enum client_event event = CLIENT_WAITS;

	*used_out = 0;
	while (event == CLIENT_WAITS && rows[client->state].on_reply != NULL) {
		struct err err;
		size_t used;
		enum smtp_reply_outcome outcome = smtp_reply_read(
		    &client->reply, (const char *)bytes + *used_out, size - *used_out, &used, &err);

		*used_out += used;
		if (outcome == SMTP_REPLY_PARTIAL)
			break;
		if (outcome == SMTP_REPLY_BROKEN)
			return on_broken(client, &err);
		show_reply(client);
		event = rows[client->state].on_reply(client, &client->reply);
		smtp_reply_clear(&client->reply);
	}
	return check_handover(client, event, size - *used_out);
}

enum client_event
client_secured(struct client *client)
{
	ensure(client->state == HANDSHAKE);
	client->has_tls = true;
	enter(client, EHLO);
	return CLIENT_WAITS;
}

enum client_event
client_lost(struct client *client, const char *reason)
{
	enum phase phase = client_phase(client);
	struct reply reply;

	reply_set(&reply, 0, "", "%s", reason);
	if (client->transaction == NULL)
		return end_with(client, classify_loss(phase), &reply);
	if (!client->is_settled)
		settle(client, classify_loss(phase), &reply, phase);
	client->transaction->verdict.is_over = true;
	return finish(client);
}

/* An upstream that says how much it takes need not be asked. */
static bool
is_too_big(struct client *client)
{
	uint64_t limit = client->capabilities.size_limit_bytes;
	struct verdict verdict = {.outcome = ATTEMPT_ATTEMPTED, .fate = FATE_FAILED};
	struct reply reply;

	if (limit == 0 || client->transaction->size_bytes <= limit)
		return false;
	reply_set(&reply, 552, "5.3.4", "The message has %llu bytes, the upstream takes %llu",
	    (unsigned long long)client->transaction->size_bytes, (unsigned long long)limit);
	client->transaction->is_answered = true;
	settle(client, verdict, &reply, PHASE_MAIL);
	return true;
}

enum client_event
client_send(struct client *client, struct client_transaction *transaction)
{
	ensure(client->state == READY && transaction->recipient_count > 0);
	client->transaction = transaction;
	client->sent = client->answered = client->accepted = 0;
	client->is_settled = false;
	client_transaction_reset(transaction);
	if (is_too_big(client))
		return finish(client);
	enter(client, ENVELOPE);
	return CLIENT_WAITS;
}

enum client_event
client_body_sent(struct client *client)
{
	ensure(client->state == BODY);
	say_line(client, true, "<message>");
	enter(client, DOT);
	return CLIENT_WAITS;
}

void
client_body_unsent(struct client *client)
{
	ensure(client->state == DOT);
	enter(client, BODY);
}

enum client_event
client_next(struct client *client)
{
	if (client->state == OVER)
		return CLIENT_IS_OVER;
	if (!client->needs_reset)
		return become_ready(client);
	enter(client, RSET);
	return CLIENT_WAITS;
}

void
client_quit(struct client *client)
{
	put(client, "QUIT");
	enter(client, OVER);
}

struct buf *
client_output(struct client *client)
{
	return &client->output;
}

int64_t
client_deadline_ms(const struct client *client)
{
	bool is_at_data = client->transaction != NULL && client->answered == data_index(client);

	switch (rows[client->state].deadline) {
	case STEP:
		return client->settings->timeout_ms;
	case IN_ENVELOPE:
		return is_at_data ? DATA_MS : ENVELOPE_MS;
	case FOR_BLOCK:
		return BLOCK_MS;
	case FOR_DOT:
		return client->settings->dot_timeout_ms;
	case NEVER:
		break;
	}
	return 0;
}

enum phase
client_phase(const struct client *client)
{
	if (client->state != ENVELOPE || client->answered == 0)
		return rows[client->state].phase;
	return client->answered == data_index(client) ? PHASE_DATA : PHASE_RCPT;
}

const struct client_end *
client_end(const struct client *client)
{
	return &client->end;
}

const char *
client_auth_used(const struct client *client)
{
	return client->has_authenticated ? auth_method_name(client->method) : "";
}

void
client_transaction_reset(struct client_transaction *transaction)
{
	for (size_t i = 0; i < transaction->recipient_count; i++) {
		free(transaction->recipients[i].refusal);
		transaction->recipients[i].refusal = NULL;
	}
	transaction->verdict = (struct verdict){0};
	transaction->is_answered = false;
}
