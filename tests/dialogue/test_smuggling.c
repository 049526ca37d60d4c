/*
 * test_smuggling - whatever odd line ends a client puts around a dot, one message is one message
 *
 * Between two halves of a text stands a string of CR, LF, dots and what others take for them; the
 * second half looks like commands. Behind DATA and in chunks, in the header and in the body, cut
 * at each octet: the session never takes the second half for commands, and queue never gets a CR
 * or LF that isn't a line's end, nor a NUL.
 */
#include "tests/dialogue/world.h"

#include "common/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND "DATA\r\nsecond\r\n"
#define BEHIND "MAIL FROM:<evil@example.com>\r\nRCPT TO:<victim@example.org>\r\n" SECOND

enum framing { BY_DATA, BY_BDAT };

static const struct {
	const char *name, *before;
} places[] = {
    {"at the beginning", ""},
    {"in a header field", "Subject: x"},
    {"behind the header", "Subject: x\r\n"},
    {"in the body", "Subject: x\r\n\r\nfirst"},
    {"behind a line", "Subject: x\r\n\r\nfirst\r\n"},
};
#define PLACES (sizeof(places) / sizeof(places[0]))

/* Longer ones than are tried exhaustively. */
/* clang-format off */
static const struct {
	const char *bytes;
	size_t size;
} known[] = {
#define ROW(bytes) {bytes, sizeof(bytes) - 1}
    ROW("\n.\n"), ROW("\n.\r\n"), ROW("\r.\r\n"), ROW("\r.\r"), ROW("\r\n.\n"), ROW("\r\n.\r"),
    ROW("\n\n.\r\n"), ROW("\r\r\n.\r\r\n"), ROW("\r\n.\r\r\n"), ROW("\n\r.\n\r"),
    ROW("\r\n\0.\r\n"), ROW("\r\n.\0\r\n"), ROW("\r\n.\r\0\n"), ROW("\r\0\n.\r\n"),
    ROW("\r\n.\v\r\n"), ROW("\v.\v"), ROW("\r\n.\x85"), ROW("\x85.\x85"), ROW("\f.\f"),
    ROW("\xc2\x85.\xc2\x85"), ROW("\xe2\x80\xa8.\xe2\x80\xa8"), ROW("\x8d\x8a.\x8d\x8a"),
    ROW("\r\n..\r\n"), ROW("\r\n. \r\n"), ROW("\r\n .\r\n"), ROW("\r\n.\t\r\n"),
    ROW("\n.\r\n.\n"), ROW("\r\n\r.\r\n"), ROW("\x1a"), ROW("\r\n.\r\n.\n.\r"),
#undef ROW
};
/* clang-format on */

static unsigned long played, failed;

struct attempt {
	enum framing framing;
	size_t place;
	const char *bytes;
	size_t size, split;
};

static void
fail(const struct attempt *attempt, const char *what)
{
	fprintf(stderr, "%s, %s, cut at %zu:", attempt->framing == BY_DATA ? "DATA" : "BDAT",
	    places[attempt->place].name, attempt->split);
	for (size_t i = 0; i < attempt->size; i++)
		fprintf(stderr, " %02x", (unsigned char)attempt->bytes[i]);
	fprintf(stderr, ": %s\n", what);
	failed++;
}

static void
begin(struct world *world)
{
	static const char envelope[] = "EHLO me\r\nMAIL FROM:<a@example.com> BODY=8BITMIME\r\n"
				       "RCPT TO:<b@example.org>\r\n";

	world_init(world);
	world->setup.trusted_login = "billing";
	world_open(world);
	world_send(world, envelope, strlen(envelope));
	world_answer_grant(world);
	buf_clear(&world->output);
}

static void
send_chunk(struct world *world, const char *bytes, size_t size, const char *last)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "BDAT %zu%s\r\n", size, last);
	world_send(world, command, strlen(command));
	if (size > 0)
		world_send(world, bytes, size);
}

static void
send_text(struct world *world, const struct attempt *attempt, const struct buf *text)
{
	size_t split = attempt->split;

	if (attempt->framing == BY_BDAT) {
		send_chunk(world, text->bytes, split, "");
		send_chunk(world, text->bytes + split, text->size - split, " LAST");
		return;
	}
	world_send(world, "DATA\r\n", 6);
	if (split > 0)
		world_send(world, text->bytes, split);
	world_send(world, text->bytes + split, text->size - split);
	world_send(world, "\r\n.\r\n", 5);
}

static bool
has(const struct buf *bytes, const char *text)
{
	return bytes->size > 0 && memmem(bytes->bytes, bytes->size, text, strlen(text)) != NULL;
}

/* Taken whole, or refused. */
static void
check(struct world *world, const struct attempt *attempt)
{
	bool is_taken = world->is_commit_waiting;

	if (has(&world->output, "250 2.1.0") || has(&world->output, "503") || world->commits > 1)
		fail(attempt, "the second half was taken for commands");
	if (is_taken && !world_body_is_clean(world))
		fail(attempt, "queue got a bare CR or LF, or a NUL");
	if (is_taken && !has(&world->body, SECOND))
		fail(attempt, "the second half is not in the message");
	if (!is_taken && !has(&world->output, "554 5.6.0 Malformed message (") &&
	    !has(&world->output, "500 5.5.2"))
		fail(attempt, "neither taken nor refused");
	world_commit(world, COMMIT_STORED);
	if (world->is_message_open)
		fail(attempt, "a message was left open");
}

/* CRLF.CRLF behind DATA is the end; that it is, is for the dialogues. */
static bool
is_end(const struct attempt *attempt, const struct buf *text)
{
	return attempt->framing == BY_DATA &&
	       ((text->size >= 3 && memcmp(text->bytes, ".\r\n", 3) == 0) ||
		   memmem(text->bytes, text->size, "\r\n.\r\n", 5) != NULL);
}

static void
try(struct attempt attempt)
{
	const char *before = places[attempt.place].before;
	struct world world;
	struct buf text;

	buf_init(&text);
	buf_text(&text, before);
	buf_append(&text, attempt.bytes, attempt.size);
	buf_text(&text, BEHIND);
	attempt.split += strlen(before);
	if (!is_end(&attempt, &text)) {
		begin(&world);
		send_text(&world, &attempt, &text);
		check(&world, &attempt);
		world_fini(&world);
		played++;
	}
	buf_fini(&text);
}

static void
try_everywhere(const char *bytes, size_t size)
{
	struct attempt attempt = {.bytes = bytes, .size = size};

	for (int framing = BY_DATA; framing <= BY_BDAT; framing++)
		for (attempt.place = 0; attempt.place < PLACES; attempt.place++)
			for (attempt.split = 0; attempt.split <= size; attempt.split++) {
				attempt.framing = (enum framing)framing;
				try(attempt);
			}
}

/* All strings of this length. */
static void
try_all(size_t size)
{
	static const char octets[] = {'\r', '\n', '.', '\0', '\v', '\x85', 'x'};
	size_t digits[8] = {0}, at;
	char bytes[8];

	do {
		for (size_t i = 0; i < size; i++)
			bytes[i] = octets[digits[i]];
		try_everywhere(bytes, size);
		for (at = 0; at < size && ++digits[at] == sizeof(octets); at++)
			digits[at] = 0;
	} while (at < size);
}

int
main(void)
{
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		try_everywhere(known[i].bytes, known[i].size);
	for (size_t size = 1; size <= 4; size++)
		try_all(size);
	printf("%lu attempts, %lu failures\n", played, failed);
	return failed > 0 || played == 0;
}
