/*
 * test_smtpd - plays the dialogues of tests/dialogue/smtpd/ against the session automaton
 *
 * A file is a conversation, one step a line. Each file is played three times: with the client's
 * input as it is written, in single bytes, and in pieces of seven.
 *
 *	# a remark
 *	C: EHLO me              the client sends this and CRLF
 *	c: DATA\r\n.\x00        the client sends exactly these bytes
 *	B: Subject: x\r\n       BDAT with the right size, CRLF, and exactly these bytes
 *	L: end\r\n              the same with LAST
 *	S: 250 2.0.0 Ok         the next line it gets; `*` at the end stands for any rest
 *	S+ 250                  a whole reply with this code, of however many lines
 *	S.                      and nothing more
 *	M: Subject: x           the next line that queue has of the message
 *	M.                      and nothing more
 *	! word arguments        something happens, or is to have happened: see `directives` below
 *
 * Before the first C: or S: the `! set`, `! user` lines say what the world is like.
 */
#include "tests/dialogue/world.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct play {
	struct world world;
	const char *path;
	unsigned line_number;
	bool is_open;
	size_t body_at;
	bool has_failed;
	bool is_skipped;   /* the rest of it */
	struct buf offers; /* the texts of the last whole reply, each in a line */
};

static void fail(struct play *play, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
fail(struct play *play, const char *format, ...)
{
	va_list args;

	fprintf(
	    stderr, "%s:%u: (pieces of %zu) ", play->path, play->line_number, play->world.piece);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	play->has_failed = true;
}

static void
open_once(struct play *play)
{
	if (!play->is_open)
		world_open(&play->world);
	play->is_open = true;
}

/* ---- lines in and out ---- */

static void
send_line(struct play *play, const char *text)
{
	struct buf line;

	buf_init(&line);
	buf_printf(&line, "%s\r\n", text);
	world_send(&play->world, line.bytes, line.size);
	buf_fini(&line);
}

static void expand(const char *text, size_t length, struct buf *out);

/* \*N*text*: N times the text. Returns what follows. */
static const char *
repeat(const char *at, struct buf *out)
{
	char *text;
	unsigned long count = strtoul(at, &text, 10);
	const char *end = strchr(++text, '*');

	while (count-- > 0)
		expand(text, (size_t)(end - text), out);
	return end + 1;
}

/* What follows the backslash: \r \n \xNN \*N*text* */
static const char *
unescape(const char *at, struct buf *out)
{
	switch (*at) {
	case 'r':
		buf_char(out, '\r');
		return at + 1;
	case 'n':
		buf_char(out, '\n');
		return at + 1;
	case 'x':
		buf_char(out, (char)strtoul((char[]){at[1], at[2], '\0'}, NULL, 16));
		return at + 3;
	case '*':
		return repeat(at + 1, out);
	default:
		buf_char(out, *at);
		return at + 1;
	}
}

static void
expand(const char *text, size_t length, struct buf *out)
{
	const char *end = text + length;

	while (text < end) {
		if (*text == '\\')
			text = unescape(text + 1, out);
		else
			buf_char(out, *text++);
	}
}

static void
send_raw(struct play *play, const char *text)
{
	struct buf bytes;

	buf_init(&bytes);
	expand(text, strlen(text), &bytes);
	world_send(&play->world, bytes.bytes, bytes.size);
	buf_fini(&bytes);
}

static void
send_chunk(struct play *play, const char *text, const char *last)
{
	struct buf bytes, all;

	buf_init(&bytes);
	buf_init(&all);
	expand(text, strlen(text), &bytes);
	buf_printf(&all, "BDAT %zu%s\r\n", bytes.size, last);
	if (bytes.size > 0)
		buf_append(&all, bytes.bytes, bytes.size);
	world_send(&play->world, all.bytes, all.size);
	buf_fini(&all);
	buf_fini(&bytes);
}

static bool
matches(const char *pattern, const char *text)
{
	size_t length = strlen(pattern);

	if (length > 0 && pattern[length - 1] == '*')
		return strncmp(pattern, text, length - 1) == 0;
	return strcmp(pattern, text) == 0;
}

/* Cuts the next line off; NULL when there is none. The line lives until the next call. */
static char *
next_line(const struct buf *from, size_t *at)
{
	static char line[65536];
	const char *start = from->bytes + *at;
	const char *end = from->size > *at ? memmem(start, from->size - *at, "\r\n", 2) : NULL;
	size_t length;

	if (end == NULL)
		return NULL;
	length = (size_t)(end - start);
	if (length >= sizeof(line))
		length = sizeof(line) - 1;
	memcpy(line, start, length);
	line[length] = '\0';
	*at += (size_t)(end - start) + 2;
	return line;
}

static void
expect_reply(struct play *play, const char *pattern)
{
	struct buf *output = &play->world.output;
	size_t used = 0;
	char *line = next_line(output, &used);

	if (line == NULL) {
		fail(play, "expected `%s`, got nothing", pattern);
		return;
	}
	if (!matches(pattern, line))
		fail(play, "expected `%s`, got `%s`", pattern, line);
	memmove(output->bytes, output->bytes + used, output->size - used);
	output->size -= used;
	output->bytes[output->size] = '\0';
}

static void
note_offer(struct play *play)
{
	size_t used = 0;
	const char *line = next_line(&play->world.output, &used);

	if (line != NULL && strlen(line) > 4)
		buf_printf(&play->offers, "\n%s\n", line + 4);
}

/* Lines with a hyphen behind the code, and one without. */
static void
expect_whole_reply(struct play *play, const char *code)
{
	struct buf *output = &play->world.output;
	char pattern[8];

	buf_clear(&play->offers);
	(void)snprintf(pattern, sizeof(pattern), "%.3s-*", code);
	while (!play->has_failed && output->size > 3 && output->bytes[3] == '-') {
		note_offer(play);
		expect_reply(play, pattern);
	}
	note_offer(play);
	pattern[3] = ' ';
	expect_reply(play, pattern);
}

static void
expect_silence(struct play *play)
{
	if (play->world.output.size > 0)
		fail(play, "expected nothing, got `%s`", play->world.output.bytes);
}

static void
expect_body(struct play *play, const char *pattern)
{
	char *line = next_line(&play->world.body, &play->body_at);

	if (line == NULL)
		fail(play, "expected `%s` in the message, which is at its end", pattern);
	else if (!matches(pattern, line))
		fail(play, "expected `%s` in the message, got `%s`", pattern, line);
}

static void
expect_body_end(struct play *play)
{
	const struct buf *body = &play->world.body;

	if (body->size > play->body_at)
		fail(play, "more in the message: `%s`", body->bytes + play->body_at);
	play->body_at = 0;
}

/* ---- directives ---- */

/* `all` or `scram`; each with what is older behind. */
static void
set_mechanisms(struct world *world, const char *name)
{
	static char all[] = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN CRAM-MD5";
	static char scram[] = "SCRAM-SHA-256 PLAIN";

	world->config.auth.mechanisms = strcmp(name, "all") == 0 ? all : scram;
}

static void
on_set(struct play *play, const char *name, const char *value)
{
	struct world *world = &play->world;
	unsigned number = (unsigned)strtoul(value, NULL, 10);

	if (strcmp(name, "recipients") == 0)
		world->config.limits.recipients = number;
	else if (strcmp(name, "message_size") == 0)
		world->config.limits.message_size_bytes = number;
	else if (strcmp(name, "header_size") == 0)
		world->config.limits.header_size_bytes = number;
	else if (strcmp(name, "header_fields") == 0)
		world->config.limits.header_fields = number;
	else if (strcmp(name, "header_line_length") == 0)
		world->config.limits.header_line_length = number;
	else if (strcmp(name, "line_length") == 0)
		world->config.limits.line_length = number;
	else if (strcmp(name, "errors") == 0)
		world->config.limits.errors = number;
	else if (strcmp(name, "idle_commands") == 0)
		world->config.limits.idle_commands = number;
	else if (strcmp(name, "session_time") == 0)
		world->config.limits.session_time_ms = number * INT64_C(1000);
	else if (strcmp(name, "data_timeout") == 0)
		world->config.limits.data_timeout_ms = number * INT64_C(1000);
	else if (strcmp(name, "data_rate") == 0)
		world->config.limits.data_rate_bytes = number;
	else if (strcmp(name, "delay") == 0)
		world->delay_ms = number * 1000;
	else if (strcmp(name, "guess") == 0)
		world->guess = number;
	else if (strcmp(name, "auth_failures") == 0)
		world->config.limits.auth_failures = number;
	else if (strcmp(name, "hold_max") == 0)
		world->config.queue.hold_max_ms = number * INT64_C(1000);
	else if (strcmp(name, "without_tls") == 0)
		world->config.auth.without_tls = strcmp(value, "never") == 0 ? AUTH_CLEAR_NEVER
						 : strcmp(value, "always") == 0
						     ? AUTH_CLEAR_ALWAYS
						     : AUTH_CLEAR_LOOPBACK;
	else if (strcmp(name, "mechanisms") == 0)
		set_mechanisms(world, value);
	else if (strcmp(name, "after_helo") == 0)
		world->config.auth.after_helo = number != 0;
	else if (strcmp(name, "legacy_line") == 0)
		world->config.auth.legacy_line = number != 0;
	else if (strcmp(name, "binding") == 0)
		world->has_binding = number != 0;
	else if (strcmp(name, "loopback") == 0)
		world->setup.is_loopback = number != 0;
	else if (strcmp(name, "offers_tls") == 0)
		world->setup.offers_tls = number != 0;
	else if (strcmp(name, "tls") == 0)
		world->setup.tls_version = "TLSv1.3";
	else if (strcmp(name, "refused") == 0)
		world->setup.is_refused = true;
	else if (strcmp(name, "trusted") == 0)
		world->setup.trusted_login = "billing";
	else if (strcmp(name, "ids") == 0)
		world->next_id = number;
	else if (strcmp(name, "limit_until") == 0)
		world->limit_until_ms = number * INT64_C(1000);
	else if (strcmp(name, "limit_recipients") == 0)
		world->limit_recipients = (uint32_t)number;
	else if (strcmp(name, "keep_credit") == 0)
		world->keeps_credit = number != 0;
	else if (strcmp(name, "queue") == 0)
		world->readiness = strcmp(value, "full") == 0   ? HANDOFF_FULL
				   : strcmp(value, "away") == 0 ? HANDOFF_AWAY
								: HANDOFF_READY;
	else
		fail(play, "unknown setting %s", name);
}

/* ! user [inactive] [unrouted] [alert] [header|envelope] [credential=N] [priority-max=N] [gone]
 *        [domain=D]… [sender=A]… */
static void
on_user(struct play *play, const char *words, const char *rest_of_line)
{
	char domains[256] = "", senders[256] = "", text[512];
	struct world_user user = {.user_id = 1,
	    .login = "billing",
	    .domains = domains,
	    .senders = senders,
	    .is_active = true,
	    .has_profile = true,
	    .credential = 1};
	char *rest = NULL;

	(void)snprintf(text, sizeof(text), "%s %s", words, rest_of_line);
	for (char *word = strtok_r(text, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest)) {
		if (strcmp(word, "inactive") == 0)
			user.is_active = false;
		else if (strcmp(word, "unrouted") == 0)
			user.has_profile = false;
		else if (strcmp(word, "alert") == 0)
			user.unauthorized = UNAUTHORIZED_ALERT;
		else if (strcmp(word, "header") == 0)
			user.check = CHECK_HEADER;
		else if (strcmp(word, "envelope") == 0)
			user.check = CHECK_ENVELOPE;
		else if (strncmp(word, "credential=", 11) == 0)
			user.credential = (uint32_t)strtoul(word + 11, NULL, 10);
		else if (strncmp(word, "priority-max=", 13) == 0)
			user.priority_max = (uint8_t)strtoul(word + 13, NULL, 10);
		else if (strncmp(word, "domain=", 7) == 0)
			(void)strcat(strcat(domains, " "), word + 7);
		else if (strncmp(word, "sender=", 7) == 0)
			(void)strcat(strcat(senders, " "), word + 7);
		else if (strcmp(word, "gone") == 0)
			grant_table_forget_all(play->world.grants);
		else
			fail(play, "unknown word %s", word);
	}
	if (strstr(words, "gone") == NULL)
		world_put_user(&play->world, &user);
}

static void
on_sasl(struct play *play, const char *outcome, const char *challenge)
{
	static const char *const names[] = {"continue", "done", "failed", "temporary", "malformed",
	    "unsupported", "user-full", "shut-out"};

	if (!play->world.is_sasl_waiting)
		fail(play, "nobody asked accounts for a SASL step");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(outcome, names[i]) == 0)
			world_answer_sasl(&play->world, (enum sasl_outcome)i, challenge);
}

/* The last step as `MECHANISM token`, with `-` for no token. */
static void
on_asked_sasl(struct play *play, const char *mechanism, const char *expected)
{
	struct world *world = &play->world;
	struct buf token;

	buf_init(&token);
	if (strcmp(expected, "-") != 0)
		expand(expected, strlen(expected), &token);
	if (!world->is_sasl_waiting || strcmp(world->mechanism, mechanism) != 0)
		fail(play, "expected a step of %s, got %s", mechanism, world->mechanism);
	if (world->has_token != (strcmp(expected, "-") != 0) || world->token.size != token.size ||
	    (token.size > 0 && memcmp(world->token.bytes, token.bytes, token.size) != 0))
		fail(play, "another token than expected: `%s`",
		    world->token.bytes == NULL ? "" : world->token.bytes);
	buf_fini(&token);
}

static void
on_asked_grant(struct play *play, const char *who, const char *rest)
{
	if (!play->world.is_grant_waiting || strcmp(play->world.grant_asked.bytes, who) != 0)
		fail(play, "accounts was not asked for %s", who);
}

static void
on_grant(struct play *play, const char *a, const char *b)
{
	if (strcmp(a, "full") == 0)
		world_answer_full(&play->world);
	else
		world_answer_grant(&play->world);
}

static void
on_commit(struct play *play, const char *outcome, const char *rest)
{
	if (!play->world.is_commit_waiting)
		fail(play, "no commit was asked for");
	world_commit(&play->world, strcmp(outcome, "stored") == 0    ? COMMIT_STORED
				   : strcmp(outcome, "full") == 0    ? COMMIT_DISK_FULL
				   : strcmp(outcome, "limited") == 0 ? COMMIT_LIMITED
								     : COMMIT_FAILED);
}

static void
on_committing(struct play *play, const char *first, const char *rest)
{
	char expected[1024];

	(void)snprintf(expected, sizeof(expected), "%s %s", first, rest);
	if (!play->world.is_commit_waiting || !matches(expected, play->world.commit.bytes))
		fail(play, "expected COMMIT `%s`, got `%s`", expected,
		    play->world.commit.bytes == NULL ? "none" : play->world.commit.bytes);
}

static void
on_lose(struct play *play, const char *role, const char *rest)
{
	if (strcmp(role, "queue") == 0)
		world_lose_queue(&play->world);
	else
		world_lose_accounts(&play->world);
}

static void
on_credit(struct play *play, const char *a, const char *b)
{
	world_give_credit(&play->world);
}

static void
on_pass(struct play *play, const char *seconds, const char *rest)
{
	world_pass_time(&play->world, (int64_t)strtoul(seconds, NULL, 10) * 1000);
}

static void
on_secure(struct play *play, const char *a, const char *b)
{
	if (!play->world.has_started_tls)
		fail(play, "TLS was not begun");
	world_secure(&play->world);
}

static void
on_drain(struct play *play, const char *a, const char *b)
{
	session_drain(play->world.session);
	world_pump(&play->world);
}

static void
on_closed(struct play *play, const char *a, const char *b)
{
	if (!play->world.is_finished)
		fail(play, "the session is still open");
}

static void
on_open(struct play *play, const char *a, const char *b)
{
	if (play->world.is_finished)
		fail(play, "the session has ended");
}

static void
on_count(struct play *play, const char *what, const char *expected)
{
	const struct world *world = &play->world;
	unsigned count = strcmp(what, "aborts") == 0     ? world->aborts
			 : strcmp(what, "commits") == 0  ? world->commits
			 : strcmp(what, "alerts") == 0   ? world->alerts
			 : strcmp(what, "blocked") == 0  ? world->blocked
			 : strcmp(what, "rejected") == 0 ? world->rejected
			 : strcmp(what, "abuses") == 0   ? world->abuses
							 : world->sasl_aborts;

	if (count != strtoul(expected, NULL, 10))
		fail(play, "%u %s", count, what);
}

static void
on_alerted(struct play *play, const char *address, const char *rest)
{
	if (play->world.alerts == 0 || strcmp(play->world.alert.bytes, address) != 0)
		fail(play, "no alert for %s", address);
}

/* A line of the last whole reply, or its beginning up to a blank. */
static bool
is_offered(const struct play *play, const char *first, const char *rest)
{
	char line[1024];

	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(line, sizeof(line), "\n%s%s%s%c", first, rest[0] == '\0' ? "" : " ",
		    rest, i == 0 ? '\n' : ' ');
		if (play->offers.bytes != NULL && strstr(play->offers.bytes, line) != NULL)
			return true;
	}
	return false;
}

static void
on_offers(struct play *play, const char *first, const char *rest)
{
	if (!is_offered(play, first, rest))
		fail(play, "%s %s is not offered", first, rest);
}

static void
on_lacks(struct play *play, const char *first, const char *rest)
{
	if (is_offered(play, first, rest))
		fail(play, "%s %s is offered", first, rest);
}

static void
on_whole(struct play *play, const char *a, const char *b)
{
	play->is_skipped = play->world.piece != 0;
}

static void
on_anew(struct play *play, const char *a, const char *b)
{
	size_t piece = play->world.piece;

	world_fini(&play->world);
	world_init(&play->world);
	play->world.piece = piece;
	play->is_open = false;
	play->body_at = 0;
}

static const struct {
	const char *name;
	void (*handler)(struct play *play, const char *first, const char *rest);
	bool is_before;
} directives[] = {
    {"set", on_set, true},                /* a setting of the world */
    {"user", on_user, true},              /* what the user may do from now on */
    {"sasl", on_sasl, false},             /* accounts answers a step */
    {"asked-sasl", on_asked_sasl, false}, /* accounts was asked this */
    {"anew", on_anew, true},              /* another conversation begins */
    {"whole", on_whole, true},            /* only if the input comes as it is written */
    {"asked-grant", on_asked_grant, false},
    {"grant", on_grant, false},           /* accounts answers with the user's grant; `full`: no */
    {"commit", on_commit, false},         /* queue answers: stored, full, failed, limited */
    {"committing", on_committing, false}, /* queue was asked to commit this */
    {"credit", on_credit, false},         /* queue gives all credit back */
    {"lose", on_lose, false},             /* queue or accounts is gone */
    {"pass", on_pass, false},             /* so many seconds pass */
    {"secure", on_secure, false},         /* the handshake is done */
    {"drain", on_drain, false},           /* the daemon stops */
    {"closed", on_closed, false},         /* the session has ended */
    {"open", on_open, false},             /* it hasn't */
    {"count", on_count, false},     /* aborts, commits, alerts, blocked, rejected, sasl_aborts */
    {"offers", on_offers, false},   /* a line of the last reply read with S+ */
    {"lacks", on_lacks, false},     /* no line of it */
    {"alerted", on_alerted, false}, /* the last alert was for this address */
};

static void
direct(struct play *play, char *text)
{
	char *name = strtok_r(text, " ", &text);
	char *first = strtok_r(NULL, " ", &text);

	for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++) {
		if (strcmp(directives[i].name, name) != 0)
			continue;
		if (!directives[i].is_before)
			open_once(play);
		directives[i].handler(play, first == NULL ? "" : first, text == NULL ? "" : text);
		return;
	}
	fail(play, "unknown directive %s", name);
}

/* ---- playing ---- */

static void
step(struct play *play, char *line)
{
	if (line[0] == '#' || line[0] == '\0')
		return;
	if (strncmp(line, "! ", 2) == 0) {
		direct(play, line + 2);
		return;
	}
	open_once(play);
	if (strncmp(line, "C: ", 3) == 0)
		send_line(play, line + 3);
	else if (strncmp(line, "c: ", 3) == 0)
		send_raw(play, line + 3);
	else if (strncmp(line, "B: ", 3) == 0)
		send_chunk(play, line + 3, "");
	else if (strncmp(line, "L: ", 3) == 0)
		send_chunk(play, line + 3, " LAST");
	else if (strncmp(line, "S: ", 3) == 0)
		expect_reply(play, line + 3);
	else if (strncmp(line, "S+ ", 3) == 0)
		expect_whole_reply(play, line + 3);
	else if (strcmp(line, "S.") == 0)
		expect_silence(play);
	else if (strncmp(line, "M: ", 3) == 0)
		expect_body(play, line + 3);
	else if (strcmp(line, "M.") == 0)
		expect_body_end(play);
	else
		fail(play, "not a step: %s", line);
}

/* The client's last word may be empty. */
static void
chomp(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "C:") == 0)
		(void)strcpy(line, "C: ");
	if (strcmp(line, "M:") == 0)
		(void)strcpy(line, "M: ");
}

static bool
play_file(const char *path, size_t piece)
{
	struct play play = {.path = path};
	FILE *file = fopen(path, "r");
	char line[8192];

	if (file == NULL) {
		perror(path);
		return false;
	}
	world_init(&play.world);
	play.world.piece = piece;
	while (!play.has_failed && !play.is_skipped && fgets(line, sizeof(line), file) != NULL) {
		play.line_number++;
		chomp(line);
		step(&play, line);
	}
	fclose(file);
	if (!play.has_failed && !play.is_skipped)
		expect_silence(&play);
	world_fini(&play.world);
	buf_fini(&play.offers);
	return !play.has_failed;
}

static bool
is_dialogue(const char *name)
{
	size_t length = strlen(name);

	return length > 4 && strcmp(name + length - 4, ".txt") == 0;
}

int
main(int argc, char **argv)
{
	static const size_t pieces[] = {0, 1, 7};
	const char *top = getenv("srcdir");
	char directory[1024], path[2048];
	unsigned played = 0, failed = 0;
	struct dirent *entry;
	DIR *opened;

	(void)snprintf(
	    directory, sizeof(directory), "%s/tests/dialogue/smtpd", top == NULL ? "." : top);
	log_set_level(argc > 1 ? LOG_DEBUG : LOG_ERROR);
	opened = opendir(directory);
	if (opened == NULL) {
		perror(directory);
		return 1;
	}
	while ((entry = readdir(opened)) != NULL) {
		if (!is_dialogue(entry->d_name) ||
		    (argc > 1 && strcmp(argv[1], entry->d_name) != 0))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
			failed += play_file(path, pieces[i]) ? 0 : 1;
		played++;
	}
	closedir(opened);
	printf("%u dialogues played, %u failures\n", played, failed);
	return failed > 0 || played == 0;
}
