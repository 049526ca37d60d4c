/*
 * The client automaton against tests/dialogue/client-*.txt.
 *
 * A file holds several conversations, each behind a line `== NAME`. `set KEY=VALUE…` and `mail
 * KEY=VALUE…` say what the client is to do; then comes what must happen, in this order:
 *
 *	S: line      the upstream says so (the input); S+ line: and the next S: comes with it
 *	C: line      the client must answer so
 *	LOST reason  the connection is lost (input)
 *	CHUNK        a chunk is written; LAST the last one, of a mail that has `hold`; UNSENT it has not
 *	             left (all of them input)
 *	TLS READY BODY DONE … OVER …   events of the automaton; `to ADDRESS …` a recipient's own fate
 */
#include "common/xalloc.h"
#include "daemon/relay/client.h"
#include "daemon/relay/client_auth.h"
#include "daemon/relay/credential.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RECIPIENTS_MAX 8
#define MAILS_MAX 4

struct mail {
	char from[128];
	char to[RECIPIENTS_MAX][128];
	char orcpt[RECIPIENTS_MAX][128], envid[128];
	bool is_holding; /* the end of the body, until LAST */
	struct client_recipient recipients[RECIPIENTS_MAX];
	struct client_transaction transaction;
};

struct talk {
	struct client_settings settings;
	char username[64], secret[512];
	char worked[32], problem[128], other_name[64];
	unsigned tries, tried; /* logins that may be, 0: any number */
	bool is_holding;       /* no credential comes */
	bool is_renewable;     /* the first one is a token of some age */
	struct tls_binding binding;
	bool has_tls;
	struct mail mails[MAILS_MAX];
	size_t mail_count, mail_next;
	struct client *client;
	struct buf expected, happened;
	struct buf shown; /* the transcript */
	struct buf input; /* what the client has not read yet */
};

/* ---- settings ---- */

static enum profile_tls
tls_of(const char *value)
{
	static const char *const names[] = {"none", "opportunistic", "starttls", "implicit"};

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(names[i], value) == 0)
			return i;
	fail_msg("tls=%s", value);
	return 0;
}

static void
set(struct talk *talk, const char *key, const char *value)
{
	struct err err;

	if (strcmp(key, "tls") == 0)
		talk->settings.tls = tls_of(value);
	else if (strcmp(key, "auth") == 0)
		assert_int_equal(auth_methods_wanted(value, &talk->settings.auth_methods, &err), 0);
	else if (strcmp(key, "user") == 0)
		(void)snprintf(talk->username, sizeof(talk->username), "%s", value);
	else if (strcmp(key, "password") == 0)
		(void)snprintf(talk->secret, sizeof(talk->secret), "%s", value);
	else if (strcmp(key, "secured") == 0)
		talk->has_tls = true;
	else if (strcmp(key, "verified") == 0)
		talk->settings.verifies = true;
	else if (strcmp(key, "certificate") == 0)
		talk->settings.has_certificate = true;
	else if (strcmp(key, "bound") == 0)
		talk->settings.binding = &talk->binding;
	else if (strcmp(key, "worked") == 0)
		(void)snprintf(talk->worked, sizeof(talk->worked), "%s", value);
	else if (strcmp(key, "problem") == 0)
		(void)snprintf(talk->problem, sizeof(talk->problem), "%s", value);
	else if (strcmp(key, "tries") == 0)
		talk->tries = (unsigned)atoi(value);
	else if (strcmp(key, "hold") == 0)
		talk->is_holding = true;
	else if (strcmp(key, "renewable") == 0)
		talk->is_renewable = true;
	else if (strcmp(key, "auth-in-clear") == 0)
		talk->settings.allows_clear = true;
	else if (strcmp(key, "other") == 0)
		(void)snprintf(talk->other_name, sizeof(talk->other_name), "%s", value);
	else if (strcmp(key, "loopback") == 0)
		talk->settings.is_loopback = true;
	else if (strcmp(key, "clear") == 0)
		talk->settings.skips_starttls = true;
	else if (strcmp(key, "group") == 0)
		talk->settings.groups_body = true;
	else if (strcmp(key, "try") == 0)
		talk->settings.tries_chunks = true;
	else if (strcmp(key, "data") == 0)
		talk->settings.skips_chunking = true;
	else
		fail_msg("set %s", key);
}

/* Of the message, or of the recipient before. */
static bool
set_wish(struct mail *mail, const char *key, const char *value)
{
	struct rec_wishes *wishes = &mail->transaction.wishes;
	size_t last = mail->transaction.recipient_count - 1;

	if (strcmp(key, "smtputf8") == 0)
		wishes->is_smtputf8 = true;
	else if (strcmp(key, "utf8-header") == 0)
		wishes->has_utf8_header = true;
	else if (strcmp(key, "auth") == 0)
		wishes->has_auth = true;
	else if (strcmp(key, "requiretls") == 0)
		wishes->requires_tls = true;
	else if (strcmp(key, "ret") == 0)
		wishes->ret = strcmp(value, "full") == 0 ? RET_FULL : RET_HDRS;
	else if (strcmp(key, "envid") == 0)
		wishes->envid = strncpy(mail->envid, value, sizeof(mail->envid) - 1);
	else if (strcmp(key, "priority") == 0)
		*wishes = (struct rec_wishes){
		    .has_mt_priority = true, .mt_priority = (uint8_t)(atoi(value) + 9)};
	else if (strcmp(key, "notify") == 0)
		mail->recipients[last].notify = (uint8_t)atoi(value);
	else if (strcmp(key, "orcpt") == 0)
		mail->recipients[last].orcpt =
		    strncpy(mail->orcpt[last], value, sizeof(mail->orcpt[last]) - 1);
	else
		return false;
	return true;
}

static void
set_mail(struct talk *talk, const char *key, const char *value)
{
	struct mail *mail = &talk->mails[talk->mail_count - 1];
	struct client_transaction *transaction = &mail->transaction;

	if (strcmp(key, "from") == 0) {
		(void)snprintf(mail->from, sizeof(mail->from), "%s", value);
	} else if (strcmp(key, "to") == 0) {
		size_t i = transaction->recipient_count++;

		(void)snprintf(mail->to[i], sizeof(mail->to[i]), "%s", value);
		mail->recipients[i].address = mail->to[i];
	} else if (strcmp(key, "size") == 0) {
		transaction->size_bytes = strtoull(value, NULL, 10);
	} else if (strcmp(key, "8bit") == 0) {
		transaction->has_8bit = true;
	} else if (strcmp(key, "whole") == 0) {
		transaction->is_whole = true;
	} else if (strcmp(key, "hold") == 0) {
		mail->is_holding = true;
	} else if (!set_wish(mail, key, value)) {
		fail_msg("mail %s", key);
	}
}

static void
each_pair(struct talk *talk, char *words, void (*fn)(struct talk *, const char *, const char *))
{
	char *word;

	while ((word = strsep(&words, " ")) != NULL) {
		char *value = strchr(word, '=');

		if (value != NULL)
			*value++ = '\0';
		fn(talk, word, value);
	}
}

/* ---- what happens ---- */

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct talk *talk = ctx;

	buf_printf(&talk->shown, "%s %s\n", is_sent ? "C:" : "S:", line);
}

static void
on_login(enum login_result result, unsigned method, const char *words, void *ctx)
{
	static const char *const names[] = {"good", "refused", "undecided"};
	struct talk *talk = ctx;
	unsigned index = 0;

	while (AUTH_BIT(index) != method)
		index++;
	buf_printf(&talk->happened, "LOGIN %s %s%s%s\n", names[result], auth_method_name(index),
	    *words != '\0' ? " " : "", words);
}

/* What was said to log in, and the password itself, stands nowhere; nor when a server repeats it. */
static void
check_secrets(const struct talk *talk, const char *name)
{
	char *text = xstrdup(talk->happened.bytes), *rest = text, *line;
	bool is_token = false;

	if (strlen(talk->secret) >= 4 && strstr(talk->shown.bytes, talk->secret) != NULL)
		fail_msg("%s: the password is shown in\n%s", name, talk->shown.bytes);
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *token = strncmp(line, "C: AUTH ", 8) == 0 ? strchr(line + 8, ' ')
				    : is_token && line[0] == 'C'      ? line + 2
								      : NULL;

		if (token != NULL && strlen(token) > 4 &&
		    strstr(talk->shown.bytes, token + 1) != NULL)
			fail_msg("%s: %s is shown in\n%s", name, token, talk->shown.bytes);
		is_token = strncmp(line, "S: 334", 6) == 0;
	}
	free(text);
}

static void
drain_output(struct talk *talk)
{
	struct buf *output = client_output(talk->client);
	char *rest = output->bytes, *end;

	while (rest != NULL && (end = strstr(rest, "\r\n")) != NULL) {
		size_t size = (size_t)(end - rest);

		if (strncmp(rest, "AUTH SCRAM-", 11) == 0) /* a nonce follows */
			buf_printf(&talk->happened, "C: %.*s *\n",
			    (int)(5 + strcspn(rest + 5, " ")), rest);
		else
			buf_printf(&talk->happened, "C: %.*s\n", (int)size, rest);
		rest = end + 2;
	}
	if (rest != NULL)
		assert_string_equal(rest, "");
	buf_clear(output);
}

static const char *
outcome_name(enum attempt_outcome outcome)
{
	static const char *const names[] = {"attempted", "cancelled", "unreachable", "tls",
	    "auth-refused", "auth-later", "misconfigured"};

	return names[outcome];
}

static const char *
fate_name(enum fate fate)
{
	static const char *const names[] = {"delivered", "deferred", "failed", "uncertain"};

	return names[fate];
}

static void
note_done(struct talk *talk)
{
	const struct client_transaction *done = &talk->mails[talk->mail_next - 1].transaction;

	buf_printf(&talk->happened, "DONE %s %s %u %s\n", outcome_name(done->verdict.outcome),
	    fate_name(done->verdict.fate), done->reply.code, phase_name(done->phase));
	for (size_t i = 0; i < done->recipient_count; i++)
		if (done->recipients[i].refusal != NULL)
			buf_printf(&talk->happened, "to %s %s %u %s\n", done->recipients[i].address,
			    fate_name(done->recipients[i].verdict.fate),
			    done->recipients[i].refusal->code,
			    done->recipients[i].refusal->enhanced);
		else if (done->recipients[i].is_postponed)
			buf_printf(
			    &talk->happened, "to %s postponed\n", done->recipients[i].address);
	if (done->lacks_bdat)
		buf_text(&talk->happened, "without BDAT\n");
	if (done->has_dsn && done->verdict.fate == FATE_DELIVERED)
		buf_text(&talk->happened, "with DSN\n");
}

static void follow(struct talk *talk, enum client_event event);

/* The body, of no octets that anybody reads. */
static void
end_body(struct talk *talk)
{
	if (client_is_chunked(talk->client))
		client_last_chunk(talk->client, 100);
	drain_output(talk);
	follow(talk, client_body_sent(talk->client));
}

static void
send_next(struct talk *talk)
{
	struct mail *mail;

	buf_text(&talk->happened, "READY\n");
	if (talk->mail_next == talk->mail_count)
		return;
	mail = &talk->mails[talk->mail_next++];
	mail->transaction.sender = mail->from;
	mail->transaction.recipients = mail->recipients;
	follow(talk, client_send(talk->client, &mail->transaction));
}

static void
note_over(struct talk *talk)
{
	const struct client_end *end = client_end(talk->client);

	buf_printf(&talk->happened, "OVER %s %s %u %s\n", outcome_name(end->verdict.outcome),
	    phase_name(end->phase), end->reply.code, end->reply.text);
}

static void
give_credential(struct talk *talk)
{
	bool is_refused =
	    *talk->problem != '\0' || (talk->tries != 0 && talk->tried == talk->tries);
	const struct credential credential = {
	    .secret = talk->secret,
	    .outcome = ATTEMPT_AUTH_LATER,
	    .problem = is_refused ? talk->problem : NULL,
	    .is_renewable = talk->is_renewable && talk->tried == 0,
	    .worked = auth_method_bit(talk->worked, strlen(talk->worked)),
	};

	talk->tried++;
	if (!talk->is_holding)
		follow(talk, client_credential(talk->client, &credential));
}

static void
follow(struct talk *talk, enum client_event event)
{
	struct scram_key *key;

	drain_output(talk);
	switch (event) {
	case CLIENT_WAITS:
		break;
	case CLIENT_WANTS_TLS:
		buf_text(&talk->happened, "TLS\n");
		follow(talk, client_secured(talk->client));
		break;
	case CLIENT_WANTS_CREDENTIAL:
		give_credential(talk);
		break;
	case CLIENT_WANTS_KEY:
		key = client_take_key(talk->client);
		scram_key_derive(key);
		follow(talk, client_use_key(talk->client, key));
		break;
	case CLIENT_IS_READY:
		send_next(talk);
		break;
	case CLIENT_WANTS_BODY:
		buf_text(&talk->happened, "BODY\n");
		if (!talk->mails[talk->mail_next - 1].is_holding)
			end_body(talk);
		break;
	case CLIENT_IS_DONE:
		note_done(talk);
		follow(talk, client_next(talk->client));
		break;
	case CLIENT_IS_OVER:
		note_over(talk);
		break;
	}
}

/* The client gets what has gathered, as one segment. */
static void
feed(struct talk *talk)
{
	size_t used = 1;

	while (used > 0 && talk->input.size > 0) {
		enum client_event event = client_input(
		    talk->client, (const uint8_t *)talk->input.bytes, talk->input.size, &used);

		memmove(talk->input.bytes, talk->input.bytes + used, talk->input.size - used);
		talk->input.size -= used;
		follow(talk, event);
	}
}

static void
begin(struct talk *talk)
{
	if (talk->client != NULL)
		return;
	talk->settings.ehlo_name = "relay.example";
	talk->settings.ehlo_other = talk->other_name[0] != '\0' ? talk->other_name : NULL;
	talk->settings.username = talk->username;
	talk->settings.host = "mail.example";
	talk->settings.port = 587;
	talk->settings.timeout_ms = 1000;
	talk->settings.dot_timeout_ms = 2000;
	talk->settings.on_line = on_line;
	talk->settings.line_ctx = talk;
	talk->settings.on_login = on_login;
	talk->settings.login_ctx = talk;
	talk->client = client_new(&talk->settings, talk->has_tls);
}

static void
read_line(struct talk *talk, char *line)
{
	if (strncmp(line, "set ", 4) == 0) {
		each_pair(talk, line + 4, set);
		return;
	}
	if (strncmp(line, "mail ", 5) == 0) {
		talk->mail_count++;
		each_pair(talk, line + 5, set_mail);
		return;
	}
	begin(talk);
	buf_printf(&talk->expected, "%s\n", line);
	if (line[0] == 'S') {
		buf_printf(&talk->happened, "%s\n", line);
		buf_printf(&talk->input, "%s\r\n", line + 3);
		if (line[1] == ':')
			feed(talk);
	} else if (strcmp(line, "CHUNK") == 0) {
		buf_text(&talk->happened, "CHUNK\n");
		client_chunk(talk->client, 50);
		drain_output(talk);
	} else if (strcmp(line, "LAST") == 0) {
		buf_text(&talk->happened, "LAST\n");
		end_body(talk);
	} else if (strcmp(line, "UNSENT") == 0) {
		buf_text(&talk->happened, "UNSENT\n");
		client_body_unsent(talk->client);
	} else if (strncmp(line, "LOST ", 5) == 0) {
		buf_printf(&talk->happened, "%s\n", line);
		follow(talk, client_lost(talk->client, line + 5));
	}
}

static void
finish(struct talk *talk, const char *file, const char *name)
{
	if (talk->client == NULL)
		return;
	buf_append(&talk->expected, "", 0);
	buf_append(&talk->happened, "", 0);
	if (strcmp(talk->expected.bytes, talk->happened.bytes) != 0)
		fail_msg("%s: %s\n---- expected\n%s---- happened\n%s", file, name,
		    talk->expected.bytes, talk->happened.bytes);
	check_secrets(talk, name);
	client_free(talk->client);
	buf_fini(&talk->shown);
	for (size_t i = 0; i < talk->mail_count; i++)
		client_transaction_reset(&talk->mails[i].transaction);
	buf_fini(&talk->expected);
	buf_fini(&talk->happened);
	buf_fini(&talk->input);
	*talk = (struct talk){0};
}

static void
run_file(const char *name)
{
	char *path = xasprintf("%s/%s", DIALOGUES, name), line[1024], title[1024] = "";
	FILE *file = fopen(path, "r");
	struct talk *talk = xcalloc(1, sizeof(*talk));

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "== ", 3) == 0) {
			finish(talk, name, title);
			(void)snprintf(title, sizeof(title), "%s", line + 3);
		} else if (line[0] != '\0' && line[0] != '#') {
			read_line(talk, line);
		}
	}
	finish(talk, name, title);
	(void)fclose(file);
	free(talk);
	free(path);
}

static void
test_dialogues(void **state)
{
	DIR *directory = opendir(DIALOGUES);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL) {
		if (strncmp(entry->d_name, "client-", 7) != 0)
			continue;
		run_file(entry->d_name);
		count++;
	}
	(void)closedir(directory);
	assert_in_range(count, 4, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dialogues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
