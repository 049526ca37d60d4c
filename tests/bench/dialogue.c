/* dialogue - the client's side of SMTP, as fast as the server answers. */
#include "tests/bench/dialogue.h"

#include "common/base64.h"
#include "common/err.h"
#include "common/xalloc.h"
#include "tests/bench/wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define REPLY_SIZE 8192
#define FAILURES_MAX 100 /* in a row: then the server is gone */

enum state {
	AT_BANNER,
	AT_EHLO,
	AT_STARTTLS,
	AT_HANDSHAKE,
	AT_AUTH,
	AT_USER,
	AT_PASSWORD,
	AT_MAIL,
	AT_RCPT,
	AT_DATA,
	AT_DOT,
	AT_QUIT,
	AT_END
};

struct dialogue {
	struct load *load;
	int epoll_fd;
	uint32_t armed;
	struct wire wire;
	enum state state;
	struct buf out;   /* commands, and the header of a message */
	size_t out_sent;  /* of `out` */
	const char *body; /* behind `out`; NULL: none */
	size_t body_sent;
	char reply[REPLY_SIZE];
	size_t reply_size;
	uint64_t number;
	unsigned on_connection;
	uint64_t begun_us, dot_us;
};

static void
enter(struct dialogue *dialogue, enum state state)
{
	dialogue->state = state;
}

static bool
has_output(const struct dialogue *dialogue)
{
	return dialogue->out_sent < dialogue->out.size || dialogue->body != NULL;
}

static void
arm(struct dialogue *dialogue)
{
	uint32_t wanted = EPOLLIN;
	struct epoll_event event = {.data.ptr = dialogue};

	if (has_output(dialogue) || dialogue->wire.wants_writing)
		wanted |= EPOLLOUT;
	if (wanted == dialogue->armed)
		return;
	event.events = wanted;
	(void)epoll_ctl(dialogue->epoll_fd, dialogue->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
	    dialogue->wire.fd, &event);
	dialogue->armed = wanted;
}

static void
disconnect(struct dialogue *dialogue)
{
	wire_close(&dialogue->wire);
	dialogue->armed = 0;
	buf_clear(&dialogue->out);
	dialogue->out_sent = dialogue->reply_size = 0;
	dialogue->body = NULL;
	dialogue->on_connection = 0;
}

static void
connect_anew(struct dialogue *dialogue)
{
	struct load *load = dialogue->load;

	disconnect(dialogue);
	enter(dialogue, AT_END);
	if (load->failures_in_a_row >= FAILURES_MAX)
		return;
	if (dialogue->number == 0)
		dialogue->number = load_take_number(load);
	if (dialogue->number == 0)
		return;
	dialogue->begun_us = load_now_us();
	load->connections++;
	if (wire_connect(&dialogue->wire, NULL, (struct sockaddr *)&load->address,
		load->address_size) != 0) {
		load->failed++;
		load->failures_in_a_row++;
		load_problem(load, "connect failed");
		dialogue->number = 0;
		return;
	}
	enter(dialogue, AT_BANNER);
	dialogue->wire.wants_writing = false; /* the banner says that the connection stands */
	arm(dialogue);
}

static void
fail(struct dialogue *dialogue, const char *why)
{
	if (dialogue->number != 0) {
		dialogue->load->failed++;
		load_problem(dialogue->load, why);
	}
	dialogue->load->failures_in_a_row++;
	dialogue->number = 0;
	connect_anew(dialogue);
}

/* ---- commands ---- */

static void
say(struct dialogue *dialogue, enum state state, const char *text)
{
	buf_text(&dialogue->out, text);
	buf_text(&dialogue->out, "\r\n");
	enter(dialogue, state);
}

static void
say_base64(
    struct dialogue *dialogue, enum state state, const char *before, const char *bytes, size_t size)
{
	char *text = xmalloc(BASE64_TEXT_SIZE(size));

	(void)base64_encode(bytes, size, text);
	buf_printf(&dialogue->out, "%s%s\r\n", before, text);
	free(text);
	enter(dialogue, state);
}

static void
say_mail(struct dialogue *dialogue)
{
	const struct load *load = dialogue->load;

	if (dialogue->on_connection > 0)
		dialogue->begun_us = load_now_us();
	buf_printf(&dialogue->out, "MAIL FROM:<%s>\r\n", load->from);
	if (load->has_pipelining)
		buf_printf(&dialogue->out, "RCPT TO:<%s>\r\nDATA\r\n", load->to);
	enter(dialogue, AT_MAIL);
}

static void
say_auth(struct dialogue *dialogue)
{
	const struct load *load = dialogue->load;
	struct buf token;

	if (load->auth == LOAD_AUTH_LOGIN) {
		say(dialogue, AT_USER, "AUTH LOGIN");
		return;
	}
	buf_init(&token);
	buf_char(&token, '\0');
	buf_text(&token, load->user);
	buf_char(&token, '\0');
	buf_text(&token, load->password);
	say_base64(dialogue, AT_AUTH, "AUTH PLAIN ", token.bytes, token.size);
	buf_fini(&token);
}

static void
say_message(struct dialogue *dialogue)
{
	const struct load *load = dialogue->load;

	buf_printf(&dialogue->out,
	    "From: <%s>\r\nTo: <%s>\r\nSubject: message %" PRIu64
	    "\r\nDate: Sun, 01 Mar 2026 12:31:04 +0000\r\nMessage-ID: <%s.%" PRIu64
	    "@bench.example>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
	    load->from, load->to, dialogue->number, load->run, dialogue->number);
	dialogue->body = load->body;
	dialogue->body_sent = 0;
	enter(dialogue, AT_DOT);
}

static void
after_ehlo(struct dialogue *dialogue)
{
	const struct load *load = dialogue->load;

	if (load->has_starttls && dialogue->wire.ssl == NULL)
		say(dialogue, AT_STARTTLS, "STARTTLS");
	else if (load->auth != LOAD_AUTH_NONE)
		say_auth(dialogue);
	else
		say_mail(dialogue);
}

static void
accept_message(struct dialogue *dialogue)
{
	struct load *load = dialogue->load;
	uint64_t now_us = load_now_us();
	bool is_full;

	load->whole.us[load->whole.count++] = (uint32_t)(now_us - dialogue->begun_us);
	load->dot.us[load->dot.count++] = (uint32_t)(now_us - dialogue->dot_us);
	load->accepted++;
	load->failures_in_a_row = 0;
	if (load->ids != NULL)
		(void)fprintf(
		    load->ids, "%s.%" PRIu64 "@bench.example\n", load->run, dialogue->number);
	dialogue->on_connection++;
	dialogue->number = load_take_number(load);
	is_full = load->per_connection != 0 && dialogue->on_connection >= load->per_connection;
	if (is_full || dialogue->number == 0)
		say(dialogue, AT_QUIT, "QUIT");
	else
		say_mail(dialogue);
}

/* ---- replies ---- */

static void
refuse(struct dialogue *dialogue, const char *reply)
{
	dialogue->load->rejected++;
	load_problem(dialogue->load, reply);
	dialogue->load->failures_in_a_row++;
	dialogue->number = 0;
	connect_anew(dialogue);
}

static char
expected_class(enum state state)
{
	return state == AT_USER || state == AT_PASSWORD || state == AT_DATA ? '3' : '2';
}

static void
on_reply(struct dialogue *dialogue, const char *reply)
{
	const struct load *load = dialogue->load;

	if (reply[0] != expected_class(dialogue->state)) {
		refuse(dialogue, reply);
		return;
	}
	switch (dialogue->state) {
	case AT_BANNER:
		say(dialogue, AT_EHLO, "EHLO bench.example");
		break;
	case AT_EHLO:
		after_ehlo(dialogue);
		break;
	case AT_STARTTLS:
		enter(dialogue, AT_HANDSHAKE);
		break;
	case AT_USER:
		say_base64(dialogue, AT_PASSWORD, "", load->user, strlen(load->user));
		break;
	case AT_PASSWORD:
		say_base64(dialogue, AT_AUTH, "", load->password, strlen(load->password));
		break;
	case AT_AUTH:
		say_mail(dialogue);
		break;
	case AT_MAIL:
		if (!load->has_pipelining)
			buf_printf(&dialogue->out, "RCPT TO:<%s>\r\n", load->to);
		enter(dialogue, AT_RCPT);
		break;
	case AT_RCPT:
		if (!load->has_pipelining)
			buf_text(&dialogue->out, "DATA\r\n");
		enter(dialogue, AT_DATA);
		break;
	case AT_DATA:
		say_message(dialogue);
		break;
	case AT_DOT:
		accept_message(dialogue);
		break;
	default:
		connect_anew(dialogue);
		break;
	}
}

/* Takes the first reply with all its lines; false if it is not there as a whole. */
static bool
take_reply(struct dialogue *dialogue, char reply[static REPLY_SIZE])
{
	char *line = dialogue->reply, *end;
	size_t used;

	for (;;) {
		size_t left = dialogue->reply_size - (size_t)(line - dialogue->reply);

		end = memchr(line, '\n', left);
		if (end == NULL)
			return false;
		if (end - line < 4 || line[3] != '-')
			break;
		line = end + 1;
	}
	used = (size_t)(end + 1 - dialogue->reply);
	(void)snprintf(reply, REPLY_SIZE, "%.*s", (int)(end - line), line);
	memmove(dialogue->reply, dialogue->reply + used, dialogue->reply_size - used);
	dialogue->reply_size -= used;
	return true;
}

/* ---- the socket ---- */

/* How much of what is to be sent went: of the commands or the header first, then of the body. */
static void
note_sent(struct dialogue *dialogue, size_t sent)
{
	size_t of_out = dialogue->out.size - dialogue->out_sent;

	if (of_out > sent)
		of_out = sent;
	dialogue->out_sent += of_out;
	if (dialogue->out_sent == dialogue->out.size) {
		buf_clear(&dialogue->out);
		dialogue->out_sent = 0;
	}
	if (dialogue->body == NULL)
		return;
	dialogue->body_sent += sent - of_out;
	if (dialogue->body_sent == dialogue->load->body_size) {
		dialogue->body = NULL;
		dialogue->dot_us = load_now_us();
	}
}

/* Header and body leave together, as with a client that has both at hand. */
static bool
send_output(struct dialogue *dialogue)
{
	ssize_t sent = 1;

	while (sent > 0 && has_output(dialogue)) {
		bool has_body = dialogue->body != NULL;
		const struct iovec pieces[2] = {
		    {.iov_base = dialogue->out.bytes + dialogue->out_sent,
			.iov_len = dialogue->out.size - dialogue->out_sent},
		    {.iov_base = has_body ? (char *)dialogue->body + dialogue->body_sent : NULL,
			.iov_len = has_body ? dialogue->load->body_size - dialogue->body_sent : 0}};

		sent = wire_write_both(&dialogue->wire, pieces);
		if (sent > 0)
			note_sent(dialogue, (size_t)sent);
	}
	return sent != WIRE_ENDED;
}

static bool
read_replies(struct dialogue *dialogue)
{
	char reply[REPLY_SIZE];
	ssize_t got = wire_read(&dialogue->wire, dialogue->reply + dialogue->reply_size,
	    REPLY_SIZE - dialogue->reply_size);

	if (got == WIRE_ENDED)
		return false;
	dialogue->reply_size += (size_t)got;
	while (dialogue->wire.fd >= 0 && dialogue->state != AT_HANDSHAKE &&
	       take_reply(dialogue, reply))
		on_reply(dialogue, reply);
	return true;
}

static void
shake_hands(struct dialogue *dialogue)
{
	bool has_ended;

	if (wire_start_tls(&dialogue->wire, &has_ended))
		say(dialogue, AT_EHLO, "EHLO bench.example");
	else if (has_ended)
		fail(dialogue, "TLS handshake failed");
}

void
dialogue_step(struct dialogue *dialogue)
{
	bool is_alive = true;

	if (dialogue->wire.fd < 0)
		return;
	dialogue->wire.wants_writing = false;
	if (dialogue->state != AT_HANDSHAKE)
		is_alive = read_replies(dialogue);
	if (is_alive && dialogue->state == AT_HANDSHAKE)
		shake_hands(dialogue);
	if (!is_alive && dialogue->state == AT_QUIT)
		connect_anew(dialogue);
	else if (!is_alive)
		fail(dialogue, "the server closed the connection");
	if (dialogue->wire.fd >= 0 && dialogue->state != AT_BANNER && !send_output(dialogue))
		fail(dialogue, "the server closed the connection");
	if (dialogue->wire.fd >= 0)
		arm(dialogue);
}

void
dialogue_begin(struct dialogue *dialogue)
{
	connect_anew(dialogue);
}

bool
dialogue_is_done(const struct dialogue *dialogue)
{
	return dialogue->state == AT_END;
}

struct dialogue *
dialogue_new(struct load *load, int epoll_fd)
{
	struct dialogue *dialogue = xcalloc(1, sizeof(*dialogue));

	dialogue->load = load;
	dialogue->epoll_fd = epoll_fd;
	dialogue->wire.fd = -1;
	buf_init(&dialogue->out);
	return dialogue;
}

void
dialogue_free(struct dialogue *dialogue)
{
	wire_close(&dialogue->wire);
	buf_fini(&dialogue->out);
	free(dialogue);
}
