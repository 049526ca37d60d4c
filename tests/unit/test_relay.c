/* The relay role as a process: what it does with attempts, links and upstreams of all kinds. */
#include "common/xalloc.h"
#include "tests/unit/relay_world.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BYTES(text) ((struct msg_bytes){(const uint8_t *)(text), (uint32_t)strlen(text)})
#define BODY BYTES("Subject: x\r\n\r\n.dot\r\nlast\r\n")

static const struct upstream_row kind[] = {{NULL, NULL, ACT_REPLY}};

struct scene {
	struct upstream_server server;
	struct relay_world world;
};

static struct scene *
open_scene(const struct upstream_row *script)
{
	struct scene *scene = xcalloc(1, sizeof(*scene));

	/* The role is forked before there are threads. */
	relay_world_start(&scene->world, 0);
	upstream_server_start(&scene->server, script);
	scene->world.profile.port = scene->server.port;
	return scene;
}

static void
close_scene(struct scene *scene)
{
	relay_world_stop(&scene->world);
	upstream_server_stop(&scene->server);
	free(scene);
}

static void
test_delivered(void **state)
{
	static const struct upstream_row script[] = {
	    {"RCPT TO:<b@", "550 5.1.1 unknown\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;
	const struct report_seen *seen = &world->seen[0];

	relay_world_deliver(world, 1, "a@x,b@x,c@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(seen->outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(seen->fate_count, 3);
	assert_int_equal(seen->fates[0].fate, FATE_DELIVERED);
	assert_int_equal(seen->fates[1].fate, FATE_FAILED);
	assert_int_equal(seen->fates[1].code, 550);
	assert_string_equal(seen->fates[1].reply, "unknown");
	assert_int_equal(seen->fates[2].fate, FATE_DELIVERED);
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n\r\n..dot\r\nlast\r\n");
	/* The next one goes over the same connection. */
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(scene->server.connections, 1);
	assert_int_equal(world->fetches, 1);
	close_scene(scene);
}

static void
test_large_body(void **state)
{
	struct scene *scene = open_scene(kind);
	struct buf body = {0};

	for (unsigned i = 0; body.size < 3u << 20; i++)
		buf_printf(&body, "%sline %u of a body that needs credit to travel\r\n",
		    i % 7 == 0 ? "." : "", i);
	relay_world_deliver(&scene->world, 1, "a@x",
	    (struct msg_bytes){(const uint8_t *)body.bytes, (uint32_t)body.size});
	WAIT_UNTIL(&scene->world, scene->world.reports == 1);
	assert_int_equal(scene->world.seen[0].fates[0].fate, FATE_DELIVERED);
	assert_true(scene->server.data.size > body.size);
	assert_in_range(scene->world.credit, 1u << 20, 3u << 20);
	buf_fini(&body);
	close_scene(scene);
}

static void
check_outcome(const struct upstream_row *script, enum attempt_outcome outcome, const char *reason)
{
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.auth = "auto";
	world->profile.username = "me";
	world->profile.secret = BYTES("secret");
	relay_world_deliver(world, 1, "a@x", BODY);
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(world->seen[i].outcome, outcome);
		assert_int_equal(world->seen[i].fate_count, 0);
		if (strstr(world->seen[i].reason, reason) == NULL)
			fail_msg("%s", world->seen[i].reason);
	}
	close_scene(scene);
}

static void
test_problems_of_the_profile(void **state)
{
	static const struct {
		struct upstream_row script[3];
		enum attempt_outcome outcome;
		const char *reason;
	} rows[] = {
	    {{{"", "421 4.3.2 full\r\n", ACT_CLOSE}}, ATTEMPT_UNREACHABLE, "421 4.3.2 full"},
	    {{{"", NULL, ACT_CLOSE}}, ATTEMPT_UNREACHABLE, "implicit"},
	    {{{"EHLO", "421 no\r\n", ACT_CLOSE}}, ATTEMPT_UNREACHABLE, "ehlo: 421 no"},
	    {{{NULL, NULL, ACT_REPLY}}, ATTEMPT_MISCONFIGURED, "does not offer AUTH"},
	    {{{"EHLO", "250-up\r\n250 AUTH PLAIN\r\n", ACT_REPLY},
		 {"AUTH", "535 5.7.8 bad\r\n", ACT_REPLY}},
		ATTEMPT_AUTH_REFUSED, "password"},
	    {{{"EHLO", "250-up\r\n250 AUTH PLAIN\r\n", ACT_REPLY},
		 {"AUTH", "454 4.7.0 later\r\n", ACT_REPLY}},
		ATTEMPT_AUTH_LATER, "454 4.7.0 later"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_outcome(rows[i].script, rows[i].outcome, rows[i].reason);
}

static void
check_fate(const struct upstream_row *script, enum fate fate)
{
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	if (script->act == ACT_SILENT)
		world->profile.dot_timeout_ms = 300;
	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(world->seen[0].fates[0].fate, fate);
	close_scene(scene);
}

static void
test_fates(void **state)
{
	static const struct {
		struct upstream_row script[2];
		enum fate fate;
	} rows[] = {
	    {{{"MAIL", "451 4.3.0 later\r\n", ACT_REPLY}}, FATE_DEFERRED},
	    {{{"MAIL", "550 5.7.1 never\r\n", ACT_REPLY}}, FATE_FAILED},
	    {{{"RCPT", NULL, ACT_CLOSE}}, FATE_DEFERRED},
	    {{{"DATA", "554 5.3.0 no\r\n", ACT_REPLY}}, FATE_FAILED},
	    {{{".", "451 4.3.0 later\r\n", ACT_REPLY}}, FATE_DEFERRED},
	    {{{".", "421 4.3.0 later\r\n", ACT_CLOSE}}, FATE_DEFERRED},
	    {{{".", NULL, ACT_CLOSE}}, FATE_UNCERTAIN},
	    {{{".", NULL, ACT_SILENT}}, FATE_UNCERTAIN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_fate(rows[i].script, rows[i].fate);
}

/* Forty attempts do not wait for forty timeouts. */
static void
test_silence_fails_all_together(void **state)
{
	static const struct upstream_row script[] = {
	    {"", NULL, ACT_SILENT}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.timeout_ms = 500;
	for (uint64_t attempt = 1; attempt <= 40; attempt++)
		relay_world_deliver(world, attempt, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 40);
	assert_int_equal(world->seen[39].outcome, ATTEMPT_UNREACHABLE);
	assert_in_range(scene->server.connections, 1, 2);
	close_scene(scene);
}

/* A kept connection that the upstream closes is no failure of the next message. */
static void
test_closed_while_idle(void **state)
{
	static const struct upstream_row script[] = {
	    {".", "250 taken\r\n", ACT_CLOSE}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	for (uint64_t attempt = 1; attempt <= 5; attempt++)
		relay_world_deliver(world, attempt, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(world->seen[i].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.messages, 5);
	close_scene(scene);
}

static void
count_connections(const struct scene *scene, unsigned messages, unsigned connections)
{
	struct upstream_server *server = (struct upstream_server *)(uintptr_t)&scene->server;

	(void)pthread_mutex_lock(&server->lock);
	assert_int_equal(server->messages, messages);
	assert_int_equal(server->connections, connections);
	(void)pthread_mutex_unlock(&server->lock);
}

static unsigned
count_of(const char *text, const char *word)
{
	unsigned count = 0;

	while ((text = strstr(text, word)) != NULL) {
		text += strlen(word);
		count++;
	}
	return count;
}

static void
deliver_one_by_one(struct relay_world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned before = world->reports;

		relay_world_deliver(world, before + 1, "a@x", BODY);
		WAIT_UNTIL(world, world->reports == before + 1);
		assert_int_equal(world->seen[before].fate_count, 1);
		assert_int_equal(world->seen[before].fates[0].fate, FATE_DELIVERED);
	}
}

/* As many on a connection as the profile says, or fewer if the upstream does (RFC 9422). */
static void
test_messages_per_connection(void **state)
{
	static const struct upstream_row limited[] = {
	    {"EHLO", "250-x\r\n250 LIMITS MAILMAX=2\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(kind);

	scene->world.profile.messages_per_connection = 3;
	deliver_one_by_one(&scene->world, 7);
	count_connections(scene, 7, 3);
	close_scene(scene);
	scene = open_scene(limited);
	scene->world.profile.messages_per_connection = 3;
	deliver_one_by_one(&scene->world, 7);
	count_connections(scene, 7, 4);
	close_scene(scene);
	/* No limit. */
	scene = open_scene(kind);
	deliver_one_by_one(&scene->world, 120);
	count_connections(scene, 120, 1);
	close_scene(scene);
}

/* It goes on a new connection at once, no attempt is lost, and it is heard once only. */
static void
test_upstream_has_had_enough(void **state)
{
	static const char *const replies[] = {"451 4.7.0 Too many messages on this connection\r\n",
	    "421 4.7.0 Maximum number of messages per connection reached\r\n"};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct scene *scene = open_scene(kind);

		scene->server.enough = replies[i];
		deliver_one_by_one(&scene->world, 7);
		count_connections(scene, 7, 4);
		(void)pthread_mutex_lock(&scene->server.lock);
		assert_int_equal(count_of(scene->server.commands.bytes, "MAIL FROM"), 8);
		(void)pthread_mutex_unlock(&scene->server.lock);
		close_scene(scene);
	}
}

/* Who waits for a connection that may not be opened yet goes on one that gets free, or waits; an
 * urgent one as well. */
static void
test_connection_rate(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	int64_t began_ms = clock_monotonic_ms();

	world->profile.connection_rate = "1/2s";
	world->profile.messages_per_connection = 2;
	world->profile.connections = 5;
	world->priority = 1;
	for (uint64_t attempt = 1; attempt <= 5; attempt++)
		relay_world_deliver(world, attempt, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	count_connections(scene, 2, 1);
	WAIT_UNTIL(world, world->reports == 5);
	count_connections(scene, 5, 3);
	assert_true(clock_monotonic_ms() - began_ms >= 4000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(world->seen[i].fates[0].fate, FATE_DELIVERED);
	/* One that waits can be taken back. */
	relay_world_deliver(world, 6, "a@x", BODY);
	relay_world_deliver(world, 7, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 6);
	link_send(world->queue, MSG_ABORT, &(struct msg_abort){.stream = 7});
	WAIT_UNTIL(world, world->reports == 7);
	assert_int_equal(world->seen[6].outcome, ATTEMPT_CANCELLED);
	close_scene(scene);
}

/* A restart of queue: what was not acknowledged is said again. */
static void
test_new_link_to_queue(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;

	world->acknowledges = false;
	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	relay_world_begin(world, 2, "b@x", 100); /* its body will never come */
	relay_world_settle(world);
	world->acknowledges = true;
	relay_world_link_queue(world);
	WAIT_UNTIL(world, world->in_flight == 2 && world->reports == 3);
	assert_int_equal(world->in_flight_attempts, 2);
	assert_int_equal(world->seen[1].attempt, 1);
	assert_int_equal(world->seen[1].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(world->seen[2].attempt, 2);
	assert_int_equal(world->seen[2].outcome, ATTEMPT_CANCELLED);
	/* Acknowledged, they are forgotten. */
	relay_world_settle(world);
	relay_world_link_queue(world);
	WAIT_UNTIL(world, world->in_flight == 3);
	assert_int_equal(world->in_flight_attempts, 0);
	assert_int_equal(scene->server.messages, 1);
	close_scene(scene);
}

static bool
has_heard(struct upstream_server *server, const char *command)
{
	bool has;

	(void)pthread_mutex_lock(&server->lock);
	has = server->commands.size > 0 && strstr(server->commands.bytes, command) != NULL;
	(void)pthread_mutex_unlock(&server->lock);
	return has;
}

static void
test_order_of_waiting(void **state)
{
	static const uint8_t priorities[] = {5, 3, 1, 3, 5, 2};
	static const uint64_t order[] = {1, 4, 7, 3, 5, 2, 6};
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct msg_body rest = {.stream = 1, .bytes = BODY, .is_last = true};

	world->profile.connections = 1;
	relay_world_begin(world, 1, "a@x", BODY.size);
	WAIT_UNTIL(world, has_heard(&scene->server, "DATA"));
	for (unsigned i = 0; i < 6; i++) {
		world->priority = priorities[i];
		relay_world_deliver(world, 2 + i, "a@x", BODY);
	}
	relay_world_settle(world);
	link_send(world->queue, MSG_BODY, &rest);
	WAIT_UNTIL(world, world->reports == 7);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(world->seen[i].attempt, order[i]);
	assert_int_equal(scene->server.connections, 1);
	close_scene(scene);
}

static size_t
data_size(struct upstream_server *server)
{
	size_t size;

	(void)pthread_mutex_lock(&server->lock);
	size = server->data.size;
	(void)pthread_mutex_unlock(&server->lock);
	return size;
}

/* A quarter of a MiB, all that may be sent without credit. */
static void
send_beginning(struct relay_world *world, uint64_t attempt)
{
	static const char line[] = "a line of a body that has 32 ..\r\n";
	struct msg_body piece = {.stream = attempt};
	struct buf body = {0};

	while (body.size + strlen(line) <= STREAM_CREDIT / 4)
		buf_text(&body, line);
	piece.bytes = (struct msg_bytes){(const uint8_t *)body.bytes, (uint32_t)body.size};
	for (unsigned i = 0; i < 4; i++)
		link_send(world->queue, MSG_BODY, &piece);
	buf_fini(&body);
}

/* What stands still asks for no more of its body, and goes on. */
static void
test_lower_priority_stands_still(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct msg_body rest = {.stream = 2, .bytes = BODY, .is_last = true};
	struct msg_abort take_back = {.stream = 1};
	size_t size;
	uint32_t credit;

	world->profile.bandwidth = 65536;
	world->priority = 5;
	relay_world_begin(world, 1, "slow@x", 1u << 20);
	send_beginning(world, 1);
	WAIT_UNTIL(world, world->credit > 0);
	world->priority = 1;
	relay_world_begin(world, 2, "urgent@x", BODY.size);
	WAIT_UNTIL(world, has_heard(&scene->server, "urgent@x"));
	relay_world_settle(world);
	size = data_size(&scene->server);
	credit = world->credit;
	for (int64_t until_ms = clock_monotonic_ms() + 300; clock_monotonic_ms() < until_ms;)
		loop_turn(world->loop, 10);
	assert_in_range(data_size(&scene->server), size, size + 2048); /* 20,000 at its pace */
	assert_int_equal(world->credit, credit);
	link_send(world->queue, MSG_BODY, &rest);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].attempt, 2);
	WAIT_UNTIL(world, world->credit > credit);
	link_send(world->queue, MSG_ABORT, &take_back);
	WAIT_UNTIL(world, world->reports == 2);
	close_scene(scene);
}

static void
test_bandwidth(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	int64_t begun_ms = clock_monotonic_ms();
	struct buf body = {0};

	while (body.size < 200000)
		buf_text(&body, ".a line that begins with a dot\r\n");
	world->profile.bandwidth = 100000;
	relay_world_deliver(
	    world, 1, "a@x", (struct msg_bytes){(const uint8_t *)body.bytes, (uint32_t)body.size});
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_in_range(clock_monotonic_ms() - begun_ms, 1850, 6000);
	buf_fini(&body);
	close_scene(scene);
}

static void
test_abort(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct msg_abort take_back = {.stream = 1};

	relay_world_begin(world, 1, "a@x", 100);
	relay_world_settle(world);
	link_send(world->queue, MSG_ABORT, &take_back);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].outcome, ATTEMPT_CANCELLED);
	assert_int_equal(scene->server.messages, 0);
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].outcome, ATTEMPT_ATTEMPTED);
	close_scene(scene);
}

static void
test_changed_profile(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct msg_profile stale = world->profile;

	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	link_send(world->accounts, MSG_PROFILE, &stale);
	world->profile.ehlo = "other.example";
	relay_world_settle(world);
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->fetches, 2);
	assert_int_equal(scene->server.connections, 2);
	assert_non_null(strstr(scene->server.commands.bytes, "EHLO other.example"));
	close_scene(scene);
}

static void
check_lines(const char *transcript, const char *const *lines)
{
	for (; *lines != NULL; lines++) {
		const char *found = strstr(transcript, *lines);

		if (found == NULL)
			fail_msg("there is no `%s` behind\n%s", *lines, transcript);
		transcript = found + strlen(*lines);
	}
}

static void
test_transcripts_of_failures(void **state)
{
	static const struct upstream_row script[] = {
	    {"EHLO", "250-up\r\n250 AUTH LOGIN\r\n", ACT_REPLY},
	    {"AUTH", "334 VXNlcm5hbWU6\r\n", ACT_REPLY},
	    {"bWU=", "334 UGFzc3dvcmQ6\r\n", ACT_REPLY},
	    {"c2VjcmV0", "235 2.7.0 ok\r\n", ACT_REPLY},
	    {"RCPT TO:<b@", "550 5.1.1 unknown\r\n", ACT_REPLY},
	    {NULL, NULL, ACT_REPLY},
	};
	static const char *const first[] = {"0.0", "* 20",
	    ", a new connection to 127.0.0.1:", "* connect: 127.0.0.1[127.0.0.1]:", "S: 220 up",
	    "C: EHLO relay.example", "S: 250 up", "C: AUTH LOGIN\n", "S: 334 <challenge>\n",
	    "C: <secret>\n", "C: <secret>\n", "S: 235 ", "C: MAIL FROM:<sender@a.example>",
	    "C: RCPT TO:<b@x>", "S: 550 5.1.1 unknown\n", NULL};
	static const char *const later[] = {
	    " that was kept after 2 messages, whose first has its beginning\n",
	    "C: MAIL FROM:", "C: RCPT TO:<a@x>", "S: 550 5.1.1 unknown", "C: <message>\n",
	    "S: 250 2.0.0 taken\n", NULL};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.auth = "auto";
	world->profile.username = "me";
	world->profile.secret = BYTES("secret");
	world->profile.transcript = TRANSCRIPT_FAILURE;
	world->profile.connections = 1;
	relay_world_deliver(world, 1, "b@x", BODY);
	relay_world_deliver(world, 2, "a@x", BODY);
	relay_world_deliver(world, 3, "a@x,b@x", BODY);
	WAIT_UNTIL(world, world->reports == 3);
	check_lines(world->seen[0].transcript, first);
	assert_null(strstr(world->seen[0].transcript, "c2VjcmV0"));
	assert_null(strstr(world->seen[0].transcript, "bWU="));
	assert_string_equal(world->seen[1].transcript, "");
	check_lines(world->seen[2].transcript, later);
	close_scene(scene);
}

static void
test_transcripts_always_and_never(void **state)
{
	static const char *const lines[] = {"a new connection to", "C: EHLO", "C: DATA\n",
	    "S: 354 go", "C: <message>\n", "S: 250 2.0.0 taken\n", NULL};

	for (enum transcript_policy policy = TRANSCRIPT_NEVER; policy <= TRANSCRIPT_ALWAYS;
	     policy++) {
		struct scene *scene = open_scene(kind);
		struct relay_world *world = &scene->world;

		world->profile.transcript = policy;
		relay_world_deliver(world, 1, "a@x", BODY);
		WAIT_UNTIL(world, world->reports == 1);
		if (policy == TRANSCRIPT_ALWAYS)
			check_lines(world->seen[0].transcript, lines);
		else
			assert_string_equal(world->seen[0].transcript, "");
		close_scene(scene);
	}
}

/* Of those that fail together the first has it. */
static void
test_transcript_of_a_profile_in_trouble(void **state)
{
	static const struct upstream_row script[] = {
	    {"EHLO", "421 4.3.2 not now\r\n", ACT_REPLY}, {NULL, NULL, ACT_REPLY}};
	static const char *const lines[] = {"a new connection to", "C: EHLO relay.example\n",
	    "S: 421 4.3.2 not now\n", "* ehlo: 421 4.3.2 not now\n", NULL};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.transcript = TRANSCRIPT_FAILURE;
	world->profile.connections = 1;
	relay_world_deliver(world, 1, "a@x", BODY);
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[0].outcome, ATTEMPT_UNREACHABLE);
	check_lines(world->seen[0].transcript, lines);
	assert_string_equal(world->seen[1].transcript, "");
	close_scene(scene);
}

static char *
read_captured(const struct relay_world *world)
{
	char *path = xasprintf("%s/in/box/new", world->directory), *name = NULL;
	DIR *directory = opendir(path);
	struct dirent *entry;
	char *text = xcalloc(1, 4096);
	FILE *file;

	assert_non_null(directory);
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			name = xasprintf("%s/%s", path, entry->d_name);
	(void)closedir(directory);
	assert_non_null(name);
	file = fopen(name, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, 4095, file) > 0);
	(void)fclose(file);
	free(name);
	free(path);
	return text;
}

static void
test_capture(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct msg_profile stale = world->profile;
	char *text;

	world->profile.capture = "in/box";
	relay_world_deliver(world, 1, "a@x,b@x", BODY);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[1].fate, FATE_DELIVERED);
	text = read_captured(world);
	assert_string_equal(text, "Return-Path: <sender@a.example>\r\nDelivered-To: a@x\r\n"
				  "Delivered-To: b@x\r\n"
				  "Subject: x\r\n\r\n.dot\r\nlast\r\n");
	free(text);
	world->profile.capture = "../outside";
	link_send(world->accounts, MSG_PROFILE, &stale);
	relay_world_settle(world);
	relay_world_deliver(world, 2, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 2);
	assert_int_equal(world->seen[1].outcome, ATTEMPT_MISCONFIGURED);
	close_scene(scene);
}

static void
test_profile_test(void **state)
{
	static const struct upstream_row script[] = {
	    {"EHLO", "250-up\r\n250 AUTH PLAIN\r\n", ACT_REPLY},
	    {"AUTH PLAIN AG1lAHNlY3JldA==", "235 2.7.0 ok\r\n", ACT_REPLY},
	    {"AUTH", "535 5.7.8 bad\r\n", ACT_REPLY},
	    {NULL, NULL, ACT_REPLY},
	};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.auth = "plain";
	world->profile.username = "me";
	world->profile.secret = BYTES("secret");
	relay_world_call(world, "/v1/profiles/office/test", "{\"to\":\"t@x\",\"transcript\":true}");
	assert_int_equal(world->status, 200);
	assert_non_null(strstr(world->result, "\"ok\":true"));
	assert_non_null(strstr(world->result, "\"method\":\"PLAIN\""));
	assert_non_null(strstr(world->result, "C: AUTH PLAIN <secret>"));
	assert_null(strstr(world->result, "AG1lAHNlY3JldA"));
	assert_int_equal(scene->server.messages, 1);
	world->profile.secret = BYTES("wrong");
	relay_world_call(world, "/v1/profiles/office/test", "");
	assert_non_null(strstr(world->result, "\"ok\":false"));
	assert_non_null(strstr(world->result, "look at username, password and auth"));
	relay_world_call(world, "/v1/profiles/office/test", "{\"too\":1}");
	assert_int_equal(world->status, 400);
	assert_non_null(strstr(world->result, "\"field\":\"too\""));
	relay_world_call(world, "/v1/profiles/office/test", "{\"to\":\"nobody\"}");
	assert_non_null(strstr(world->result, "\"field\":\"to\""));
	world->profile.profile_id = 0;
	relay_world_call(world, "/v1/profiles/none/test", "");
	assert_int_equal(world->status, 404);
	close_scene(scene);
}

/* The drain waits for a final dot, and then says that nobody knows. */
static void
test_drain_past_the_dot(void **state)
{
	static const struct upstream_row script[] = {
	    {".", NULL, ACT_SILENT}, {NULL, NULL, ACT_REPLY}};
	struct scene *scene = open_scene(script);
	struct relay_world *world = &scene->world;

	world->profile.dot_timeout_ms = 600000;
	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, scene->server.messages == 1);
	relay_world_stop(world);
	assert_int_equal(world->reports, 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_UNCERTAIN);
	upstream_server_stop(&scene->server);
	free(scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_delivered),
	    cmocka_unit_test(test_large_body),
	    cmocka_unit_test(test_problems_of_the_profile),
	    cmocka_unit_test(test_fates),
	    cmocka_unit_test(test_silence_fails_all_together),
	    cmocka_unit_test(test_closed_while_idle),
	    cmocka_unit_test(test_messages_per_connection),
	    cmocka_unit_test(test_upstream_has_had_enough),
	    cmocka_unit_test(test_connection_rate),
	    cmocka_unit_test(test_new_link_to_queue),
	    cmocka_unit_test(test_order_of_waiting),
	    cmocka_unit_test(test_lower_priority_stands_still),
	    cmocka_unit_test(test_bandwidth),
	    cmocka_unit_test(test_abort),
	    cmocka_unit_test(test_changed_profile),
	    cmocka_unit_test(test_transcripts_of_failures),
	    cmocka_unit_test(test_transcripts_always_and_never),
	    cmocka_unit_test(test_transcript_of_a_profile_in_trouble),
	    cmocka_unit_test(test_capture),
	    cmocka_unit_test(test_profile_test),
	    cmocka_unit_test(test_drain_past_the_dot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
