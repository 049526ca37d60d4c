/*
 * smtpcrowd - clients as no load generator has them: thousands that stand idle, that come and go,
 * that send a byte a second, that vanish without a word in the middle of anything.
 *
 * Prints key=value lines: `standing=` once the crowd is there (idle, drip), the counts at the end.
 * The end comes after --seconds, or when standard input is closed.
 */
#include "common/err.h"
#include "common/xalloc.h"
#include "tests/bench/load.h"
#include "tests/bench/wire.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define OPENING_MAX 100 /* sessions that are not yet where they want to be, at the same time */
#define REPLY_SIZE 2048
#define TICK_MS 20
#define SECOND_US UINT64_C(1000000)

static const char usage[] = "usage: smtpcrowd --port PORT --mode idle|churn|drip|vanish [options]\n"
			    "  --host ADDRESS     127.0.0.1\n"
			    "  --sessions N       at the same time: 1\n"
			    "  --seconds N        60\n"
			    "  --starttls\n"
			    "  --sources N        come from 127.0.1.1 to 127.0.1.N in turn\n"
			    "  --seed N           for vanish: 1\n";

/* What is said; a reply is waited for behind each. "" only waits, TLS is the handshake. */
#define TLS "tls"
#define HELLO "", "EHLO crowd.example\r\n"
#define HELLO_TLS HELLO, "STARTTLS\r\n", TLS, "EHLO crowd.example\r\n"
#define ENVELOPE "MAIL FROM:<crowd@bench.example>\r\n", "RCPT TO:<to@bench.example>\r\n", "DATA\r\n"
#define TEXT "From: <crowd@bench.example>\r\nSubject: crowd\r\n\r\nwords\r\n.\r\n"

static const char *const greet[] = {HELLO, NULL};
static const char *const greet_tls[] = {HELLO_TLS, NULL};
static const char *const visit[] = {HELLO, "QUIT\r\n", NULL};
static const char *const visit_tls[] = {HELLO_TLS, "QUIT\r\n", NULL};
static const char *const begin_text[] = {HELLO, ENVELOPE, NULL};
static const char *const begin_text_tls[] = {HELLO_TLS, ENVELOPE, NULL};
static const char *const mail[] = {HELLO, ENVELOPE, TEXT, NULL};
static const char *const mail_tls[] = {HELLO_TLS, ENVELOPE, TEXT, NULL};

struct mode {
	const char *name;
	const char *const *script, *const *script_tls;
	bool is_standing;  /* at the end of its script it stays */
	bool has_drops;    /* then, each second, a byte */
	bool is_vanishing; /* somewhere in its script it resets the connection */
};

static const struct mode modes[] = {
    {"idle", greet, greet_tls, true, false, false},
    {"churn", visit, visit_tls, false, false, false},
    {"drip", begin_text, begin_text_tls, true, true, false},
    {"vanish", mail, mail_tls, false, false, true},
};

enum state { NOT_OPEN, OPENING, STANDING };

struct session {
	struct wire wire;
	enum state state;
	uint32_t armed;
	const char *const *at; /* the step whose reply is waited for */
	size_t said;           /* of it */
	char reply[REPLY_SIZE];
	size_t reply_size;
	unsigned vanishes_after; /* steps; 0: never */
	bool vanishes_amid;      /* in the middle of the last one */
	uint64_t begun_us;
	uint64_t drops;
};

struct crowd {
	const struct mode *mode;
	const char *const *script;
	struct sockaddr_storage address;
	socklen_t address_size;
	unsigned sessions, sources, seconds, next_source;
	bool has_starttls;
	int epoll_fd;
	struct session *all;
	unsigned opening, standing;
	uint64_t opened, visits, refused, lost, vanished, failed;
	struct load_times greeting; /* connect to banner */
	uint64_t times_room;
	char first_refusal[256];
};

/* load.h's, for wire.c's sake the only clock here */
uint64_t
load_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_US + (uint64_t)now.tv_nsec / 1000;
}

/* ---- one session ---- */

static void
arm(struct crowd *crowd, struct session *session)
{
	bool is_tls_step =
	    session->at != NULL && *session->at != NULL && strcmp(*session->at, TLS) == 0;
	bool has_more = session->at != NULL && *session->at != NULL && !is_tls_step &&
			session->said < strlen(*session->at);
	uint32_t wanted = EPOLLIN | (has_more || session->wire.wants_writing ? EPOLLOUT : 0u);
	struct epoll_event event = {.events = wanted, .data.ptr = session};

	if (wanted == session->armed)
		return;
	(void)epoll_ctl(crowd->epoll_fd, session->armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
	    session->wire.fd, &event);
	session->armed = wanted;
}

static void
leave(struct crowd *crowd, struct session *session)
{
	crowd->opening -= session->state == OPENING;
	crowd->standing -= session->state == STANDING;
	session->state = NOT_OPEN;
	session->armed = 0;
	wire_close(&session->wire);
}

static void
vanish(struct crowd *crowd, struct session *session)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void)setsockopt(session->wire.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	crowd->vanished++;
	leave(crowd, session);
}

/* Each from another address of the loopback network, as many as there are. */
static int
connect_from_next(struct crowd *crowd, struct wire *wire)
{
	struct sockaddr_in source = {.sin_family = AF_INET};
	const struct sockaddr *from = NULL;

	if (crowd->sources > 0) {
		source.sin_addr.s_addr = htonl(0x7f000101 + crowd->next_source++ % crowd->sources);
		from = (const struct sockaddr *)&source;
	}
	return wire_connect(wire, from, (struct sockaddr *)&crowd->address, crowd->address_size);
}

static void
open_session(struct crowd *crowd, struct session *session)
{
	unsigned steps = 0;

	session->begun_us = load_now_us();
	session->at = crowd->script;
	session->said = session->reply_size = 0;
	if (crowd->mode->is_vanishing) {
		while (crowd->script[steps] != NULL)
			steps++;
		session->vanishes_after = 1 + (unsigned)random() % steps;
		session->vanishes_amid = random() % 2 == 0;
	}
	if (connect_from_next(crowd, &session->wire) != 0) {
		crowd->failed++;
		return;
	}
	crowd->opened++;
	crowd->opening++;
	session->state = OPENING;
	arm(crowd, session);
}

static void
note_greeting(struct crowd *crowd, const struct session *session)
{
	struct load_times *times = &crowd->greeting;

	if (times->count == crowd->times_room) {
		crowd->times_room = crowd->times_room * 2 + 1024;
		times->us = xrealloc(times->us, crowd->times_room, sizeof(*times->us));
	}
	times->us[times->count++] = (uint32_t)(load_now_us() - session->begun_us);
}

static void
refuse(struct crowd *crowd, struct session *session)
{
	crowd->refused++;
	if (crowd->first_refusal[0] == '\0')
		(void)snprintf(crowd->first_refusal, sizeof(crowd->first_refusal), "%.*s",
		    (int)strcspn(session->reply, "\r\n"), session->reply);
	leave(crowd, session);
}

/* The server ended it, or it broke. */
static void
lose(struct crowd *crowd, struct session *session)
{
	crowd->lost++;
	leave(crowd, session);
}

static void
reach_end(struct crowd *crowd, struct session *session)
{
	crowd->visits++;
	if (!crowd->mode->is_standing) {
		leave(crowd, session);
		return;
	}
	crowd->opening--;
	crowd->standing++;
	session->state = STANDING;
	arm(crowd, session);
}

static bool
is_amid_last(const struct session *session)
{
	return session->vanishes_after == 1 && session->vanishes_amid;
}

static bool
say(struct crowd *crowd, struct session *session)
{
	const char *text = *session->at;
	size_t left = strlen(text) - session->said;
	ssize_t moved;

	if (left == 0)
		return true;
	moved = wire_write(
	    &session->wire, text + session->said, is_amid_last(session) ? (left + 1) / 2 : left);
	if (moved == WIRE_ENDED) {
		lose(crowd, session);
		return false;
	}
	session->said += (size_t)moved;
	if (!is_amid_last(session))
		return true;
	vanish(crowd, session);
	return false;
}

/* The last line of a reply is there. */
static bool
is_answered(struct session *session)
{
	char *end = session->reply + session->reply_size;
	char *line = session->reply;
	char *lf;

	while ((lf = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if (lf - line >= 4 && line[3] == ' ')
			return true;
		line = lf + 1;
	}
	return false;
}

static bool
hear(struct crowd *crowd, struct session *session)
{
	size_t room = sizeof(session->reply) - 1 - session->reply_size;
	ssize_t moved = wire_read(&session->wire, session->reply + session->reply_size, room);

	if (moved == WIRE_ENDED) {
		lose(crowd, session);
		return false;
	}
	session->reply_size += (size_t)moved;
	session->reply[session->reply_size] = '\0';
	return moved > 0;
}

static bool
next_step(struct crowd *crowd, struct session *session)
{
	if (session->reply_size > 0 && session->reply[0] >= '4') {
		refuse(crowd, session);
		return false;
	}
	if (session->at == crowd->script)
		note_greeting(crowd, session);
	session->at++;
	session->said = session->reply_size = 0;
	if (session->vanishes_after > 0 && --session->vanishes_after == 0) {
		vanish(crowd, session);
		return false;
	}
	if (*session->at != NULL)
		return true;
	reach_end(crowd, session);
	return false;
}

/* False: nothing more can be done now. */
static bool
take_step(struct crowd *crowd, struct session *session)
{
	bool has_ended = false;

	if (strcmp(*session->at, TLS) == 0) {
		if (wire_start_tls(&session->wire, &has_ended))
			return next_step(crowd, session);
		if (has_ended)
			lose(crowd, session);
		else if (is_amid_last(session))
			vanish(crowd, session);
		return false;
	}
	if (!say(crowd, session) || !hear(crowd, session))
		return false;
	return is_answered(session) ? next_step(crowd, session) : true;
}

static void
on_ready(struct crowd *crowd, struct session *session)
{
	if (session->state == STANDING) {
		session->reply_size = 0;
		(void)hear(crowd, session);
		return;
	}
	while (session->state == OPENING && take_step(crowd, session))
		;
	if (session->state == OPENING)
		arm(crowd, session);
}

/* ---- all of them ---- */

static void
drop_bytes(struct crowd *crowd)
{
	for (unsigned i = 0; i < crowd->sessions; i++) {
		struct session *session = &crowd->all[i];
		const char *drop = session->drops % 64 == 62   ? "\r"
				   : session->drops % 64 == 63 ? "\n"
							       : "a";

		if (session->state != STANDING)
			continue;
		session->drops++;
		if (wire_write(&session->wire, drop, 1) == WIRE_ENDED)
			lose(crowd, session);
	}
}

static void
open_more(struct crowd *crowd)
{
	bool is_again = !crowd->mode->is_standing;

	for (unsigned i = 0; i < crowd->sessions && crowd->opening < OPENING_MAX; i++) {
		struct session *session = &crowd->all[i];

		if (session->state == NOT_OPEN && (is_again || session->begun_us == 0))
			open_session(crowd, session);
	}
}

static bool
is_told_to_end(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) == 1;
}

static void
run(struct crowd *crowd)
{
	uint64_t begun_us = load_now_us();
	uint64_t second_us = begun_us;
	bool has_told = false;
	struct epoll_event events[EVENTS];

	while (load_now_us() - begun_us < crowd->seconds * SECOND_US && !is_told_to_end()) {
		int count;

		open_more(crowd);
		count = epoll_wait(crowd->epoll_fd, events, EVENTS, TICK_MS);
		for (int i = 0; i < count; i++)
			on_ready(crowd, events[i].data.ptr);
		if (crowd->mode->has_drops && load_now_us() - second_us >= SECOND_US) {
			second_us += SECOND_US;
			drop_bytes(crowd);
		}
		if (crowd->mode->is_standing && !has_told &&
		    crowd->standing + crowd->lost + crowd->refused + crowd->failed >=
			crowd->sessions) {
			printf("standing=%u\nopened_ms=%" PRIu64 "\n", crowd->standing,
			    (load_now_us() - begun_us) / 1000);
			has_told = fflush(stdout) == 0;
		}
	}
}

static int
compare_us(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static double
percentile_ms(struct load_times *times, unsigned percent)
{
	return times->count == 0 ? 0 : times->us[(times->count - 1) * percent / 100] / 1000.0;
}

static void
print_end(struct crowd *crowd)
{
	struct load_times *times = &crowd->greeting;

	if (times->count > 0)
		qsort(times->us, times->count, sizeof(*times->us), compare_us);
	printf("opened=%" PRIu64 "\nvisits=%" PRIu64 "\nstanding_at_end=%u\n", crowd->opened,
	    crowd->visits, crowd->standing);
	printf("refused=%" PRIu64 "\nlost=%" PRIu64 "\nvanished=%" PRIu64 "\nfailed=%" PRIu64 "\n",
	    crowd->refused, crowd->lost, crowd->vanished, crowd->failed);
	printf("greeting_p50_ms=%.3f\ngreeting_p99_ms=%.3f\n", percentile_ms(times, 50),
	    percentile_ms(times, 99));
	if (crowd->first_refusal[0] != '\0')
		printf("first_refusal=%s\n", crowd->first_refusal);
}

/* ---- the command line ---- */

static void __attribute__((noreturn)) fail_usage(void)
{
	(void)fputs(usage, stderr);
	exit(2);
}

static const struct mode *
find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	fail_usage();
}

static void
parse_host(struct crowd *crowd, const char *host, unsigned port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&crowd->address;

	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)port);
	crowd->address_size = sizeof(*address);
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1 || port == 0 || port > 65535)
		fail_usage();
}

static void
parse_options(struct crowd *crowd, int argc, char **argv)
{
	static const struct option words[] = {{"port", required_argument, NULL, 'p'},
	    {"host", required_argument, NULL, 'h'}, {"mode", required_argument, NULL, 'm'},
	    {"sessions", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
	    {"starttls", no_argument, NULL, 't'}, {"sources", required_argument, NULL, 'f'},
	    {"seed", required_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};
	const char *host = "127.0.0.1";
	unsigned port = 0;
	int word;

	while ((word = getopt_long(argc, argv, "", words, NULL)) != -1) {
		unsigned number = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		if (word == 'p')
			port = number;
		else if (word == 'h')
			host = optarg;
		else if (word == 'm')
			crowd->mode = find_mode(optarg);
		else if (word == 'n')
			crowd->sessions = number;
		else if (word == 's')
			crowd->seconds = number;
		else if (word == 't')
			crowd->has_starttls = true;
		else if (word == 'f')
			crowd->sources = number;
		else if (word == 'r')
			srandom(number);
		else
			fail_usage();
	}
	if (crowd->mode == NULL || crowd->sessions == 0 || optind != argc)
		fail_usage();
	crowd->script = crowd->has_starttls ? crowd->mode->script_tls : crowd->mode->script;
	parse_host(crowd, host, port);
}

int
main(int argc, char **argv)
{
	struct crowd crowd = {.sessions = 1, .seconds = 60};

	parse_options(&crowd, argc, argv);
	crowd.all = xcalloc(crowd.sessions, sizeof(*crowd.all));
	for (unsigned i = 0; i < crowd.sessions; i++)
		crowd.all[i].wire.fd = -1;
	crowd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ensure(crowd.epoll_fd >= 0);
	if (crowd.has_starttls)
		wire_init_tls();
	run(&crowd);
	print_end(&crowd);
	for (unsigned i = 0; i < crowd.sessions; i++)
		if (crowd.all[i].state != NOT_OPEN)
			leave(&crowd, &crowd.all[i]);
	free(crowd.greeting.us);
	free(crowd.all);
	(void)close(crowd.epoll_fd);
	return crowd.failed > 0;
}
