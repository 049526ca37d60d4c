/*
 * test_states - every verb in every state: a table of what is answered, and what a refusal changes
 *
 * Each cell is a session of its own, led into its state. After a refusal the state has to be what
 * it was: a recipient is answered as the table has it for that state. Then the same with the
 * command and a NOOP in one piece.
 */
#include "tests/dialogue/world.h"

#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column { START, CLEAR, READY, MAIL, RCPT, CHUNKS, FAILED, SECURED, REFUSED, COLUMNS };

static const char *const column_names[] = {
    "start", "clear", "ready", "mail", "rcpt", "chunks", "failed", "secured", "refused"};

#define RECIPIENT "RCPT TO:<b@example.org>"

/* The code that is answered. 0: none yet, another role is asked; a negative one ends the session,
 * and END does without a word. */
#define END (-1)

static const struct row {
	const char *command;
	int codes[COLUMNS];
} rows[] = {
    /* clang-format off */
	/*                              start  clear  ready  mail   rcpt   chunks failed secured refused */
	{"EHLO me",                    { 250,   250,   250,   250,   250,   250,   250,   250,   503}},
	{"EHLO",                       { 501,   501,   501,   501,   501,   501,   501,   501,   503}},
	{"HELO me",                    { 250,   250,   250,   250,   250,   250,   250,   250,   503}},
	{"HELO",                       { 501,   501,   501,   501,   501,   501,   501,   501,   503}},
	{"STARTTLS",                   { 503,   220,   503,   503,   503,   503,   503,   503,   503}},
	{"STARTTLS now",               { 503,   501,   501,   503,   503,   503,   503,   501,   503}},
	{"AUTH PLAIN AGIAYw==",        { 503,     0,   503,   503,   503,   503,   503,     0,   503}},
	{"AUTH",                       { 503,   501,   501,   503,   503,   503,   503,   501,   503}},
	{"AUTH NONE",                  { 503,   504,   503,   503,   503,   503,   503,   504,   503}},
	{"MAIL FROM:<a@example.com>",  { 503,   530,   250,   503,   503,   503,   250,   530,   503}},
	{"MAIL FROM:<>",               { 503,   530,   250,   503,   503,   503,   250,   530,   503}},
	{"MAIL FROM:<a>",              { 503,   530,   501,   503,   503,   503,   501,   530,   503}},
	{"MAIL FROM:<a@b.example> X",  { 503,   530,   555,   503,   503,   503,   555,   530,   503}},
	{"MAIL",                       { 503,   530,   501,   503,   503,   503,   501,   530,   503}},
	{RECIPIENT,                    { 503,   503,   503,   250,   250,   503,   503,   503,   503}},
	{"RCPT TO:<>",                 { 503,   503,   503,   501,   501,   503,   503,   503,   503}},
	{"RCPT TO:<b@example.org> X",  { 503,   503,   503,   555,   555,   503,   503,   503,   503}},
	{"RCPT",                       { 503,   503,   503,   501,   501,   503,   503,   503,   503}},
	{"DATA",                       { 503,   503,   503,   503,   354,   503,   503,   503,   503}},
	{"DATA now",                   { 503,   503,   503,   503,   501,   503,   503,   503,   503}},
	{"BDAT 0",                     { 503,   503,   503,   503,   250,   250,   554,   503,   503}},
	{"BDAT 0 LAST",                { 503,   503,   503,   503,     0,     0,   554,   503,   503}},
	{"BDAT",                       {-501,  -501,  -501,  -501,  -501,  -501,  -501,  -501,   503}},
	{"BDAT x",                     {-501,  -501,  -501,  -501,  -501,  -501,  -501,  -501,   503}},
	{"RSET",                       { 250,   250,   250,   250,   250,   250,   250,   250,   503}},
	{"RSET now",                   { 501,   501,   501,   501,   501,   501,   501,   501,   503}},
	{"NOOP",                       { 250,   250,   250,   250,   250,   250,   250,   250,   503}},
	{"NOOP anything at all",       { 250,   250,   250,   250,   250,   250,   250,   250,   503}},
	{"VRFY postmaster",            { 252,   252,   252,   252,   252,   252,   252,   252,   503}},
	{"VRFY",                       { 501,   501,   501,   501,   501,   501,   501,   501,   503}},
	{"HELP",                       { 214,   214,   214,   214,   214,   214,   214,   214,   503}},
	{"HELP MAIL",                  { 214,   214,   214,   214,   214,   214,   214,   214,   503}},
	{"HELP EXPN",                  { 504,   504,   504,   504,   504,   504,   504,   504,   503}},
	{"EXPN list",                  { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"ETRN example.com",           { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"ATRN example.com",           { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"TURN",                       { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"SEND FROM:<a@example.com>",  { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"SOML FROM:<a@example.com>",  { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"SAML FROM:<a@example.com>",  { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"BURL imap://x LAST",         { 502,   502,   502,   502,   502,   502,   502,   502,   503}},
	{"XCLIENT ADDR=192.0.2.1",     { 500,   500,   500,   500,   500,   500,   500,   500,   503}},
	{"FROBNICATE",                 { 500,   500,   500,   500,   500,   500,   500,   500,   503}},
	{"",                           { 500,   500,   500,   500,   500,   500,   500,   500,   503}},
	{"NOOP \001",                  { 500,   500,   500,   500,   500,   500,   500,   500,   500}},
	{"GET / HTTP/1.1",             { END,   END,   END,   END,   END,   END,   END,   END,   END}},
	{"QUIT now",                   { 501,   501,   501,   501,   501,   501,   501,   501,   501}},
	{"QUIT",                       {-221,  -221,  -221,  -221,  -221,  -221,  -221,  -221,  -221}},
    /* clang-format on */
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static unsigned failures;

static void
say(struct world *world, const char *line)
{
	world_send(world, line, strlen(line));
	world_send(world, "\r\n", 2);
}

static void
log_in(struct world *world)
{
	say(world, "EHLO me");
	say(world, "AUTH PLAIN AGIAYw==");
	world_answer_sasl(world, SASL_DONE, "");
}

static void
begin_message(struct world *world, enum column column)
{
	log_in(world);
	if (column == READY)
		return;
	say(world, "MAIL FROM:<a@example.com>");
	if (column == MAIL)
		return;
	say(world, RECIPIENT);
	if (column == CHUNKS)
		world_send(world, "BDAT 6\r\nA: b\r\n", 14);
	if (column == FAILED) /* a bare CR */
		world_send(world, "BDAT 3\r\na\rb", 11);
}

/* Leads a new session into the state; what it answered on the way is dropped. */
static void
lead(struct world *world, enum column column)
{
	world_init(world);
	world->setup.is_refused = column == REFUSED;
	world->config.limits.errors = 100;
	world_open(world);
	if (column == CLEAR || column == SECURED)
		say(world, "EHLO me");
	if (column == SECURED) {
		say(world, "STARTTLS");
		world_secure(world);
	}
	if (column >= READY && column <= FAILED)
		begin_message(world, column);
	buf_clear(&world->output);
}

/* The code of the next reply, whose lines are taken off; 0 when there's none. */
static int
take_code(struct world *world)
{
	struct buf *output = &world->output;
	int code = 0;
	bool is_last = false;

	while (!is_last && output->size > 0) {
		char *end = memmem(output->bytes, output->size, "\r\n", 2);
		size_t size = (size_t)(end - output->bytes) + 2;

		code = atoi(output->bytes);
		is_last = output->bytes[3] == ' ';
		output->size -= size;
		memmove(output->bytes, end + 2, output->size + 1);
	}
	return code;
}

static void
expect(enum column column, const char *command, const char *what, int expected, int found)
{
	if (expected == found)
		return;
	fprintf(stderr, "`%s` in %s: expected %d %s, got %d\n", command, column_names[column],
	    expected, what, found);
	failures++;
}

/* A code of the table as what is on the wire. */
static int
on_wire(int code)
{
	return code == END ? 0 : abs(code);
}

static int
expected_for(const char *command, enum column column)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strcmp(rows[i].command, command) == 0)
			return rows[i].codes[column];
	abort();
}

/* One command, and whether a refusal left everything as it was. */
static void
play_alone(const struct row *row, enum column column)
{
	int code = row->codes[column];
	struct world world;

	lead(&world, column);
	say(&world, row->command);
	expect(column, row->command, "as its reply", on_wire(code), take_code(&world));
	expect(column, row->command, "bytes behind its reply", 0, (int)world.output.size);
	expect(column, row->command, "as its end", code < 0, world.is_finished);
	if (code >= 500) {
		say(&world, RECIPIENT);
		expect(column, row->command, "for a recipient behind it",
		    expected_for(RECIPIENT, column), take_code(&world));
	}
	world_fini(&world);
}

/* The second one has its own reply, unless the first ended the session, or waits. */
static void
play_pipelined(const struct row *row, enum column column)
{
	int code = row->codes[column];
	bool is_answered = code > 0 && code != 220 && code != 354;
	struct world world;
	char both[128];

	lead(&world, column);
	(void)snprintf(both, sizeof(both), "%s\r\nNOOP\r\n", row->command);
	world_send(&world, both, strlen(both));
	/* bytes behind STARTTLS are an attack */
	expect(column, row->command, "as its reply when pipelined",
	    code == 220 ? 554 : on_wire(code), take_code(&world));
	expect(column, row->command, "for a NOOP pipelined behind it",
	    is_answered ? expected_for("NOOP", column) : 0, take_code(&world));
	expect(column, row->command, "bytes behind the replies", 0, (int)world.output.size);
	world_fini(&world);
}

/* ---- states in which a command is no command, or not read ---- */

static void
play_text(const char *command)
{
	struct world world;

	lead(&world, RCPT);
	say(&world, "DATA");
	expect(RCPT, "DATA", "as its reply", 354, take_code(&world));
	say(&world, command);
	expect(RCPT, command, "as the reply to text", 0, (int)world.output.size);
	say(&world, ".");
	expect(RCPT, command, "commits", 1, (int)world.commits);
	world_commit(&world, COMMIT_STORED);
	expect(RCPT, command, "for the text", 250, take_code(&world));
	say(&world, RECIPIENT);
	expect(RCPT, command, "for a recipient behind the text", 503, take_code(&world));
	world_fini(&world);
}

/* A line is a SASL response: it goes to accounts, or it's no base64 and ends the exchange. */
static void
play_sasl(const char *command)
{
	struct world world;
	int code;

	lead(&world, CLEAR);
	say(&world, "AUTH PLAIN");
	world_answer_sasl(&world, SASL_CONTINUE, "");
	(void)take_code(&world);
	say(&world, command);
	code = take_code(&world);
	if (code == 0) {
		expect(CLEAR, command, "steps under way", 1, world.is_sasl_waiting);
		world_answer_sasl(&world, SASL_FAILED, "");
		expect(CLEAR, command, "as a response", 535, take_code(&world));
	} else {
		expect(CLEAR, command, "as a response", 501, code);
	}
	say(&world, RECIPIENT);
	expect(CLEAR, command, "for a recipient behind it", 503, take_code(&world));
	world_fini(&world);
}

/* While another role is asked the command waits, and is answered in the state that comes. */
static void
play_waiting(const struct row *row)
{
	struct world world;

	lead(&world, CLEAR);
	say(&world, "AUTH PLAIN AGIAYw==");
	say(&world, row->command);
	expect(CLEAR, row->command, "bytes while accounts thinks", 0, (int)world.output.size);
	world_answer_sasl(&world, SASL_DONE, "");
	expect(READY, row->command, "for the login", 235, take_code(&world));
	expect(
	    READY, row->command, "behind the login", on_wire(row->codes[READY]), take_code(&world));
	world_fini(&world);

	lead(&world, RCPT);
	say(&world, "DATA");
	say(&world, ".");
	buf_clear(&world.output);
	say(&world, row->command);
	expect(RCPT, row->command, "bytes while queue writes", 0, (int)world.output.size);
	world_commit(&world, COMMIT_STORED);
	expect(READY, row->command, "for the message", 250, take_code(&world));
	expect(READY, row->command, "behind the message", on_wire(row->codes[READY]),
	    take_code(&world));
	world_fini(&world);
}

int
main(void)
{
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ROWS; i++) {
		for (enum column column = START; column < COLUMNS; column++) {
			play_alone(&rows[i], column);
			play_pipelined(&rows[i], column);
		}
		play_text(rows[i].command);
		play_sasl(rows[i].command);
		play_waiting(&rows[i]);
	}
	printf("%zu commands in %d states, %u failures\n", ROWS, COLUMNS + 4, failures);
	return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
