/*
 * The API over HTTP, with peers that the test plays: what a client on the socket gets when the
 * owner answers, refuses, is away, or goes in the middle.
 */
#include "common/xalloc.h"
#include "daemon/control/api.h"
#include "daemon/core/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TURNS_MAX 500
#define ANSWER_SIZE 8192

/* What the peer answers to each method and path. A NULL body: it closes the link instead. */
struct canned {
	enum role owner;
	const char *call;
	unsigned status;
	const char *body;
};

static const struct canned canned[] = {
    {ROLE_ACCOUNTS, "GET /v1/lists", 200, "[{\"name\":\"l\"}]"},
    {ROLE_ACCOUNTS, "POST /v1/lists {\"name\":\"l\"}", 201, "{\"name\":\"l\"}"},
    {ROLE_ACCOUNTS, "DELETE /v1/lists/a%2Fb", 204, ""},
    {ROLE_ACCOUNTS, "DELETE /v1/profiles/p?anyway=1", 200, "{\"name\":\"p\"}"},
    {ROLE_ACCOUNTS, "GET /v1/lists/gone", 404, "{\"error\":{\"code\":\"not_found\"}}"},
    {ROLE_ACCOUNTS, "GET /v1/profiles", 200, "[{\"name\":\"p\"}]"},
    {ROLE_ACCOUNTS, "GET /v1/profiles/p", 200, "{\"name\":\"p\"}"},
    {ROLE_ACCOUNTS, "GET /v1/users/dies", 0, NULL},
    {ROLE_QUEUE, "GET /v1/queue", 200,
	"{\"ready\":1,\"profiles\":[{\"name\":\"p\",\"state\":\"limited\",\"waiting\":7}]}"},
    {ROLE_QUEUE, "GET /v1/messages?limit=5", 200, "[]"},
    {ROLE_QUEUE, "POST /v1/backups/good", 200, "{\"messages\":3,\"sound\":true}"},
    {ROLE_ACCOUNTS, "POST /v1/backups/good", 200, "{}"},
    {ROLE_PARENT, "POST /v1/backups/good", 200, "{\"name\":\"good\",\"path\":\"/p\"}"},
    {ROLE_QUEUE, "POST /v1/backups/taken", 409, "{\"error\":{\"code\":\"exists\"}}"},
    {ROLE_QUEUE, "POST /v1/backups/half", 200, "{\"messages\":3}"},
    {ROLE_ACCOUNTS, "POST /v1/backups/half", 503, "{\"error\":{\"code\":\"copy_failed\"}}"},
    {ROLE_PARENT, "GET /v1/status", 200, "{\"version\":\"1\"}"},
    {ROLE_PARENT, "POST /v1/reload", 422, "{\"error\":{\"code\":\"config\"}}"},
};

struct world {
	struct loop *loop;
	struct link *ours[ROLE_COUNT], *theirs[ROLE_COUNT];
	struct api *api;
	struct http_server *server;
	char path[64];
};

/* A call whose answer the test itself gives; 0: there is none. */
#define SLOW_CALL "/v1/profiles/slow/test"
#define SLOW_CHANGE "/v1/messages/hold"

static uint32_t slow_call;

static void
on_call(struct link *link, const struct link_message *message, void *ctx)
{
	const struct msg_call *call = &message->body->call;
	char text[512];

	if (strcmp(call->path, SLOW_CALL) == 0 || strcmp(call->path, SLOW_CHANGE) == 0) {
		slow_call = message->request_id;
		return;
	}
	(void)snprintf(text, sizeof(text), "%s %s%s%.*s", call->method, call->path,
	    call->body.size > 0 ? " " : "", (int)call->body.size, (const char *)call->body.at);
	for (size_t i = 0; i < sizeof(canned) / sizeof(canned[0]); i++) {
		struct msg_result result = {
		    .status = (uint16_t)canned[i].status, .content_type = "application/json"};

		/* On this link the peer is control; who we play is in ctx. */
		if (canned[i].owner != (enum role)(uintptr_t)ctx ||
		    strcmp(canned[i].call, text) != 0)
			continue;
		if (canned[i].body == NULL) {
			link_close(link);
			return;
		}
		result.body.at = (const uint8_t *)canned[i].body;
		result.body.size = (uint32_t)strlen(canned[i].body);
		link_answer(link, message->request_id, MSG_RESULT, &result);
		return;
	}
	fail_msg("nobody expected: %s", text);
}

static void
on_their_end(struct link *link, const char *reason, void *ctx)
{
}

static void
on_our_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct world *world = ctx;

	api_on_progress(world->api, link, &message->body->progress);
}

static void
on_our_end(struct link *link, const char *reason, void *ctx)
{
	struct world *world = ctx;

	world->ours[link_peer(link)] = NULL;
}

static const struct link_callbacks our_callbacks = {on_our_message, on_our_end};
static const struct link_callbacks their_callbacks = {on_call, on_their_end};

static struct link *
link_to(enum role owner, void *ctx)
{
	return ((struct world *)ctx)->ours[owner];
}

static void
connect_peer(struct world *world, enum role owner)
{
	int ends[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	world->ours[owner] =
	    link_open(world->loop, ends[0], ROLE_CONTROL, owner, 0, &our_callbacks, world);
	world->theirs[owner] = link_open(world->loop, ends[1], owner, ROLE_CONTROL, 0,
	    &their_callbacks, (void *)(uintptr_t)owner);
}

static void
listen_on(struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err;

	(void)snprintf(world->path, sizeof(world->path), "control-test-%d.sock", (int)getpid());
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	(void)unlink(world->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(http_listen(world->server, fd, &err), 0);
}

static int
set_up(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world->loop = loop_new();
	world->api = api_open(link_to, world);
	world->server = http_open(world->loop, api_on_request, world->api);
	listen_on(world);
	*state = world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *world = *state;

	api_close(world->api);
	http_close(world->server);
	for (enum role role = 0; role < ROLE_COUNT; role++) {
		if (world->ours[role] != NULL)
			link_close(world->ours[role]);
	}
	for (int i = 0; i < 10; i++)
		loop_turn(world->loop, 1);
	loop_free(world->loop);
	(void)unlink(world->path);
	free(world);
	return 0;
}

static int
connect_client(const struct world *world)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Turns the loop until the client has `expected` in what it read, or the connection ended. */
static bool
read_until(struct world *world, int fd, const char *expected, char *answer)
{
	size_t size = strlen(answer);

	for (int turn = 0; turn < TURNS_MAX; turn++) {
		ssize_t got = read(fd, answer + size, ANSWER_SIZE - 1 - size);

		if (got > 0)
			answer[size += (size_t)got] = '\0';
		if (strstr(answer, expected) != NULL)
			return true;
		if (got == 0)
			return false;
		loop_turn(world->loop, 10);
	}
	return false;
}

static void
request(struct world *world, const char *text, const char *status, const char *body)
{
	char answer[ANSWER_SIZE] = "";
	int fd = connect_client(world);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	if (!read_until(world, fd, body, answer))
		fail_msg("no %s in: %s", body, answer);
	if (strncmp(answer + strlen("HTTP/1.1 "), status, strlen(status)) != 0)
		fail_msg("%s expected, not %s", status, answer);
	(void)close(fd);
}

static void
test_answers(void **state)
{
	static const struct {
		const char *request, *status, *body;
	} rows[] = {
	    {"GET /v1/lists HTTP/1.1\r\nHost: x\r\n\r\n", "200", "[{\"name\":\"l\"}]"},
	    {"POST /v1/lists HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"name\":\"l\"}",
		"201", "{\"name\":\"l\"}"},
	    {"DELETE /v1/lists/a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", "204", "\r\n\r\n"},
	    {"DELETE /v1/profiles/p?anyway=1 HTTP/1.1\r\nHost: x\r\n\r\n", "200", "\"p\""},
	    {"GET /v1/lists/gone HTTP/1.1\r\nHost: x\r\n\r\n", "404", "\"not_found\""},
	    {"GET /v1/messages?limit=5 HTTP/1.1\r\nHost: x\r\n\r\n", "200", "[]"},
	    {"GET /v1/profiles HTTP/1.1\r\nHost: x\r\n\r\n", "200",
		"\"waiting\":7,\"budget\":null,"},
	    {"GET /v1/profiles/p HTTP/1.1\r\nHost: x\r\n\r\n", "200", "\"state\":\"limited\""},
	    {"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "200",
		"{\"version\":\"1\",\"queue\":{\"ready\":1,"},
	    {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "422",
		"\"config\""},
	    {"POST /v1/backups/good HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200",
		"{\"messages\":3,\"sound\":true,\"name\":\"good\",\"path\":\"/p\"}"},
	    /* Nobody is asked behind one that failed. */
	    {"POST /v1/backups/taken HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "409",
		"\"exists\""},
	    {"POST /v1/backups/half HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "503",
		"\"copy_failed\""},
	    {"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", "404", "\"unknown_path\""},
	    {"PUT /v1/lists HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405",
		"\"method_not_allowed\""},
	};

	connect_peer(*state, ROLE_PARENT);
	connect_peer(*state, ROLE_ACCOUNTS);
	connect_peer(*state, ROLE_QUEUE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		request(*state, rows[i].request, rows[i].status, rows[i].body);
}

static void
test_what_is_not_understood_is_refused_not_ignored(void **state)
{
	static const struct {
		const char *request, *body;
	} rows[] = {
	    {"GET /v1/users?lists=x HTTP/1.1\r\nHost: x\r\n\r\n",
		"lists is not understood; allowed are: limit after list profile\","
		"\"field\":\"lists\""},
	    {"GET /v1/messages?limit=5&limit=6 HTTP/1.1\r\nHost: x\r\n\r\n",
		"limit stands there twice"},
	    {"GET /v1/messages?%3Cb%3E HTTP/1.1\r\nHost: x\r\n\r\n", "\"field\":null"},
	    {"GET /v1/status?x HTTP/1.1\r\nHost: x\r\n\r\n", "takes no parameters"},
	    {"DELETE /v1/lists/l?force=1 HTTP/1.1\r\nHost: x\r\n\r\n", "takes no parameters"},
	    {"DELETE /v1/profiles/p?any=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"any is not understood; allowed are: anyway"},
	    {"GET /v1/profiles/p?anyway=1 HTTP/1.1\r\nHost: x\r\n\r\n", "takes no parameters"},
	    {"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"now\":true}",
		"now is not understood: this takes no fields\",\"field\":\"now\""},
	    {"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", "takes no body"},
	};

	connect_peer(*state, ROLE_PARENT);
	connect_peer(*state, ROLE_ACCOUNTS);
	connect_peer(*state, ROLE_QUEUE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		request(*state, rows[i].request, "400", rows[i].body);
}

static void
test_role_away(void **state)
{
	static const struct {
		const char *request, *status, *body;
	} rows[] = {
	    {"GET /v1/messages HTTP/1.1\r\nHost: x\r\n\r\n", "503",
		"the queue role is not running"},
	    {"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", "200", "\"queue\":null"},
	    {"GET /v1/profiles/p HTTP/1.1\r\nHost: x\r\n\r\n", "200", "\"state\":null"},
	    {"GET /v1/users/dies HTTP/1.1\r\nHost: x\r\n\r\n", "503",
		"the accounts role ended before it answered"},
	};

	connect_peer(*state, ROLE_PARENT);
	connect_peer(*state, ROLE_ACCOUNTS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		request(*state, rows[i].request, rows[i].status, rows[i].body);
}

/* evhttp would never answer the second of two requests sent at once: the connection must end, so
 * that the client notices. */
static void
test_pipelined(void **state)
{
	static const char two[] = "GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n"
				  "GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n";
	char answer[ANSWER_SIZE] = "";
	int fd = connect_client(*state);

	assert_int_equal(write(fd, two, sizeof(two) - 1), sizeof(two) - 1);
	assert_false(read_until(*state, fd, "never", answer));
	assert_non_null(strstr(answer, "Connection: close"));
	(void)close(fd);
}

static void
on_idle(void *ctx)
{
	*(bool *)ctx = true;
}

static void
test_drain(void **state)
{
	struct world *world = *state;
	char answer[ANSWER_SIZE] = "";
	bool is_idle = false;
	int idle_fd = connect_client(world);

	request(world, "GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n", "404", "unknown_path");
	http_drain(world->server, on_idle, &is_idle);
	for (int turn = 0; turn < TURNS_MAX && !is_idle; turn++)
		loop_turn(world->loop, 10);
	assert_true(is_idle);
	assert_false(read_until(world, idle_fd, "never", answer));
	assert_string_equal(answer, "");
	(void)close(idle_fd);
}

/* A client that goes away while the owner thinks. */
static void
test_client_gone(void **state)
{
	static const char text[] = "GET /v1/lists HTTP/1.1\r\nHost: x\r\n\r\n";
	struct world *world = *state;
	int fd;

	connect_peer(world, ROLE_ACCOUNTS);
	fd = connect_client(world);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	loop_turn(world->loop, 10);
	(void)close(fd);
	request(world, text, "200", "[{\"name\":\"l\"}]");
}

/* ---- an answer in pieces ---- */

static int
begin_slowly(struct world *world, const char *text)
{
	int fd = connect_client(world);

	slow_call = 0;
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	for (int turn = 0; turn < TURNS_MAX && slow_call == 0; turn++)
		loop_turn(world->loop, 10);
	assert_int_not_equal(slow_call, 0);
	return fd;
}

static int
begin_slow_call(struct world *world)
{
	return begin_slowly(world,
	    "POST " SLOW_CALL " HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n"
	    "{\"progress\":true}");
}

static void
tell_progress(struct world *world, uint32_t call, const char *line)
{
	link_send(world->theirs[ROLE_RELAY], MSG_PROGRESS,
	    &(struct msg_progress){
		.call = call, .line = {(const uint8_t *)line, (uint32_t)strlen(line)}});
}

static void
end_slow_call(struct world *world, unsigned status, const char *body)
{
	link_answer(world->theirs[ROLE_RELAY], slow_call, MSG_RESULT,
	    &(struct msg_result){.status = (uint16_t)status,
		.content_type = "application/json",
		.body = {(const uint8_t *)body, (uint32_t)strlen(body)}});
}

static void
test_progress_comes_before_the_answer(void **state)
{
	struct world *world = *state;
	char answer[ANSWER_SIZE] = "";
	int fd;

	connect_peer(world, ROLE_RELAY);
	fd = begin_slow_call(world);
	tell_progress(world, slow_call + 1, "{\"step\":\"another's\"}");
	tell_progress(world, slow_call, "{\"step\":1}");
	assert_true(read_until(world, fd, "\r\n\r\nb\r\n{\"step\":1}\n\r\n", answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
	assert_non_null(strstr(answer, "Content-Type: application/x-ndjson\r\n"));
	assert_null(strstr(answer, "another"));
	tell_progress(world, slow_call, "{\"step\":2}");
	assert_true(read_until(world, fd, "b\r\n{\"step\":2}\n\r\n", answer));
	end_slow_call(world, 200, "{\"ok\":true}");
	/* The connection ends behind it. */
	assert_false(read_until(world, fd, "never", answer));
	assert_non_null(strstr(answer, "{\"step\":2}\n\r\nb\r\n{\"ok\":true}\r\n0\r\n\r\n"));
	tell_progress(world, slow_call, "{\"step\":3}");
	request(world, "GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n", "404", "unknown_path");
	(void)close(fd);
}

/* Without any progress it is an answer like others. */
static void
test_call_that_ends_before_its_first_step(void **state)
{
	struct world *world = *state;
	char answer[ANSWER_SIZE] = "";
	int fd;

	connect_peer(world, ROLE_RELAY);
	fd = begin_slow_call(world);
	end_slow_call(world, 404, "{\"error\":{}}");
	assert_true(read_until(world, fd, "{\"error\":{}}", answer));
	assert_int_equal(strncmp(answer, "HTTP/1.1 404", 12), 0);
	assert_non_null(strstr(answer, "Content-Length: 12\r\n"));
	(void)close(fd);
}

static void
test_role_that_ends_in_the_middle(void **state)
{
	struct world *world = *state;
	char answer[ANSWER_SIZE] = "";
	int fd;

	connect_peer(world, ROLE_RELAY);
	fd = begin_slow_call(world);
	tell_progress(world, slow_call, "{\"step\":1}");
	assert_true(read_until(world, fd, "{\"step\":1}", answer));
	link_close(world->theirs[ROLE_RELAY]);
	assert_false(read_until(world, fd, "never", answer));
	assert_non_null(strstr(answer, "the relay role ended before it answered"));
	assert_non_null(strstr(answer, "\r\n0\r\n\r\n"));
	(void)close(fd);
}

static void
test_client_that_leaves_in_the_middle(void **state)
{
	struct world *world = *state;
	char answer[ANSWER_SIZE] = "";
	int fd;

	connect_peer(world, ROLE_RELAY);
	fd = begin_slow_call(world);
	tell_progress(world, slow_call, "{\"step\":1}");
	assert_true(read_until(world, fd, "{\"step\":1}", answer));
	(void)close(fd);
	for (int i = 0; i < 5; i++) {
		tell_progress(world, slow_call, "{\"step\":2}");
		loop_turn(world->loop, 10);
	}
	end_slow_call(world, 200, "{}");
	request(world, "GET /v1/none HTTP/1.1\r\nHost: x\r\n\r\n", "404", "unknown_path");
	/* The end of the role is no end for a request that has none. */
	fd = begin_slow_call(world);
	tell_progress(world, slow_call, "{\"step\":1}");
	answer[0] = '\0';
	assert_true(read_until(world, fd, "{\"step\":1}", answer));
	(void)close(fd);
}

/* ---- a stop ---- */

#define STOPPING "HTTP/1.1 503 Service Unavailable\r\n"

static void
test_stop_ends_what_waits_for_servers_elsewhere(void **state)
{
	struct world *world = *state;
	char streamed[ANSWER_SIZE] = "", whole[ANSWER_SIZE] = "";
	bool is_idle = false;
	int fds[2];

	connect_peer(world, ROLE_RELAY);
	fds[0] = begin_slow_call(world);
	tell_progress(world, slow_call, "{\"step\":1}");
	assert_true(read_until(world, fds[0], "{\"step\":1}", streamed));
	fds[1] = begin_slow_call(world);
	http_drain(world->server, on_idle, &is_idle);
	api_drain(world->api);
	assert_false(read_until(world, fds[0], "never", streamed));
	assert_non_null(
	    strstr(streamed, "{\"error\":{\"code\":\"stopping\",\"message\":\"posternd is "
			     "stopping, which ended this"));
	assert_non_null(strstr(streamed, "\r\n0\r\n\r\n"));
	assert_false(read_until(world, fds[1], "never", whole));
	assert_int_equal(strncmp(whole, STOPPING, strlen(STOPPING)), 0);
	assert_non_null(strstr(whole, "\"stopping\""));
	for (int turn = 0; turn < TURNS_MAX && !is_idle; turn++)
		loop_turn(world->loop, 10);
	assert_true(is_idle);
	end_slow_call(world, 200, "{}"); /* finds nobody */
	loop_turn(world->loop, 10);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* What changes something is waited for, but not for ever. */
static void
test_stop_waits_for_a_change(void **state)
{
	static const char text[] =
	    "POST " SLOW_CHANGE " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
	struct world *world = *state;
	char done[ANSWER_SIZE] = "", given_up[ANSWER_SIZE] = "";
	int fds[2];

	connect_peer(world, ROLE_QUEUE);
	fds[0] = begin_slowly(world, text);
	fds[1] = begin_slowly(world, text);
	http_drain(world->server, NULL, NULL);
	api_drain(world->api);
	link_answer(world->theirs[ROLE_QUEUE], slow_call, MSG_RESULT,
	    &(struct msg_result){.status = 200,
		.content_type = "application/json",
		.body = {(const uint8_t *)"{\"n\":7}", 7}});
	assert_true(read_until(world, fds[1], "{\"n\":7}", done));
	assert_int_equal(read(fds[0], given_up, 1), -1);
	api_give_up(world->api);
	assert_false(read_until(world, fds[0], "never", given_up));
	assert_int_equal(strncmp(given_up, STOPPING, strlen(STOPPING)), 0);
	assert_non_null(strstr(given_up, "it may still do what was asked"));
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_what_is_not_understood_is_refused_not_ignored, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_role_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_pipelined, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_drain, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_client_gone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_progress_comes_before_the_answer, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_call_that_ends_before_its_first_step, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_role_that_ends_in_the_middle, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_client_that_leaves_in_the_middle, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		test_stop_ends_what_waits_for_servers_elsewhere, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_stop_waits_for_a_change, set_up, tear_down),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* as role_run() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
