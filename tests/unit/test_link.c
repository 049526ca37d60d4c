/* Links: what is sent arrives, whole and in order; what is wrong ends the link and nothing else. */
#include "daemon/core/link.h"
#include "daemon/core/loop.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

struct peer {
	struct link *link;
	unsigned messages;
	uint64_t sum; /* of the body bytes */
	uint64_t last_stream;
	bool is_closed;
	char reason[256];
	bool is_answering;
	int fd;
	unsigned sockets;
};

struct pair {
	struct loop *loop;
	struct peer a, b;
};

static void
on_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct peer *peer = ctx;

	peer->messages++;
	if (message->kind == MSG_BODY) {
		struct slice slice = link_message_slice(message, message->body->body.bytes);

		for (uint32_t i = 0; i < slice.size; i++)
			peer->sum += slice_bytes(&slice)[i];
		peer->last_stream = message->body->body.stream;
		slice_release(&slice);
	}
	if (message->kind == MSG_LINK)
		peer->fd = link_take_fd(link);
	if (message->kind == MSG_LISTEN)
		for (unsigned i = 0; i < message->body->listen.count; i++) {
			int fd = link_take_fd(link);

			peer->sockets += fd >= 0;
			(void)close(fd);
		}
	if (message->kind == MSG_COMMIT && peer->is_answering) {
		struct msg_committed answer = {.message_id = message->body->commit.message_id};

		link_answer(link, message->request_id, MSG_COMMITTED, &answer);
	}
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	struct peer *peer = ctx;

	peer->is_closed = true;
	(void)snprintf(peer->reason, sizeof(peer->reason), "%s", reason);
}

static const struct link_callbacks callbacks = {on_message, on_closed};

static void
open_pair(struct pair *pair, enum role a, enum role b)
{
	int fds[2];

	*pair = (struct pair){.loop = loop_new()};
	pair->a.fd = pair->b.fd = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pair->a.link = link_open(pair->loop, fds[0], a, b, 0, &callbacks, &pair->a);
	pair->b.link = link_open(pair->loop, fds[1], b, a, 0, &callbacks, &pair->b);
}

static void
close_pair(struct pair *pair)
{
	if (!pair->a.is_closed)
		link_close(pair->a.link);
	if (!pair->b.is_closed)
		link_close(pair->b.link);
	for (int i = 0; i < 4; i++)
		loop_turn(pair->loop, 0);
	loop_free(pair->loop);
}

#define TURN_UNTIL(pair, condition)                                                                \
	do {                                                                                       \
		for (int turns = 0; !(condition) && turns < 5000; turns++)                         \
			loop_turn((pair)->loop, 1);                                                \
		assert_true(condition);                                                            \
	} while (0)

/* Bodies of every size around the scratch buffer, without a copy on the way out. */
static void
test_bodies(void **state)
{
	static const uint32_t sizes[] = {
	    0, 1, 100, 4096, 65499, 65500, 65535, 65536, 65537, 262144};
	struct pair pair;
	uint64_t sum = 0;
	unsigned count = sizeof(sizes) / sizeof(sizes[0]);

	open_pair(&pair, ROLE_SMTPD, ROLE_QUEUE);
	for (unsigned i = 0; i < count; i++) {
		struct chunk *chunk = chunk_new(sizes[i]);
		struct slice slice;

		memset(chunk->bytes, (int)i + 1, sizes[i]);
		chunk->size = sizes[i];
		sum += (uint64_t)(i + 1) * sizes[i];
		slice = slice_of(chunk, 0, sizes[i]);
		link_send_body(pair.a.link, i, false, &slice);
		slice_release(&slice);
		chunk_release(chunk);
	}
	TURN_UNTIL(&pair, pair.b.messages == count);
	assert_int_equal(pair.b.sum, sum);
	assert_int_equal(pair.b.last_stream, count - 1);
	assert_int_equal(link_peer_pid(pair.a.link), getpid());
	close_pair(&pair);
}

static struct link *receivers[2];
static unsigned received;

static void
on_message_in_order(struct link *link, const struct link_message *message, void *ctx)
{
	if (received < 2)
		receivers[received++] = link;
}

/* What is sent on a link that is first leaves before what was sent on others before it. */
static void
test_first_link_leaves_first(void **state)
{
	static const struct link_callbacks in_order = {on_message_in_order, on_closed};
	const struct msg_abort abort = {.stream = 1};
	struct loop *loop = loop_new();
	struct link *out[2], *in[2];
	struct peer nobody = {0};
	int fds[2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		out[i] = link_open(loop, fds[0], ROLE_SMTPD, ROLE_QUEUE, 0, &callbacks, &nobody);
		in[i] = link_open(loop, fds[1], ROLE_QUEUE, ROLE_SMTPD, 0, &in_order, &nobody);
	}
	while (link_peer_pid(in[0]) == 0 || link_peer_pid(in[1]) == 0)
		loop_turn(loop, 1);
	received = 0;
	link_set_first(out[1]);
	link_send(out[0], MSG_ABORT, &abort);
	link_send(out[1], MSG_ABORT, &abort);
	for (int turns = 0; received < 2 && turns < 5000; turns++)
		loop_turn(loop, 1);
	assert_ptr_equal(receivers[0], in[1]);
	assert_ptr_equal(receivers[1], in[0]);
	for (int i = 0; i < 2; i++) {
		link_close(out[i]);
		link_close(in[i]);
	}
	for (int i = 0; i < 4; i++)
		loop_turn(loop, 0);
	loop_free(loop);
}

/* By itself after a while, or at once with what somebody waits for. */
static void
test_lazy_message_leaves_with_others(void **state)
{
	const struct msg_left left = {.connection = 1};
	const struct msg_abuse abuse = {.connection = 1, .what = ""};
	struct pair pair;

	open_pair(&pair, ROLE_SMTPD, ROLE_ACCOUNTS);
	TURN_UNTIL(&pair, link_peer_pid(pair.a.link) != 0);
	link_send_lazily(pair.a.link, MSG_LEFT, &left);
	assert_true(link_waiting_bytes(pair.a.link) > 0);
	loop_turn(pair.loop, 0);
	assert_true(link_waiting_bytes(pair.a.link) > 0);
	TURN_UNTIL(&pair, pair.b.messages == 1);
	link_send_lazily(pair.a.link, MSG_LEFT, &left);
	link_send(pair.a.link, MSG_ABUSE, &abuse);
	loop_turn(pair.loop, 0);
	assert_int_equal(link_waiting_bytes(pair.a.link), 0);
	TURN_UNTIL(&pair, pair.b.messages == 3);
	close_pair(&pair);
}

/* Large ones, which are read in another way than what follows them, among small ones: not a byte is
 * lost or doubled. */
static void
test_large_and_small_bodies_by_turns(void **state)
{
	static const uint32_t sizes[] = {65536, 65536, 20000, 4070, 4060, 65536, 16384, 16383, 8,
	    262144, 8, 8, 262144, 262144, 4096, 65536, 65536, 65536};
	struct pair pair;
	uint64_t sum = 0;
	unsigned sent = 0;

	open_pair(&pair, ROLE_SMTPD, ROLE_QUEUE);
	for (unsigned turn = 0; turn < 50; turn++)
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			uint32_t size =
			    sizes[(i * (turn + 1) + turn) % (sizeof(sizes) / sizeof(sizes[0]))];
			struct chunk *chunk = chunk_new(size);
			struct slice slice;

			for (uint32_t at = 0; at < size; at++)
				sum += chunk->bytes[at] = (uint8_t)(at * 7 + sent);
			chunk->size = size;
			slice = slice_of(chunk, 0, size);
			link_send_body(pair.a.link, sent++, false, &slice);
			slice_release(&slice);
			chunk_release(chunk);
			if (sent % 7 == 0)
				loop_turn(pair.loop, 0);
		}
	TURN_UNTIL(&pair, pair.b.messages == sent);
	assert_int_equal(pair.b.sum, sum);
	assert_int_equal(pair.b.last_stream, sent - 1);
	close_pair(&pair);
}

static void
on_answer(const union message *answer, void *ctx)
{
	*(int *)ctx = answer == NULL ? -1 : (int)answer->committed.message_id;
}

static void
test_request(void **state)
{
	struct msg_commit commit = {.message_id = 7, .sender = "a@example.com"};
	struct pair pair;
	int answered = 0, late = 0, cancelled = 0;
	uint32_t id;

	open_pair(&pair, ROLE_SMTPD, ROLE_QUEUE);
	pair.b.is_answering = true;
	(void)link_request(pair.a.link, MSG_COMMIT, &commit, 5000, on_answer, &answered);
	TURN_UNTIL(&pair, answered == 7);
	pair.b.is_answering = false;
	id = link_request(pair.a.link, MSG_COMMIT, &commit, 5000, on_answer, &cancelled);
	link_cancel(pair.a.link, id);
	(void)link_request(pair.a.link, MSG_COMMIT, &commit, 1, on_answer, &late);
	TURN_UNTIL(&pair, late == -1);
	assert_int_equal(cancelled, 0);
	close_pair(&pair);
}

static void
test_loss_ends_requests(void **state)
{
	struct msg_commit commit = {.message_id = 7};
	struct pair pair;
	int answered = 0;

	open_pair(&pair, ROLE_SMTPD, ROLE_QUEUE);
	(void)link_request(pair.a.link, MSG_COMMIT, &commit, 60000, on_answer, &answered);
	link_close(pair.b.link);
	pair.b.is_closed = true;
	TURN_UNTIL(&pair, pair.a.is_closed);
	assert_int_equal(answered, -1);
	assert_string_equal(pair.a.reason, "the other role is gone");
	close_pair(&pair);
}

/* Sockets come with their message, and what is sent behind it stays behind it. */
static void
test_sockets_travel(void **state)
{
	struct msg_link notice = {.role = ROLE_QUEUE};
	struct msg_ready ready = {.generation = 1};
	struct pair pair;
	int ends[2];
	char byte = 0;

	open_pair(&pair, ROLE_PARENT, ROLE_SMTPD);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	link_send(pair.a.link, MSG_READY, &ready);
	link_send_with_fds(pair.a.link, MSG_LINK, &notice, &ends[1], 1);
	link_send(pair.a.link, MSG_READY, &ready);
	(void)close(ends[1]);
	TURN_UNTIL(&pair, pair.b.messages == 3);
	assert_int_not_equal(pair.b.fd, -1);
	assert_int_equal(write(pair.b.fd, "x", 1), 1);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	(void)close(pair.b.fd);
	(void)close(ends[0]);
	close_pair(&pair);
}

/* A parent hands thousands of listening sockets to each of many roles, none of which reads yet: no
 * more copies may be open at a time than one message needs. */
static void
test_more_sockets_than_may_be_open(void **state)
{
	struct msg_listen message = {.count = 200};
	struct rlimit limit, low;
	struct pair pair;
	int fds[200];

	open_pair(&pair, ROLE_PARENT, ROLE_SMTPD);
	for (size_t i = 0; i < 200; i++)
		assert_true((fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = (rlim_t)fds[199] + 250, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (size_t i = 0; i < 5; i++)
		link_send_with_fds(pair.a.link, MSG_LISTEN, &message, fds, 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	TURN_UNTIL(&pair, pair.b.messages == 5);
	assert_false(pair.a.is_closed);
	assert_int_equal(pair.b.sockets, 1000);
	for (size_t i = 0; i < 200; i++)
		(void)close(fds[i]);
	close_pair(&pair);
}

/* Bytes that no role would send. */
static void
test_bad_frames(void **state)
{
	static const struct {
		const char *name;
		uint8_t bytes[16];
		const char *reason;
	} rows[] = {
	    {"too large", {0xff, 0xff, 0xff, 0x7f, 1, 0, 0, 0, 0, 0, 0, 0},
		"a frame over the limit"},
	    {"no such kind", {0, 0, 0, 0, 0xee, 0, 0, 0, 0, 0, 0, 0},
		"UNKNOWN may not come from smtpd"},
	    {"wrong direction", {0, 0, 0, 0, MSG_DELIVER, 0, 0, 0, 0, 0, 0, 0},
		"DELIVER may not come from smtpd"},
	    {"cut off", {1, 0, 0, 0, MSG_HELLO, 0, 0, 0, 0, 0, 0, 0, 9},
		"HELLO.build_id: is over its limit"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer peer = {0};
		struct loop *loop = loop_new();
		struct pair pair = {.loop = loop};
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		peer.link = link_open(loop, fds[0], ROLE_QUEUE, ROLE_SMTPD, 0, &callbacks, &peer);
		assert_int_equal(write(fds[1], rows[i].bytes, 13), 13);
		TURN_UNTIL(&pair, peer.is_closed);
		assert_string_equal(peer.reason, rows[i].reason);
		(void)close(fds[1]);
		for (int turns = 0; turns < 3; turns++)
			loop_turn(loop, 0);
		loop_free(loop);
	}
}

/* ---- the largest ---- */

#define RECIPIENTS_MAX 10000

static size_t
encoded_size(enum message_kind kind, const void *message)
{
	struct buf out;
	size_t size;

	buf_init(&out);
	message_encode(kind, message, &out);
	size = out.size;
	buf_fini(&out);
	return size;
}

/* What a config allows in recipients, and upstreams in words, must not be too much to be said. */
static void
test_largest_messages(void **state)
{
	struct msg_list_builder recipients = {0}, fates = {0};
	struct msg_commit commit = {0};
	struct msg_deliver deliver = {0};
	struct msg_report report = {0};
	char text[1025];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < RECIPIENTS_MAX; i++) {
		struct rec_recipient recipient = {.index = (uint16_t)i, .address = text};
		struct rec_fate fate = {
		    .index = (uint16_t)i, .enhanced = "5.123.123", .reply = text};

		message_list_add(&recipients, REC_RECIPIENT, &recipient);
		message_list_add(&fates, REC_FATE, &fate);
	}
	commit.recipients = deliver.recipients = message_list_value(&recipients);
	report.fates = message_list_value(&fates);
	assert_true(encoded_size(MSG_COMMIT, &commit) < MESSAGE_SIZE_MAX);
	assert_true(encoded_size(MSG_DELIVER, &deliver) < MESSAGE_SIZE_MAX);
	assert_true(encoded_size(MSG_REPORT, &report) < MESSAGE_SIZE_MAX);
	message_list_fini(&recipients);
	message_list_fini(&fates);
}

/* A role says why it can't start and ends, while its parent has something to say to it. */
static void
test_last_words_are_heard_by_who_is_speaking(void **state)
{
	static const struct msg_ready last = {.problem = "the disk is full"};
	static const struct msg_listen message = {.count = 1};

	for (unsigned unread = 0; unread < 2; unread++) {
		struct pair pair;
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		open_pair(&pair, ROLE_PARENT, ROLE_SMTPD);
		if (unread > 0)
			link_send_with_fds(pair.a.link, MSG_LISTEN, &message, &fd, 1);
		link_send(pair.b.link, MSG_READY, &last);
		link_close(pair.b.link);
		pair.b.is_closed = true;
		link_send_with_fds(pair.a.link, MSG_LISTEN, &message, &fd, 1);
		TURN_UNTIL(&pair, pair.a.is_closed);
		assert_int_equal(pair.a.messages, 1);
		(void)close(fd);
		close_pair(&pair);
	}
}

/* ---- secrets ---- */

#define SECRET_SIZE 24
#define WINDOW (1u << 16)

static uint8_t window[WINDOW];

/* The secret stands nowhere but where this put it. */
static void
fill_secret(uint8_t *to, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)(0xa5 ^ (i % SECRET_SIZE * 37));
}

static bool
is_secret_at(const uint8_t *bytes)
{
	for (uint32_t i = 0; i < SECRET_SIZE; i++)
		if (bytes[i] != (uint8_t)(0xa5 ^ (i * 37)))
			return false;
	return true;
}

/* Reads through the kernel: a sanitizer has no say in what freed memory holds. */
static unsigned
count_in_range(int memory, uintptr_t from, uintptr_t to)
{
	unsigned found = 0;
	ssize_t got;

	for (; from < to; from += WINDOW - SECRET_SIZE) {
		size_t wanted = to - from < WINDOW ? to - from : WINDOW;

		if (from < (uintptr_t)window + WINDOW && from + wanted > (uintptr_t)window)
			continue;
		got = pread(memory, window, wanted, (off_t)from);
		for (ssize_t i = 0; i + SECRET_SIZE <= got; i++)
			found += is_secret_at(window + i);
		explicit_bzero(window, sizeof(window));
	}
	return found;
}

/* In all that this process may write, but for its stack. */
static unsigned
count_secrets(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to;
	char line[512], rights[8];
	unsigned found = 0;

	assert_non_null(maps);
	assert_true(memory >= 0);
	while (fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[1] == 'w' &&
		    to - from <= (64u << 20) && strstr(line, "[stack]") == NULL)
			found += count_in_range(memory, from, to);
	(void)fclose(maps);
	(void)close(memory);
	return found;
}

static void
send_secret(struct pair *pair, enum message_kind kind, uint8_t *secret, uint32_t size)
{
	struct msg_sasl_step step = {.token = {secret, size}};
	struct msg_file file = {.content = {secret, size}};
	unsigned before = pair->b.messages;

	fill_secret(secret, size);
	link_send(pair->a.link, kind, kind == MSG_FILE ? (const void *)&file : (const void *)&step);
	explicit_bzero(secret, size);
	TURN_UNTIL(pair, pair->b.messages > before);
}

/* Small ones share the scratch buffer, the large one gets a frame of its own. */
static void
test_nothing_is_left_of_a_secret(void **state)
{
	static const struct {
		enum role from, to;
		enum message_kind kind;
		uint32_t size;
	} rows[] = {
	    {ROLE_SMTPD, ROLE_ACCOUNTS, MSG_SASL_STEP, SECRET_SIZE},
	    {ROLE_SMTPD, ROLE_ACCOUNTS, MSG_SASL_STEP, 12288},
	    {ROLE_PARENT, ROLE_ACCOUNTS, MSG_FILE, SECRET_SIZE},
	    {ROLE_PARENT, ROLE_ACCOUNTS, MSG_FILE, 200000},
	};
	uint8_t *secret = malloc(200000);

	assert_non_null(secret);
	fill_secret(secret, SECRET_SIZE);
	assert_int_equal(count_secrets(), 1);
	explicit_bzero(secret, SECRET_SIZE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair pair;

		open_pair(&pair, rows[i].from, rows[i].to);
		for (int times = 0; times < 30; times++)
			send_secret(&pair, rows[i].kind, secret, rows[i].size);
		assert_int_equal(count_secrets(), 0);
		close_pair(&pair);
		assert_int_equal(count_secrets(), 0);
	}
	free(secret);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bodies),
	    cmocka_unit_test(test_first_link_leaves_first),
	    cmocka_unit_test(test_lazy_message_leaves_with_others),
	    cmocka_unit_test(test_large_and_small_bodies_by_turns),
	    cmocka_unit_test(test_request),
	    cmocka_unit_test(test_loss_ends_requests),
	    cmocka_unit_test(test_sockets_travel),
	    cmocka_unit_test(test_more_sockets_than_may_be_open),
	    cmocka_unit_test(test_bad_frames),
	    cmocka_unit_test(test_largest_messages),
	    cmocka_unit_test(test_last_words_are_heard_by_who_is_speaking),
	    cmocka_unit_test(test_nothing_is_left_of_a_secret),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
