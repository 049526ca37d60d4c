/*
 * commands - the verbs of SMTP, each with a row that says when it is legal and a handler.
 *
 * The dispatcher answers wrong order, missing login and missing arguments from the row, so a
 * handler begins with its own business. When it returns it has replied, or has put the session
 * into a state that waits.
 */
#include "daemon/smtpd/session_private.h"

#include "common/clock.h"
#include "common/utf8.h"
#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMMAND_MAX_SIZE 2048 /* of any verb but AUTH */
#define HELO_MAX_SIZE 255

#define ANYTIME (STATE_START | STATE_READY | STATE_MAIL | STATE_RCPT | STATE_CHUNKS | STATE_FAILED)
#define AT_READY STATE_READY
#define AT_FAILED STATE_FAILED
#define AT_MAIL STATE_MAIL
#define AT_RCPT STATE_RCPT

enum need {
	NEED_USER = 1,
	NEED_ARGUMENT = 2,
	NEED_NO_ARGUMENT = 4,
	IS_COUNTED = 8 /* against limits.idle_commands */
};

struct row {
	const char *name;
	unsigned legal_in; /* enum session_state */
	unsigned needs;    /* enum need */
	void (*handler)(struct session *session, struct smtp_verb *verb);
	const char *syntax;
};

/* ---- EHLO, HELO ---- */

/* Any printable argument will do: what clients put here is often wrong and never trusted. A login
 * stays: some clients greet again after AUTH. */
static bool
take_helo(struct session *session, const struct smtp_verb *verb)
{
	if (verb->argument_length > HELO_MAX_SIZE) {
		session_refuse(session, 501, "5.5.4", "Name too long (at most 255 octets)");
		return false;
	}
	session_abandon_transaction(session);
	free(session->helo);
	session->helo = xstrndup(verb->argument, verb->argument_length);
	return true;
}

static void
do_helo(struct session *session, struct smtp_verb *verb)
{
	if (!take_helo(session, verb))
		return;
	session->is_esmtp = false;
	session_enter(session, STATE_READY);
	session_reply(session, 250, "", "%s", session->setup.config->hostname);
}

/* How long a message may be held, and until when that is now (RFC 4865 3). */
static void
offer_hold(const struct session *session, struct buf *out)
{
	int64_t max_ms = session->setup.config->queue.hold_max_ms;
	int64_t now_ms = session->setup.ports->wall_ms(session->setup.ctx);
	char date[CLOCK_RFC3339_SIZE];

	if (max_ms >= 1000)
		buf_printf(out, "250-FUTURERELEASE %lld %s\r\n", (long long)max_ms / 1000,
		    clock_rfc3339(now_ms + max_ms, date, sizeof(date)));
}

static void
do_ehlo(struct session *session, struct smtp_verb *verb)
{
	const struct config *config = session->setup.config;
	struct buf out;

	if (!take_helo(session, verb))
		return;
	session->is_esmtp = true;
	session_enter(session, STATE_READY);
	buf_init(&out);
	buf_printf(&out, "250-%s\r\n250-PIPELINING\r\n", config->hostname);
	buf_printf(
	    &out, "250-SIZE %llu\r\n", (unsigned long long)config->limits.message_size_bytes);
	if (session->setup.offers_tls && !session_has_tls(session) && !session->is_authenticated)
		buf_text(&out, "250-STARTTLS\r\n");
	auth_offer(session, &out);
	buf_printf(&out, "250-LIMITS RCPTMAX=%u\r\n", config->limits.recipients);
	offer_hold(session, &out);
	if (session_has_tls(session))
		buf_text(&out, "250-REQUIRETLS\r\n");
	buf_text(&out, "250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n"
		       "250-MT-PRIORITY MIXER\r\n250-HELP\r\n250 ENHANCEDSTATUSCODES\r\n");
	session_write(session, &out);
	buf_fini(&out);
}

/* ---- STARTTLS, AUTH, DATA ---- */

/* The reply waits until it is clear that nothing was sent behind the command. A login in clear would
 * have to be forgotten (RFC 3207 4.2), and its place among the user's connections with it. */
static void
do_starttls(struct session *session, struct smtp_verb *verb)
{
	if (session_has_tls(session))
		session_refuse(session, 503, "5.5.1", "TLS is on already");
	else if (!session->setup.offers_tls)
		session_refuse(session, 502, "5.5.1", "STARTTLS is not offered here");
	else if (session->is_authenticated)
		session_refuse(session, 503, "5.5.1", "STARTTLS comes before a login");
	else
		session_enter(session, STATE_TLS);
}

/* RFC 3207 4.2: what was said in clear doesn't count afterwards. The name given to EHLO stays:
 * there are clients that don't greet again, and it decides nothing. */
void
command_start_tls(struct session *session, bool has_more_input)
{
	if (has_more_input) {
		session_reply(session, 554, "5.7.0", "Nothing may follow STARTTLS");
		session_drop(session, "bytes pipelined behind STARTTLS");
		return;
	}
	session_forget_user(session);
	session_reply(session, 220, "2.0.0", "Ready to start TLS");
	session->setup.ports->start_tls(session->setup.ctx);
}

static void
do_auth(struct session *session, struct smtp_verb *verb)
{
	auth_begin(session, verb->argument, verb->argument_length);
}

static void
do_data(struct session *session, struct smtp_verb *verb)
{
	receive_begin(session);
}

/* ---- the small ones; each starts the client's deadline anew ---- */

static void
do_rset(struct session *session, struct smtp_verb *verb)
{
	session_abandon_transaction(session);
	session_enter(session, session->helo == NULL ? STATE_START : STATE_READY);
	session_reply(session, 250, "2.0.0", "Ok");
}

static void
do_noop(struct session *session, struct smtp_verb *verb)
{
	session_enter(session, session->state);
	session_reply(session, 250, "2.0.0", "Ok");
}

/* `VRFY string [SMTPUTF8]`: what isn't ASCII needs the word (RFC 6531 3.7.4.2). */
static void
do_vrfy(struct session *session, struct smtp_verb *verb)
{
	static const char word[] = " SMTPUTF8";
	const size_t size = sizeof(word) - 1;
	size_t length = verb->argument_length;
	bool is_smtputf8 =
	    length > size && strncasecmp(verb->argument + length - size, word, size) == 0;
	bool is_ascii = true;

	for (size_t i = 0; i < length; i++)
		is_ascii = is_ascii && (unsigned char)verb->argument[i] < 0x80;
	session_enter(session, session->state);
	if (!utf8_is_valid(verb->argument, length))
		session_refuse(session, 501, "5.5.4", "The address is not UTF-8");
	else if (!is_ascii && !is_smtputf8)
		session_refuse(
		    session, 553, "5.6.7", "An address that is not ASCII needs SMTPUTF8");
	else
		session_reply(session, 252, "2.5.0", "Not verified, but mail for it may be sent");
}

static void
do_quit(struct session *session, struct smtp_verb *verb)
{
	session->has_quit = true;
	session_reply(session, 221, "2.0.0", "Bye");
	session_end(session);
}

/* ---- the table and its dispatcher ---- */

static void do_help(struct session *session, struct smtp_verb *verb);

/* clang-format off */
static const struct row rows[] = {
	/* verb       legal in           needs                      handler      syntax */
	{ "EHLO",     ANYTIME,           NEED_ARGUMENT | IS_COUNTED, do_ehlo,     "EHLO name" },
	{ "HELO",     ANYTIME,           NEED_ARGUMENT | IS_COUNTED, do_helo,     "HELO name" },
	{ "STARTTLS", AT_READY,          NEED_NO_ARGUMENT,          do_starttls, "STARTTLS" },
	{ "AUTH",     AT_READY,          NEED_ARGUMENT | IS_COUNTED,             do_auth,     "AUTH mechanism [response]" },
	{ "MAIL",     AT_READY | AT_FAILED, NEED_USER | NEED_ARGUMENT | IS_COUNTED, mail_begin,  "MAIL FROM:<address> [parameters]" },
	{ "RCPT",     AT_MAIL | AT_RCPT, NEED_ARGUMENT,             mail_add_recipient, "RCPT TO:<address> [parameters]" },
	{ "DATA",     AT_RCPT,           NEED_NO_ARGUMENT,          do_data,     "DATA" },
	/* octets follow in whatever state it comes */
	{ "BDAT",     ANYTIME,           0,                         bdat_begin,  "BDAT size [LAST]" },
	{ "RSET",     ANYTIME,           NEED_NO_ARGUMENT | IS_COUNTED, do_rset,     "RSET" },
	{ "NOOP",     ANYTIME,           IS_COUNTED,                do_noop,     "NOOP [text]" },
	{ "VRFY",     ANYTIME,           NEED_ARGUMENT | IS_COUNTED, do_vrfy,     "VRFY address [SMTPUTF8]" },
	{ "HELP",     ANYTIME,           IS_COUNTED,                do_help,     "HELP [verb]" },
	{ "QUIT",     ANYTIME | STATE_REFUSED, NEED_NO_ARGUMENT,    do_quit,     "QUIT" },
};
/* clang-format on */

static const struct row *
find_row(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* All verbs, or the one that was asked for. */
static void
do_help(struct session *session, struct smtp_verb *verb)
{
	const struct row *row = NULL;
	struct smtp_verb topic;
	struct buf names;

	session_enter(session, session->state);
	if (smtp_verb_split(verb->argument, verb->argument_length, &topic))
		row = find_row(topic.name);
	if (verb->argument_length > 0) {
		if (row != NULL)
			session_reply(session, 214, "2.0.0", "Syntax: %s", row->syntax);
		else
			session_refuse(
			    session, 504, "5.5.4", "No help for that: HELP names the verbs");
		return;
	}
	buf_init(&names);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		buf_printf(&names, "%s%s", i == 0 ? "" : " ", rows[i].name);
	session_reply(session, 214, "2.0.0", "%s", names.bytes);
	buf_fini(&names);
}

static bool
is_among(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* A browser can be made to talk to ports of this machine; it must not get far. */
static bool
is_http(const char *name)
{
	static const char *const http[] = {"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS",
	    "CONNECT", "PATCH", "TRACE", "PRI", "HOST:", NULL};

	return is_among(name, http);
}

bool
session_is_http(const char *bytes, size_t size)
{
	struct smtp_verb verb;
	const char *end = memchr(bytes, '\r', size);

	(void)smtp_verb_split(bytes, end == NULL ? size : (size_t)(end - bytes), &verb);
	return is_http(verb.name);
}

static void
refuse_unknown(struct session *session, const char *name)
{
	static const char *const known[] = {
	    "EXPN", "TURN", "ETRN", "ATRN", "BURL", "SEND", "SOML", "SAML", NULL};

	if (is_http(name)) {
		session->setup.ports->abuse(session->setup.ctx, "a client that speaks HTTP");
		session_drop(session, "the client speaks HTTP");
	} else if (is_among(name, known))
		session_refuse(session, 502, "5.5.1", "Command not implemented");
	else
		session_refuse(session, 500, "5.5.2", "Command not recognized");
}

static void
refuse_order(struct session *session, const struct row *row)
{
	const char *hint = "Not during a transaction (RSET ends it)";

	if (session->state == STATE_START)
		hint = "Send EHLO first";
	else if (session->state & (STATE_CHUNKS | STATE_FAILED))
		hint = "Not behind BDAT (RSET ends it)";
	else if (row->handler == mail_add_recipient)
		hint = "Send MAIL first";
	else if (row->handler == do_data)
		hint = "Send MAIL and RCPT first";
	session_refuse(session, 503, "5.5.1", "%s", hint);
}

static bool
has_user(const struct session *session)
{
	return session->is_authenticated || session->trusted_login != NULL;
}

static void
run(struct session *session, const struct row *row, struct smtp_verb *verb)
{
	bool has_argument = verb->argument_length > 0;

	if ((session->state & row->legal_in) == 0)
		refuse_order(session, row);
	else if ((row->needs & NEED_USER) != 0 && !has_user(session))
		session_refuse(session, 530, "5.7.0", "Authentication required");
	else if (((row->needs & NEED_ARGUMENT) != 0 && !has_argument) ||
		 ((row->needs & NEED_NO_ARGUMENT) != 0 && has_argument))
		session_refuse(session, 501, "5.5.4", "Syntax: %s", row->syntax);
	else if ((row->needs & IS_COUNTED) == 0 || pace_allows_command(session))
		row->handler(session, verb);
}

/* Behind a BDAT that can't be read come octets, not commands: nothing more is read. */
static void
refuse_line(struct session *session, const char *line, const char *text)
{
	session_refuse(session, 500, "5.5.2", "%s", text);
	if (strncasecmp(line, "BDAT", strlen("BDAT")) == 0)
		session_end(session);
}

void
command_run(struct session *session, const char *line, size_t length)
{
	struct smtp_verb verb;
	bool is_clean = smtp_verb_split(line, length, &verb);
	const struct row *row = find_row(verb.name);

	if (!is_clean)
		refuse_line(session, line, "Control characters in a command");
	else if (length > COMMAND_MAX_SIZE && (row == NULL || row->handler != do_auth))
		refuse_line(session, line, "Line too long");
	else if (session->state == STATE_REFUSED && !is_http(verb.name) &&
		 (row == NULL || row->handler != do_quit))
		session_refuse(session, 503, "5.5.1", "No service for your network");
	else if (row == NULL)
		refuse_unknown(session, verb.name);
	else
		run(session, row, &verb);
}
