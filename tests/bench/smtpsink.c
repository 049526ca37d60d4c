/*
 * smtpsink - takes every message and counts it by its Message-ID; cheap, also at 1 MiB a message.
 *
 * Prints `port=N` when it listens, and its counts at SIGTERM. Two verbs of its own serve scripts:
 * XSTAT answers the counts, XRESET forgets them.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/xalloc.h"
#include "tests/bench/idset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE (256u * 1024)
#define HEADER_MAX 16384 /* so far is looked for the Message-ID */
#define LINE_MAX_SIZE 4096
#define EVENTS 64
#define LIMITED_READ 4096          /* at a time, with --read-rate: all get their turn */
#define LIMITED_BUFFER (64 * 1024) /* of the kernel, then */
#define FLUSHED_SIZE 8192          /* with --flush, for each message */
#define FLUSHED_COUNT 1024         /* then over the first of them again: the file has a size */
#define IDLE_US 1000               /* nothing came for so long: then nothing is made up for */

static const char usage[] =
    "usage: smtpsink [options]\n"
    "  --port PORT\n"
    "  --ids FILE       Message-IDs that were taken, one a line\n"
    "  --log FILE       when each was taken: microseconds of the monotonic clock, Message-ID\n"
    "  --delay MS       before each reply to the end of the data\n"
    "  --pace N         so many of these replies a second in all, in the order of the data\n"
    "  --read-rate N    so many bytes a second in all\n"
    "  --flush FILE     writes two pages there before each of these replies, and flushes them\n"
    "  --chunking       is announced, and BDAT taken\n";

struct client {
	int fd;
	bool has_data;  /* between DATA and the final dot */
	bool has_chunk; /* behind BDAT; with `chunk_left` bytes to come */
	bool is_last;   /* chunk */
	size_t chunk_left;
	bool is_ending;  /* after QUIT */
	struct buf line; /* the beginning of a command */
	struct buf header;
	bool has_id;
	char tail[5]; /* the last bytes of the data, where the final dot may begin */
	size_t tail_size;
	struct buf out;
	uint64_t due_ms; /* 0: at once */
	struct client *next;
};

static struct {
	struct idset ids;
	uint64_t messages, without_id, bytes, connections;
	uint64_t first_us, last_us;
	uint64_t delay_ms;
	uint64_t pace, paced_us;         /* replies a second, and when the last of them is due */
	uint64_t read_rate, readable_us; /* bytes a second, and when the next may be read */
	bool has_chunking;
	FILE *log;
	struct client *clients;
	int epoll_fd;
	int flushed_fd; /* -1: nothing is flushed */
} sink = {.flushed_fd = -1};

static volatile sig_atomic_t is_stopping;

static uint64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
format_counts(struct buf *out, const char *separator)
{
	buf_printf(out,
	    "messages=%" PRIu64 "%sunique=%zu%sduplicates=%" PRIu64 "%swithout_id=%" PRIu64
	    "%sbytes=%" PRIu64 "%sconnections=%" PRIu64 "%sfirst_us=%" PRIu64 "%slast_us=%" PRIu64,
	    sink.messages, separator, sink.ids.unique, separator, sink.ids.duplicates, separator,
	    sink.without_id, separator, sink.bytes, separator, sink.connections, separator,
	    sink.first_us, separator, sink.last_us);
}

static void
reset_counts(void)
{
	idset_fini(&sink.ids);
	sink.messages = sink.without_id = sink.bytes = sink.connections = 0;
	sink.first_us = sink.last_us = 0;
}

/* ---- data ---- */

static void
note_id(struct client *client)
{
	char *at = client->header.bytes, *end;

	while (at != NULL && strncasecmp(at, "message-id:", 11) != 0) {
		at = strchr(at, '\n');
		if (at != NULL)
			at++;
	}
	if (at == NULL || (at = strchr(at, '<')) == NULL || (end = strchr(at, '>')) == NULL) {
		sink.without_id++;
		return;
	}
	idset_add(&sink.ids, at + 1, (size_t)(end - at - 1));
	if (sink.log != NULL)
		(void)fprintf(sink.log, "%" PRIu64 " %.*s\n",
		    client->due_ms > 0 ? client->due_ms * 1000 : sink.last_us, (int)(end - at - 1),
		    at + 1);
}

/* When the reply to the message is due. */
static uint64_t
find_due_ms(void)
{
	uint64_t now = now_us();

	if (sink.pace > 0) {
		sink.paced_us += 1000000 / sink.pace;
		if (sink.paced_us < now)
			sink.paced_us = now;
		return sink.paced_us / 1000;
	}
	return sink.delay_ms > 0 ? now / 1000 + sink.delay_ms : 0;
}

/* A file as long as it gets: no later flush has anything but data to write. */
static int
open_flushed(const char *path)
{
	static const char pages[FLUSHED_SIZE];

	sink.flushed_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (unsigned i = 0; i < FLUSHED_COUNT && sink.flushed_fd >= 0; i++)
		if (write(sink.flushed_fd, pages, sizeof(pages)) != sizeof(pages))
			return -1;
	return sink.flushed_fd < 0 ? -1 : fsync(sink.flushed_fd);
}

/* What a message costs a server that does nothing else for it. */
static void
flush_pages(void)
{
	static const char pages[FLUSHED_SIZE];
	off_t at = (off_t)(sink.messages % FLUSHED_COUNT * sizeof(pages));

	ensure(pwrite(sink.flushed_fd, pages, sizeof(pages), at) == sizeof(pages));
	ensure(fdatasync(sink.flushed_fd) == 0);
}

static void
end_message(struct client *client)
{
	if (sink.flushed_fd >= 0)
		flush_pages();
	sink.messages++;
	sink.last_us = now_us();
	if (sink.first_us == 0)
		sink.first_us = sink.last_us;
	client->due_ms = find_due_ms();
	if (client->header.size > 0)
		note_id(client);
	else
		sink.without_id++;
	buf_clear(&client->header);
	client->has_data = false;
	buf_text(&client->out, "250 2.0.0 Ok\r\n");
}

static void
keep_tail(struct client *client, const char *bytes, size_t size)
{
	size_t kept = sizeof(client->tail) - 1;
	char both[2 * sizeof(client->tail)];

	if (size >= kept) {
		memcpy(client->tail, bytes + size - kept, kept);
		client->tail_size = kept;
		return;
	}
	memcpy(both, client->tail, client->tail_size);
	memcpy(both + client->tail_size, bytes, size);
	size += client->tail_size;
	if (size < kept)
		kept = size;
	memcpy(client->tail, both + size - kept, kept);
	client->tail_size = kept;
}

/* Behind the final dot, if it lies in these bytes as a whole; else NULL. Dots are rare: memmem() takes five
 * times as long. */
static const char *
find_dot(const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size;

	while ((at = memchr(at, '.', (size_t)(end - at))) != NULL) {
		if (at - bytes >= 2 && end - at >= 3 && memcmp(at - 2, "\r\n.\r\n", 5) == 0)
			return at + 3;
		at++;
	}
	return NULL;
}

/* How many bytes of this read belong to the message, its final dot included; 0: all, and more. */
static size_t
find_end(const struct client *client, const char *bytes, size_t size)
{
	char seam[2 * sizeof(client->tail)];
	size_t head = size < 4 ? size : 4;
	const char *at;

	memcpy(seam, client->tail, client->tail_size);
	memcpy(seam + client->tail_size, bytes, head);
	at = find_dot(seam, client->tail_size + head);
	if (at != NULL)
		return (size_t)(at - seam) - client->tail_size;
	at = find_dot(bytes, size);
	return at != NULL ? (size_t)(at - bytes) : 0;
}

static void
keep_header(struct client *client, const char *bytes, size_t size)
{
	size_t room = HEADER_MAX - client->header.size;

	if (room > 0)
		buf_append(&client->header, bytes, size < room ? size : room);
}

static size_t
take_data(struct client *client, const char *bytes, size_t size)
{
	size_t used = find_end(client, bytes, size);
	bool has_ended = used > 0;

	if (!has_ended)
		used = size;
	keep_header(client, bytes, used);
	sink.bytes += used;
	if (has_ended)
		end_message(client);
	else
		keep_tail(client, bytes, used);
	return used;
}

static size_t
take_chunk(struct client *client, const char *bytes, size_t size)
{
	size_t used = size < client->chunk_left ? size : client->chunk_left;

	keep_header(client, bytes, used);
	sink.bytes += used;
	client->chunk_left -= used;
	if (client->chunk_left > 0)
		return used;
	client->has_chunk = false;
	if (client->is_last)
		end_message(client);
	else
		buf_text(&client->out, "250 2.0.0 Ok\r\n");
	return used;
}

/* ---- commands ---- */

static void
answer_ehlo(struct client *client)
{
	buf_printf(&client->out,
	    "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n%s250 8BITMIME\r\n",
	    sink.has_chunking ? "250-CHUNKING\r\n" : "");
}

static void
begin_chunk(struct client *client, const char *words)
{
	client->has_chunk = true;
	client->chunk_left = strtoul(words, NULL, 10);
	client->is_last = strcasestr(words, "LAST") != NULL;
	if (client->chunk_left == 0)
		(void)take_chunk(client, "", 0);
}

static void
begin_data(struct client *client)
{
	client->has_data = true;
	memcpy(client->tail, "\r\n", 2); /* an empty message is a dot alone */
	client->tail_size = 2;
	buf_text(&client->out, "354 go on\r\n");
}

static void
obey(struct client *client, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0) {
		answer_ehlo(client);
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		begin_data(client);
	} else if (sink.has_chunking && strncasecmp(line, "BDAT ", 5) == 0) {
		begin_chunk(client, line + 5);
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		client->is_ending = true;
		buf_text(&client->out, "221 2.0.0 Bye\r\n");
	} else if (strncasecmp(line, "XSTAT", 5) == 0) {
		buf_text(&client->out, "250 ");
		format_counts(&client->out, " ");
		buf_text(&client->out, "\r\n");
	} else {
		if (strncasecmp(line, "XRESET", 6) == 0)
			reset_counts();
		buf_text(&client->out, "250 2.0.0 Ok\r\n");
	}
}

static size_t
take_command(struct client *client, const char *bytes, size_t size)
{
	const char *end = memchr(bytes, '\n', size);
	size_t used = end != NULL ? (size_t)(end + 1 - bytes) : size;

	if (client->line.size + used > LINE_MAX_SIZE)
		client->is_ending = true;
	else
		buf_append(&client->line, bytes, used);
	if (end != NULL && !client->is_ending) {
		obey(client, client->line.bytes);
		buf_clear(&client->line);
	}
	return used;
}

/* ---- sockets ---- */

static void
drop(struct client *client)
{
	struct client **at = &sink.clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	(void)close(client->fd);
	buf_fini(&client->line);
	buf_fini(&client->header);
	buf_fini(&client->out);
	free(client);
}

/* Replies are small and always fit the socket. */
static bool
send_replies(struct client *client)
{
	bool is_sent;

	if (client->out.size == 0)
		return true;
	if (client->due_ms > now_us() / 1000)
		return true;
	client->due_ms = 0;
	is_sent = send(client->fd, client->out.bytes, client->out.size, MSG_NOSIGNAL) ==
		  (ssize_t)client->out.size;
	buf_clear(&client->out);
	return is_sent;
}

static void
send_what_is_due(void)
{
	struct client *next;

	for (struct client *at = sink.clients; at != NULL; at = next) {
		next = at->next;
		if (at->due_ms != 0 && (!send_replies(at) || (at->is_ending && at->due_ms == 0)))
			drop(at);
	}
}

/* Until as much time has passed as what was read before takes. */
static void
wait_to_read(void)
{
	const struct timespec moment = {.tv_nsec = 500000};

	while (sink.read_rate > 0 && now_us() < sink.readable_us && !is_stopping)
		(void)nanosleep(&moment, NULL);
}

static ssize_t
read_some(struct client *client, char *bytes, size_t size)
{
	ssize_t got;

	wait_to_read();
	if (sink.read_rate > 0 && size > LIMITED_READ)
		size = LIMITED_READ;
	got = read(client->fd, bytes, size);
	if (got > 0 && sink.read_rate > 0)
		sink.readable_us += (uint64_t)got * 1000000 / sink.read_rate;
	return got;
}

static void
serve(struct client *client)
{
	static char bytes[READ_SIZE];
	ssize_t got = read_some(client, bytes, sizeof(bytes));
	size_t at = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(client);
		return;
	}
	while (at < (size_t)got && !client->is_ending) {
		const char *rest = bytes + at;
		size_t size = (size_t)got - at;

		at += client->has_data    ? take_data(client, rest, size)
		      : client->has_chunk ? take_chunk(client, rest, size)
					  : take_command(client, rest, size);
	}
	if (!send_replies(client) || (client->is_ending && client->due_ms == 0))
		drop(client);
}

static void
accept_clients(int listener)
{
	struct epoll_event event = {.events = EPOLLIN};
	int on = 1, fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct client *client = xcalloc(1, sizeof(*client));

		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		client->fd = fd;
		client->next = sink.clients;
		sink.clients = client;
		sink.connections++;
		buf_text(&client->out, "220 sink.example ESMTP\r\n");
		event.data.ptr = client;
		(void)epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, fd, &event);
		if (!send_replies(client))
			drop(client);
	}
}

/* A sleep that took too long is made up for by reading on, as a line would have; idle time is not. */
static int
wait_for_events(struct epoll_event *events, int limit_ms)
{
	uint64_t begun_us = now_us(), ended_us;
	int count = epoll_wait(sink.epoll_fd, events, EVENTS, limit_ms);

	ended_us = now_us();
	if (ended_us - begun_us > IDLE_US && sink.readable_us < ended_us)
		sink.readable_us = ended_us;
	return count;
}

static void
run(int listener)
{
	bool has_due = sink.delay_ms > 0 || sink.pace > 0;
	struct epoll_event events[EVENTS];
	struct epoll_event of_listener = {.events = EPOLLIN, .data.ptr = NULL};

	(void)epoll_ctl(sink.epoll_fd, EPOLL_CTL_ADD, listener, &of_listener);
	while (!is_stopping) {
		int count = wait_for_events(events, has_due ? 1 : 200);

		for (int i = 0; i < count; i++)
			if (events[i].data.ptr == NULL)
				accept_clients(listener);
			else
				serve(events[i].data.ptr);
		if (has_due)
			send_what_is_due();
	}
}

static int
listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (sink.read_rate > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){LIMITED_BUFFER}, sizeof(int));
	if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
		perror("smtpsink: listen");
		return -1;
	}
	printf("port=%d\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

static void
on_signal(int number)
{
	is_stopping = 1;
}

static int
report(const char *ids_path)
{
	FILE *file = ids_path != NULL ? fopen(ids_path, "w") : NULL;
	struct buf text;
	int result = 0;

	buf_init(&text);
	format_counts(&text, "\n");
	(void)puts(text.bytes);
	buf_fini(&text);
	if (ids_path != NULL)
		result = file == NULL || idset_write(&sink.ids, file) != 0 || fclose(file) != 0;
	return result;
}

int
main(int argc, char **argv)
{
	static const struct option rows[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"ids", required_argument, NULL, 'i'},
	    {"log", required_argument, NULL, 'l'},
	    {"delay", required_argument, NULL, 'd'},
	    {"pace", required_argument, NULL, 'n'},
	    {"read-rate", required_argument, NULL, 'r'},
	    {"flush", required_argument, NULL, 'f'},
	    {"chunking", no_argument, NULL, 'c'},
	    {NULL, 0, NULL, 0},
	};
	const char *ids_path = NULL;
	uint16_t port = 0;
	int option, listener;

	while ((option = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		if (option == 'p')
			port = (uint16_t)atoi(optarg);
		else if (option == 'i')
			ids_path = optarg;
		else if (option == 'd')
			sink.delay_ms = strtoull(optarg, NULL, 10);
		else if (option == 'n')
			sink.pace = strtoull(optarg, NULL, 10);
		else if (option == 'c')
			sink.has_chunking = true;
		else if (option == 'r')
			sink.read_rate = strtoull(optarg, NULL, 10);
		else if (option == 'f' && open_flushed(optarg) == 0)
			continue;
		else if (option == 'l' && (sink.log = fopen(optarg, "w")) != NULL)
			(void)setvbuf(sink.log, NULL, _IOLBF, 0);
		else
			return fputs(usage, stderr), 2;
	}
	(void)signal(SIGTERM, on_signal);
	(void)signal(SIGINT, on_signal);
	sink.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_on(port);
	if (listener < 0)
		return 1;
	run(listener);
	return report(ids_path);
}
