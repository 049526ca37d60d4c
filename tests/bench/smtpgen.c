/*
 * smtpgen - a load generator: so many sessions send so many messages, each with a Message-ID of its
 * own, and the times until the server took them are measured.
 *
 * Prints one key=value per line. Exit status 0: every message was accepted; 1: not; 2: usage.
 */
#include "common/err.h"
#include "common/xalloc.h"
#include "tests/bench/dialogue.h"
#include "tests/bench/wire.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define HEADER_SIZE 300 /* about what dialogue.c writes above the body */
#define LINE_SIZE 76
#define EVENTS 64

static const char usage[] =
    "usage: smtpgen --port PORT [options]\n"
    "  --host ADDRESS        127.0.0.1\n"
    "  --sessions N          at the same time: 1\n"
    "  --messages N          in all: 1\n"
    "  --size BYTES          of a message: 1024\n"
    "  --per-connection N    messages on one connection: 1; 0: all\n"
    "  --pipelining          MAIL, RCPT and DATA in one write\n"
    "  --starttls\n"
    "  --auth plain|login --user USER --password PASSWORD\n"
    "  --from ADDRESS --to ADDRESS\n"
    "  --run WORD            begins every Message-ID: the time of the start\n"
    "  --ids FILE            Message-IDs that were accepted, one a line\n"
    "  --seconds N           gives up after so long: 60\n";

uint64_t
load_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
load_take_number(struct load *load)
{
	return load->started < load->messages ? ++load->started : 0;
}

void
load_problem(struct load *load, const char *text)
{
	if (load->first_problem[0] == '\0')
		(void)snprintf(load->first_problem, sizeof(load->first_problem), "%s", text);
}

/* Lines of letters, some that begin with a dot, and the end of the data. */
static void
make_body(struct load *load)
{
	size_t size = load->size_bytes > HEADER_SIZE ? load->size_bytes - HEADER_SIZE : 0;
	struct buf body;

	buf_init(&body);
	for (unsigned line = 0; body.size + LINE_SIZE + 2 <= size; line++) {
		if (line % 50 == 49)
			buf_text(&body, "..");
		for (unsigned i = line % 50 == 49 ? 2 : 0; i < LINE_SIZE; i++)
			buf_char(&body, (char)('a' + (line + i) % 26));
		buf_text(&body, "\r\n");
	}
	buf_text(&body, "the end\r\n.\r\n");
	load->body_size = body.size;
	load->body = buf_give(&body);
}

static int
set_address(struct load *load, const char *host, uint16_t port)
{
	struct sockaddr_in *v4 = (void *)&load->address;
	struct sockaddr_in6 *v6 = (void *)&load->address;

	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		load->address_size = sizeof(*v4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) != 1)
		return -1;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	load->address_size = sizeof(*v6);
	return 0;
}

static int
compare_times(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

static void
print_times(const char *name, struct load_times *times)
{
	double p50 = 0, p99 = 0, most = 0;

	qsort(times->us, times->count, sizeof(times->us[0]), compare_times);
	if (times->count > 0) {
		p50 = times->us[times->count / 2] / 1e3;
		p99 = times->us[times->count * 99 / 100] / 1e3;
		most = times->us[times->count - 1] / 1e3;
	}
	printf(
	    "%s_p50_ms=%.3f\n%s_p99_ms=%.3f\n%s_max_ms=%.3f\n", name, p50, name, p99, name, most);
}

static void
report(struct load *load, uint64_t begun_us)
{
	double seconds = (double)(load_now_us() - begun_us) / 1e6;

	printf("started_at_us=%" PRIu64 "\n", begun_us);
	printf("seconds=%.3f\n", seconds);
	printf("accepted=%" PRIu64 "\n", load->accepted);
	printf("rejected=%" PRIu64 "\n", load->rejected);
	printf("failed=%" PRIu64 "\n", load->failed);
	printf("unfinished=%" PRIu64 "\n",
	    load->messages - load->accepted - load->rejected - load->failed);
	printf("connections=%" PRIu64 "\n", load->connections);
	printf("rate=%.1f\n", (double)load->accepted / seconds);
	print_times("whole", &load->whole);
	print_times("dot", &load->dot);
	if (load->first_problem[0] != '\0')
		printf("problem=%s\n", load->first_problem);
}

static bool
is_all_done(struct dialogue *const *dialogues, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!dialogue_is_done(dialogues[i]))
			return false;
	return true;
}

static void
run(struct load *load, uint64_t until_us)
{
	struct dialogue **dialogues = xcalloc(load->sessions, sizeof(struct dialogue *));
	struct epoll_event events[EVENTS];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	ensure(epoll_fd >= 0);
	for (unsigned i = 0; i < load->sessions; i++) {
		dialogues[i] = dialogue_new(load, epoll_fd);
		dialogue_begin(dialogues[i]);
	}
	while (!is_all_done(dialogues, load->sessions) && load_now_us() < until_us) {
		int count = epoll_wait(epoll_fd, events, EVENTS, 100);

		for (int i = 0; i < count; i++)
			dialogue_step(events[i].data.ptr);
	}
	for (unsigned i = 0; i < load->sessions; i++)
		dialogue_free(dialogues[i]);
	free(dialogues);
	(void)close(epoll_fd);
}

struct options {
	struct load *load;
	const char *host;
	uint16_t port;
	uint64_t seconds;
};

static int
set_auth(struct load *load, const char *name)
{
	if (strcmp(name, "plain") == 0)
		load->auth = LOAD_AUTH_PLAIN;
	else if (strcmp(name, "login") == 0)
		load->auth = LOAD_AUTH_LOGIN;
	else
		return -1;
	return 0;
}

/* A flat switch. */
static int
set_option(struct options *options, int option, const char *value)
{
	struct load *load = options->load;
	uint64_t number = value != NULL ? strtoull(value, NULL, 10) : 0;

	switch (option) {
	case 'h':
		options->host = value;
		return 0;
	case 'p':
		options->port = (uint16_t)number;
		return 0;
	case 's':
		load->sessions = (unsigned)number;
		return number > 0 ? 0 : -1;
	case 'm':
		load->messages = number;
		return number > 0 ? 0 : -1;
	case 'z':
		load->size_bytes = number;
		return 0;
	case 'c':
		load->per_connection = (unsigned)number;
		return 0;
	case 'P':
		load->has_pipelining = true;
		return 0;
	case 'S':
		load->has_starttls = true;
		return 0;
	case 'a':
		return set_auth(load, value);
	case 'u':
		load->user = value;
		return 0;
	case 'w':
		load->password = value;
		return 0;
	case 'f':
		load->from = value;
		return 0;
	case 't':
		load->to = value;
		return 0;
	case 'r':
		load->run = value;
		return 0;
	case 'i':
		load->ids = fopen(value, "w");
		return load->ids != NULL ? 0 : -1;
	case 'd':
		options->seconds = number;
		return 0;
	default:
		return -1;
	}
}

static int
parse_options(struct options *options, int argc, char **argv)
{
	static const struct option rows[] = {
	    {"host", required_argument, NULL, 'h'},
	    {"port", required_argument, NULL, 'p'},
	    {"sessions", required_argument, NULL, 's'},
	    {"messages", required_argument, NULL, 'm'},
	    {"size", required_argument, NULL, 'z'},
	    {"per-connection", required_argument, NULL, 'c'},
	    {"pipelining", no_argument, NULL, 'P'},
	    {"starttls", no_argument, NULL, 'S'},
	    {"auth", required_argument, NULL, 'a'},
	    {"user", required_argument, NULL, 'u'},
	    {"password", required_argument, NULL, 'w'},
	    {"from", required_argument, NULL, 'f'},
	    {"to", required_argument, NULL, 't'},
	    {"run", required_argument, NULL, 'r'},
	    {"ids", required_argument, NULL, 'i'},
	    {"seconds", required_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", rows, NULL)) != -1)
		if (set_option(options, option, optarg) != 0)
			return -1;
	if (optind != argc || options->port == 0)
		return -1;
	return set_address(options->load, options->host, options->port);
}

int
main(int argc, char **argv)
{
	char run_word[32];
	struct load load = {.sessions = 1,
	    .messages = 1,
	    .per_connection = 1,
	    .size_bytes = 1024,
	    .user = "",
	    .password = "",
	    .from = "sender@bench.example",
	    .to = "recipient@bench.example",
	    .run = run_word};
	struct options options = {.load = &load, .host = "127.0.0.1", .seconds = 60};
	uint64_t begun_us = load_now_us();

	(void)snprintf(run_word, sizeof(run_word), "%" PRIu64, begun_us);
	if (parse_options(&options, argc, argv) != 0) {
		(void)fputs(usage, stderr);
		return 2;
	}
	wire_init_tls();
	make_body(&load);
	load.whole.us = xcalloc(load.messages, sizeof(uint32_t));
	load.dot.us = xcalloc(load.messages, sizeof(uint32_t));
	begun_us = load_now_us();
	run(&load, begun_us + options.seconds * 1000000);
	report(&load, begun_us);
	if (load.ids != NULL && fclose(load.ids) != 0)
		return 1;
	free(load.body);
	free(load.whole.us);
	free(load.dot.us);
	return load.accepted == load.messages ? 0 : 1;
}
