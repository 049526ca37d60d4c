/*
 * The POP3 automaton against tests/dialogue/pop3.txt, and what stands in no dialogue.
 *
 * A conversation stands behind a line `== NAME`. `set KEY=VALUE…` says what is to be done; then comes
 * what must happen, in this order:
 *
 *	S: line      the server says so; S+ line: and the next comes with it; S! bytes without an end
 *	C: line      we answer so; a `*` stands for a digest
 *	LOST reason  the connection is lost
 *	TLS DONE … OVER …   events of the automaton; with the class if that is rate-auth, and a wait that
 *	             is not the class's own
 */
#include "common/percent.h"
#include "common/xalloc.h"
#include "daemon/relay/classify.h"
#include "daemon/relay/pop3_asked.h"
#include "daemon/relay/pop3_client.h"
#include "daemon/relay/pop3_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct reply_rules *rules; /* those that are built in */

struct talk {
	struct pop3_client_settings settings;
	char *username, *password;
	bool has_tls, is_holding;
	struct pop3_client *client;
	struct buf expected, happened, shown, input;
};

static void
set(struct talk *talk, const char *key, const char *value)
{
	if (strcmp(key, "tls") == 0)
		talk->settings.tls = strcmp(value, "none") == 0   ? PROFILE_NONE
				     : strcmp(value, "stls") == 0 ? PROFILE_STARTTLS
								  : PROFILE_IMPLICIT;
	else if (strcmp(key, "auth") == 0)
		assert_true(pop3_method_find(value, &talk->settings.method));
	else if (strcmp(key, "user") == 0)
		talk->username = percent_decode(value, strlen(value));
	else if (strcmp(key, "password") == 0)
		talk->password = percent_decode(value, strlen(value));
	else if (strcmp(key, "secured") == 0)
		talk->has_tls = true;
	else if (strcmp(key, "hold") == 0)
		talk->is_holding = true;
	else
		fail_msg("set %s", key);
}

static void
set_all(struct talk *talk, char *words)
{
	char *word;

	while ((word = strsep(&words, " ")) != NULL) {
		char *value = strchr(word, '=');

		*value++ = '\0';
		set(talk, word, value);
	}
}

static void
on_line(bool is_sent, const char *line, void *ctx)
{
	struct talk *talk = ctx;

	buf_printf(&talk->shown, "%s %s\n", is_sent ? "C:" : "S:", line);
}

static void
drain_output(struct talk *talk)
{
	struct buf *output = pop3_client_output(talk->client);
	char *rest = output->bytes, *end;

	while (rest != NULL && (end = strstr(rest, "\r\n")) != NULL) {
		*end = '\0';
		if (strncmp(rest, "APOP me ", 8) == 0)
			buf_text(&talk->happened, "C: APOP me *\n");
		else
			buf_printf(&talk->happened, "C: %s\n", rest);
		rest = end + 2;
	}
	buf_clear(output);
}

static const char *
outcome_name(enum attempt_outcome outcome)
{
	static const char *const names[] = {
	    [ATTEMPT_UNREACHABLE] = "unreachable",
	    [ATTEMPT_TLS] = "tls",
	    [ATTEMPT_AUTH_REFUSED] = "auth-refused",
	    [ATTEMPT_AUTH_LATER] = "auth-later",
	    [ATTEMPT_MISCONFIGURED] = "misconfigured",
	};

	return names[outcome];
}

static void
note_over(struct talk *talk)
{
	const struct client_end *end = pop3_client_end(talk->client);

	assert_false(pop3_client_is_logged_in(talk->client));
	assert_true(end->verdict.is_over);
	assert_int_equal(end->verdict.fate, FATE_DEFERRED);
	buf_printf(&talk->happened, "OVER %s %s %s%s", outcome_name(end->verdict.outcome),
	    phase_name(end->phase), end->reply.text,
	    pop3_client_is_refused(talk->client) ? " refused" : "");
	if (end->verdict.class == REPLY_RATE_AUTH)
		buf_printf(&talk->happened, " class=rate-auth rule=%s", end->verdict.rule);
	if (end->verdict.wait.first_s != 0)
		buf_printf(&talk->happened, " wait=%u-%u%s", end->verdict.wait.first_s,
		    end->verdict.wait.most_s, end->verdict.wait.is_exact ? " exact" : "");
	buf_text(&talk->happened, "\n");
}

static void
note_done(struct talk *talk)
{
	int64_t delay_ms = pop3_client_login_delay_ms(talk->client);

	buf_printf(
	    &talk->happened, "DONE%s", pop3_client_is_logged_in(talk->client) ? " logged-in" : "");
	if (delay_ms != 0)
		buf_printf(&talk->happened, " delay=%d", (int)delay_ms);
	buf_text(&talk->happened, "\n");
}

static void
follow(struct talk *talk, enum pop3_event event)
{
	drain_output(talk);
	switch (event) {
	case POP3_WAITS:
		break;
	case POP3_WANTS_TLS:
		buf_text(&talk->happened, "TLS\n");
		follow(talk, pop3_client_secured(talk->client));
		break;
	case POP3_WANTS_TURN:
		if (!talk->is_holding)
			follow(talk, pop3_client_login(talk->client));
		break;
	case POP3_IS_DONE:
		note_done(talk);
		break;
	case POP3_IS_OVER:
		note_over(talk);
		break;
	}
}

static void
feed(struct talk *talk)
{
	size_t used;
	enum pop3_event event = pop3_client_input(
	    talk->client, (const uint8_t *)talk->input.bytes, talk->input.size, &used);

	memmove(talk->input.bytes, talk->input.bytes + used, talk->input.size - used);
	talk->input.size -= used;
	follow(talk, event);
}

static void
begin(struct talk *talk)
{
	if (talk->client != NULL)
		return;
	if (talk->username == NULL)
		talk->username = xstrdup("");
	if (talk->password == NULL)
		talk->password = xstrdup("");
	talk->settings.username = talk->username;
	talk->settings.password = talk->password;
	talk->settings.timeout_ms = 60000;
	talk->settings.on_line = on_line;
	talk->settings.line_ctx = talk;
	talk->settings.classifier.rules = rules;
	talk->client = pop3_client_new(&talk->settings, talk->has_tls);
}

static void
read_line(struct talk *talk, char *line)
{
	if (strncmp(line, "set ", 4) == 0) {
		set_all(talk, line + 4);
		return;
	}
	begin(talk);
	buf_printf(&talk->expected, "%s\n", line);
	if (line[0] == 'S') {
		buf_printf(&talk->happened, "%s\n", line);
		buf_printf(&talk->input, "%s%s", line + 3, line[1] == '!' ? "" : "\r\n");
		if (line[1] != '+')
			feed(talk);
	} else if (strncmp(line, "LOST ", 5) == 0) {
		buf_printf(&talk->happened, "%s\n", line);
		follow(talk, pop3_client_lost(talk->client, line + 5));
	}
}

/* What was said to log in stands nowhere, nor when a server repeats it. */
static void
check_secrets(const struct talk *talk, const char *name)
{
	if (strlen(talk->password) >= 4 && strstr(talk->shown.bytes, talk->password) != NULL)
		fail_msg("%s: the password is shown in\n%s", name, talk->shown.bytes);
	if (strstr(talk->shown.bytes, "c4c9334b") != NULL ||
	    strstr(talk->shown.bytes, "AG1lA") != NULL ||
	    strstr(talk->shown.bytes, "dGltIGI5") != NULL ||
	    strstr(talk->shown.bytes, "C: TlRM") != NULL)
		fail_msg("%s: a token is shown in\n%s", name, talk->shown.bytes);
}

static void
finish(struct talk *talk, const char *name)
{
	if (talk->client == NULL)
		return;
	buf_append(&talk->expected, "", 0);
	buf_append(&talk->happened, "", 0);
	buf_text(&talk->shown, "\n");
	if (strcmp(talk->expected.bytes, talk->happened.bytes) != 0)
		fail_msg("%s\n---- expected\n%s---- happened\n%s", name, talk->expected.bytes,
		    talk->happened.bytes);
	check_secrets(talk, name);
	pop3_client_free(talk->client);
	buf_fini(&talk->shown);
	buf_fini(&talk->expected);
	buf_fini(&talk->happened);
	buf_fini(&talk->input);
	free(talk->username);
	free(talk->password);
	*talk = (struct talk){0};
}

static void
test_dialogues(void **state)
{
	FILE *file = fopen(DIALOGUES "/pop3.txt", "r");
	char line[1024], title[1024] = "";
	struct talk talk = {0};
	unsigned count = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "== ", 3) == 0) {
			finish(&talk, title);
			(void)snprintf(title, sizeof(title), "%s", line + 3);
			count++;
		} else if (line[0] != '\0' && line[0] != '#') {
			read_line(&talk, line);
		}
	}
	finish(&talk, title);
	(void)fclose(file);
	assert_in_range(count, 30, 1000);
}

/* ---- limits ---- */

static struct pop3_client *
make_client(struct pop3_client_settings *settings)
{
	*settings = (struct pop3_client_settings){
	    .username = "me", .password = "pass", .timeout_ms = 60000};
	assert_true(pop3_method_find("login", &settings->method));
	return pop3_client_new(settings, false);
}

static enum pop3_event
say(struct pop3_client *client, const char *text)
{
	size_t used;

	return pop3_client_input(client, (const uint8_t *)text, strlen(text), &used);
}

static void
test_line_is_limited(void **state)
{
	struct pop3_client_settings settings;
	struct pop3_client *client = make_client(&settings);
	char text[5001];
	size_t used;

	memset(text, 'x', sizeof(text));
	memcpy(text, "+OK ", 4);
	assert_int_equal(pop3_client_input(client, (uint8_t *)text, 4000, &used), POP3_WAITS);
	assert_int_equal(used, 0);
	assert_int_equal(pop3_client_input(client, (uint8_t *)text, 4096, &used), POP3_IS_OVER);
	assert_non_null(strstr(pop3_client_end(client)->reply.text, "too long"));
	pop3_client_free(client);

	client = make_client(&settings);
	text[5000] = '\n';
	assert_int_equal(pop3_client_input(client, (uint8_t *)text, 5001, &used), POP3_IS_OVER);
	pop3_client_free(client);
}

static void
test_list_is_limited(void **state)
{
	struct pop3_client_settings settings;
	struct pop3_client *client = make_client(&settings);

	assert_int_equal(say(client, "+OK\r\n"), POP3_WAITS);
	assert_int_equal(say(client, "+OK\r\n"), POP3_WAITS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(say(client, "X\r\n"), POP3_WAITS);
	assert_int_equal(say(client, "X\r\n"), POP3_IS_OVER);
	assert_non_null(strstr(pop3_client_end(client)->reply.text, "no end"));
	assert_int_equal(say(client, "X\r\n"), POP3_WAITS); /* nobody listens any more */
	pop3_client_free(client);
}

/* The time is that of the step: lines of a list don't prolong it. */
static void
test_deadlines(void **state)
{
	struct pop3_client_settings settings;
	struct pop3_client *client = make_client(&settings);
	unsigned step = pop3_client_step(client);

	assert_int_equal(pop3_client_deadline_ms(client), 60000);
	assert_int_equal(say(client, "+OK\r\n"), POP3_WAITS);
	assert_int_not_equal(pop3_client_step(client), step);
	step = pop3_client_step(client);
	assert_int_equal(say(client, "+OK\r\nUSER\r\n"), POP3_WAITS);
	assert_int_equal(pop3_client_step(client), step);
	assert_int_equal(say(client, ".\r\n"), POP3_WANTS_TURN);
	assert_int_equal(pop3_client_deadline_ms(client), 0);
	assert_int_equal(pop3_client_login(client), POP3_WAITS);
	assert_int_equal(pop3_client_deadline_ms(client), 60000);
	assert_int_equal(say(client, "+OK\r\n"), POP3_WAITS);
	assert_int_equal(say(client, "+OK\r\n"), POP3_WAITS);
	assert_int_equal(pop3_client_deadline_ms(client), 5000); /* QUIT */
	pop3_client_free(client);
}

/* ---- parts ---- */

static void
test_stamps(void **state)
{
	static const struct {
		const char *greeting, *stamp;
	} rows[] = {
	    {"ready <1896.697170952@dbc.mtview.ca.us>", "<1896.697170952@dbc.mtview.ca.us>"},
	    {"<1.2@x>", "<1.2@x>"},
	    {"Dovecot <5d.1.65.aZ+/8w==@mail>.", "<5d.1.65.aZ+/8w==@mail>"},
	    {"<1@[192.0.2.1]>", "<1@[192.0.2.1]>"},
	    {"ready", NULL},
	    {"<>", NULL},
	    {"<@x>", NULL},
	    {"<1@>", NULL},
	    {"<1>", NULL},
	    {"<1@x", NULL},
	    {"<1@x y>", NULL},
	    {"<1..2@x>", NULL},
	    {"<.1@x>", NULL},
	    {"<1@x.>", NULL},
	    {"<1@@x>", NULL},
	    {"<\"1\"@x>", NULL},
	    {"<1\x81@x>", NULL},
	    {"<1@[x>", NULL},
	};
	char stamp[POP3_STAMP_SIZE], text[600];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(pop3_find_stamp(rows[i].greeting, stamp), rows[i].stamp != NULL);
		if (rows[i].stamp != NULL)
			assert_string_equal(stamp, rows[i].stamp);
	}
	(void)snprintf(text, sizeof(text), "<%0251d@x>", 1);
	assert_true(pop3_find_stamp(text, stamp));
	assert_int_equal(strlen(stamp), 255);
	(void)snprintf(text, sizeof(text), "<%0252d@x>", 1);
	assert_false(pop3_find_stamp(text, stamp));
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *text;
		enum attempt_outcome outcome;
	} rows[] = {
	    {"", ATTEMPT_AUTH_REFUSED},
	    {"[AUTH] try again later", ATTEMPT_AUTH_REFUSED},
	    {"[auth] Authentication failed.", ATTEMPT_AUTH_REFUSED},
	    {"[SYS/TEMP] wrong password", ATTEMPT_AUTH_LATER},
	    {"[SYS/PERM] call us", ATTEMPT_AUTH_REFUSED},
	    {"[IN-USE] password?", ATTEMPT_AUTH_LATER},
	    {"[LOGIN-DELAY] wait", ATTEMPT_AUTH_LATER},
	    {"[X-ELSE] invalid password", ATTEMPT_AUTH_REFUSED},
	    {"Logon failure: unknown user name or bad password.", ATTEMPT_AUTH_REFUSED},
	    {"maildrop already locked", ATTEMPT_AUTH_LATER},
	    {"Temporary authentication failure.", ATTEMPT_AUTH_LATER},
	    {"Server busy", ATTEMPT_AUTH_LATER},
	    {"invalid password, try again", ATTEMPT_AUTH_REFUSED},
	    {"cleartext login disabled", ATTEMPT_TLS},
	    {"must use STLS first", ATTEMPT_TLS},
	    {"Unknown command.", ATTEMPT_MISCONFIGURED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (pop3_refusal(rows[i].text) != rows[i].outcome)
			fail_msg("%s: %d", rows[i].text, pop3_refusal(rows[i].text));
}

static void
test_replies(void **state)
{
	static const struct {
		const char *line;
		enum pop3_status status;
		const char *text;
	} rows[] = {
	    {"+OK", POP3_OK, ""},
	    {"+ok fine", POP3_OK, "fine"},
	    {"+OKAY", POP3_NONE, "+OKAY"},
	    {"-ERR [AUTH] no", POP3_ERR, "[AUTH] no"},
	    {"+", POP3_CONTINUES, ""},
	    {"+ YQ==", POP3_CONTINUES, "YQ=="},
	    {"+YQ==", POP3_NONE, "+YQ=="},
	    {"", POP3_NONE, ""},
	    {"OK", POP3_NONE, "OK"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pop3_reply reply;

		pop3_reply_read(rows[i].line, &reply);
		assert_int_equal(reply.status, rows[i].status);
		assert_string_equal(reply.text, rows[i].text);
	}
}

static void
test_asked(void **state)
{
	static const char *const asking[] = {
	    "5.7.1 <a@b>: Relay access denied; use POP before SMTP",
	    "Relaying denied. Please check your mail first",
	    "You must check for new mail before sending",
	    "POP-before-SMTP or SMTP AUTH required",
	    "please authenticate via POP or use SMTP AUTH",
	    "POP authentication required",
	};
	static const char *const others[] = {"Relay access denied", "Mailbox full",
	    "population.example: no such host", "Popeye is not here", "must log in first",
	    "5.7.1 check the recipient's address first"};

	for (size_t i = 0; i < sizeof(asking) / sizeof(asking[0]); i++)
		if (!pop3_is_asked(asking[i]))
			fail_msg("%s", asking[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (pop3_is_asked(others[i]))
			fail_msg("%s", others[i]);
}

static int
read_rules(void **state)
{
	struct err err;

	return reply_rules_parse("none", "", 0, &rules, &err);
}

static int
release_rules(void **state)
{
	reply_rules_release(rules);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dialogues),
	    cmocka_unit_test(test_line_is_limited),
	    cmocka_unit_test(test_list_is_limited),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_stamps),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_asked),
	};

	return cmocka_run_group_tests(tests, read_rules, release_rules);
}
