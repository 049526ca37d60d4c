/* The relay role and an upstream that takes chunks: when a body goes with its envelope, what is sent, what
 * becomes of it when things go wrong. */
#include "common/xalloc.h"
#include "tests/unit/relay_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BYTES(text) ((struct msg_bytes){(const uint8_t *)(text), (uint32_t)strlen(text)})
#define BODY BYTES("Subject: x\r\n\r\n.dot\r\nlast\r\n")
#define CHUNKING                                                                                   \
	{                                                                                          \
		"EHLO", "250-up\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 CHUNKING\r\n", ACT_REPLY  \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, ACT_REPLY                                                              \
	}

static const struct upstream_row kind[] = {CHUNKING, END};

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
	scene->world.profile.connections = 1;
	return scene;
}

static void
close_scene(struct scene *scene)
{
	relay_world_stop(&scene->world);
	upstream_server_stop(&scene->server);
	free(scene);
}

static const struct report_seen *
deliver(struct scene *scene, const char *recipients, struct msg_bytes body)
{
	struct relay_world *world = &scene->world;
	unsigned before = world->reports;

	relay_world_deliver(world, before + 1, recipients, body);
	WAIT_UNTIL(world, world->reports == before + 1);
	return &world->seen[before];
}

static void
check_taken(struct scene *scene, struct msg_bytes body)
{
	const struct report_seen *seen = deliver(scene, "a@x", body);

	assert_int_equal(seen->outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(seen->fates[0].fate, FATE_DELIVERED);
}

static bool
was_said(struct scene *scene, const char *command)
{
	bool was;

	(void)pthread_mutex_lock(&scene->server.lock);
	was = scene->server.commands.size > 0 &&
	      strstr(scene->server.commands.bytes, command) != NULL;
	(void)pthread_mutex_unlock(&scene->server.lock);
	return was;
}

static size_t
taken_bytes(struct scene *scene)
{
	size_t size;

	(void)pthread_mutex_lock(&scene->server.lock);
	size = scene->server.data.size;
	(void)pthread_mutex_unlock(&scene->server.lock);
	return size;
}

static struct buf
make_large(size_t size)
{
	struct buf body = {0};

	for (unsigned i = 0; body.size < size; i++)
		buf_printf(&body, "%sline %u of a body that needs credit to travel\r\n",
		    i % 7 == 0 ? "." : "", i);
	return body;
}

static struct msg_bytes
bytes_of(const struct buf *body)
{
	return (struct msg_bytes){(const uint8_t *)body->bytes, (uint32_t)body->size};
}

/* BDAT is seen to work, and that connections are kept; this one is, and goes on with the script. */
static void
prove(struct scene *scene, const struct upstream_row *script)
{
	struct upstream_server *server = &scene->server;

	check_taken(scene, BODY);
	check_taken(scene, BODY);
	scene->world.reports = 0;
	(void)pthread_mutex_lock(&server->lock);
	server->script = script;
	server->grouped = server->messages = 0;
	buf_clear(&server->commands);
	buf_clear(&server->data);
	(void)pthread_mutex_unlock(&server->lock);
}

static struct scene *
open_proven(const struct upstream_row *script)
{
	struct scene *scene = open_scene(kind);

	prove(scene, script);
	return scene;
}

/* One after the other on a connection, each with its envelope; nothing is stuffed. */
static void
test_with_the_envelope(void **state)
{
	static const struct upstream_row script[] = {
	    CHUNKING, {"RCPT TO:<b@", "550 5.1.1 unknown\r\n", ACT_REPLY}, END};
	struct scene *scene = open_scene(kind);
	const struct report_seen *seen;

	scene->world.profile.transcript = TRANSCRIPT_ALWAYS;
	prove(scene, script);
	seen = deliver(scene, "a@x,b@x,c@x", BODY);
	assert_int_equal(seen->outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(seen->fates[0].fate, FATE_DELIVERED);
	assert_int_equal(seen->fates[1].fate, FATE_FAILED);
	assert_int_equal(seen->fates[1].code, 550);
	assert_int_equal(seen->fates[2].fate, FATE_DELIVERED);
	assert_non_null(strstr(seen->transcript, "BDAT 26 LAST"));
	assert_non_null(strstr(seen->transcript, "<message>"));
	assert_null(strstr(seen->transcript, "Subject"));
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n\r\n.dot\r\nlast\r\n");
	check_taken(scene, BODY);
	check_taken(scene, BYTES(""));
	assert_int_equal(scene->server.grouped, 3);
	assert_int_equal(scene->server.messages, 3);
	assert_int_equal(scene->server.connections, 1);
	assert_false(was_said(scene, "DATA"));
	assert_false(was_said(scene, "BINARYMIME"));
	assert_true(was_said(scene, "BDAT 0 LAST"));
	close_scene(scene);
}

/* Octets are counted as they leave. */
static void
test_line_ends(void **state)
{
	static const struct {
		const char *body, *sent;
	} rows[] = {
	    {"a\nb\rc\r\n", "a\r\nb\r\nc\r\n"},
	    {"no end", "no end\r\n"},
	    {"cr\r", "cr\r\n"},
	    {".\r\n.\r\nQUIT\r\n", ".\r\n.\r\nQUIT\r\n"},
	    {"a\r\n.\rRSET\n", "a\r\n.\r\nRSET\r\n"},
	};
	struct scene *scene = open_proven(kind);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&scene->server.data);
		check_taken(scene, BYTES(rows[i].body));
		assert_string_equal(scene->server.data.bytes, rows[i].sent);
	}
	assert_int_equal(scene->server.grouped, sizeof(rows) / sizeof(rows[0]));
	assert_false(was_said(scene, "RSET"));
	close_scene(scene);
}

/* What isn't in hand as a whole follows its envelope in chunks, as it comes. */
static void
test_large(void **state)
{
	struct scene *scene = open_proven(kind);
	struct buf body = make_large(3u << 20);

	check_taken(scene, bytes_of(&body));
	assert_int_equal(scene->server.grouped, 0);
	assert_int_equal(scene->server.data.size, body.size);
	assert_memory_equal(scene->server.data.bytes, body.bytes, body.size);
	assert_true(was_said(scene, "BDAT 65536\n"));
	assert_in_range(scene->world.credit, 1u << 20, 3u << 20);
	buf_fini(&body);
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	assert_int_equal(scene->server.connections, 1);
	close_scene(scene);
}

/* A body whose end comes late, after everything else. */
static void
test_end_alone(void **state)
{
	struct scene *scene = open_proven(kind);
	struct relay_world *world = &scene->world;
	struct msg_body piece = {.stream = 1, .bytes = BYTES("Subject: x\r\n\r\nno end")};

	relay_world_begin(world, 1, "a@x", 100000);
	link_send(world->queue, MSG_BODY, &piece);
	WAIT_UNTIL(world, scene->server.data.size == 20);
	piece = (struct msg_body){.stream = 1, .bytes = BYTES(""), .is_last = true};
	link_send(world->queue, MSG_BODY, &piece);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n\r\nno end\r\n");
	assert_true(was_said(scene, "BDAT 20\nBDAT 2 LAST\n"));
	close_scene(scene);
}

/* Where what may have been sent is an operator's to decide, the recipients are known before the body. */
static void
test_not_with_the_envelope(void **state)
{
	struct scene *scene = open_scene(kind);

	scene->world.profile.is_uncertain_held = true;
	prove(scene, kind);
	check_taken(scene, BODY);
	assert_true(was_said(scene, "BDAT 26 LAST"));
	assert_int_equal(scene->server.grouped, 0);
	close_scene(scene);
	scene = open_scene(kind);
	scene->world.profile.bandwidth = 1u << 20;
	prove(scene, kind);
	check_taken(scene, BODY);
	assert_true(was_said(scene, "BDAT 26 LAST"));
	assert_int_equal(scene->server.grouped, 0);
	close_scene(scene);
}

/* Nor on a connection that the upstream may be about to close. */
static void
test_not_after_a_pause(void **state)
{
	struct scene *scene = open_proven(kind);

	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	for (int64_t until_ms = clock_monotonic_ms() + 2200; clock_monotonic_ms() < until_ms;)
		loop_turn(scene->world.loop, 10);
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 2);
	assert_int_equal(scene->server.connections, 1);
	close_scene(scene);
}

/* The body left, and no reply came: it may have arrived. For a while they go by DATA, as chunks may be the reason. */
static void
test_lost(void **state)
{
	static const struct upstream_row lost[] = {CHUNKING, {"MAIL", NULL, ACT_REPLY},
	    {"RCPT", NULL, ACT_REPLY}, {"BDAT", NULL, ACT_CLOSE}, END};
	struct scene *scene = open_proven(lost);
	const struct report_seen *seen = deliver(scene, "a@x,b@x", BODY);

	assert_int_equal(seen->outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(seen->fates[0].fate, FATE_UNCERTAIN);
	assert_int_equal(seen->fates[1].fate, FATE_UNCERTAIN);
	(void)pthread_mutex_lock(&scene->server.lock);
	scene->server.script = kind;
	(void)pthread_mutex_unlock(&scene->server.lock);
	assert_false(was_said(scene, "DATA"));
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	assert_true(was_said(scene, "DATA"));
	close_scene(scene);
}

/* The upstream takes one message on a connection, and says so to nobody: none is uncertain for it. */
static void
test_connections_not_kept(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;

	scene->server.keeps_none = true;
	for (uint64_t i = 1; i <= 5; i++)
		relay_world_deliver(world, i, "a@x", BODY);
	WAIT_UNTIL(world, world->reports == 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(world->seen[i].fates[0].fate, FATE_DELIVERED);
	assert_int_equal(scene->server.messages, 5);
	assert_int_equal(scene->server.connections, 5);
	assert_int_equal(scene->server.grouped, 4);
	close_scene(scene);
}

/* It goes on another connection, with its body. */
static void
test_moves_whole(void **state)
{
	static const struct {
		const char *reply;
		unsigned bodies_read; /* behind 421 the server reads nothing more */
	} rows[] = {{"451 4.7.0 Too many messages on this connection\r\n", 3},
	    {"421 4.7.0 Maximum number of messages per connection reached\r\n", 2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene *scene = open_proven(kind);

		scene->server.enough = rows[i].reply;
		for (unsigned count = 0; count < 2; count++)
			check_taken(scene, BODY);
		assert_int_equal(scene->server.connections, 2);
		assert_int_equal(scene->server.grouped, 3);
		/* What was refused may be read when the other connection was there already. */
		WAIT_UNTIL(&scene->world, taken_bytes(scene) == rows[i].bodies_read * BODY.size);
		buf_clear(&scene->server.data);
		check_taken(scene, BODY);
		assert_int_equal(taken_bytes(scene), BODY.size);
		close_scene(scene);
	}
}

/* The first chunk is not more than a line, and nothing follows before it was taken; once on a connection of
 * each host if there are several. */
static void
test_trial(void **state)
{
	static const struct upstream_row slow[] = {
	    CHUNKING, {"BDAT 12\n", NULL, ACT_SILENT}, {"BDAT 12", NULL, ACT_SILENT}, END};
	struct scene *scene = open_scene(slow);
	struct relay_world *world = &scene->world;

	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, was_said(scene, "BDAT 12\n"));
	relay_world_settle(world);
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n");
	assert_int_equal(world->reports, 0);
	close_scene(scene);
	scene = open_scene(kind);
	check_taken(scene, BODY);
	assert_true(was_said(scene, "BDAT 12\nBDAT 14 LAST\n"));
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n\r\n.dot\r\nlast\r\n");
	check_taken(scene, BODY);
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	close_scene(scene);
}

/* It is announced and not known: the message goes by DATA at once, and so do those after it. Whoever wrote it gave
 * no command by that. */
static void
test_unknown(void **state)
{
	static const struct upstream_row unknown[] = {
	    CHUNKING, {"BDAT", "502 5.5.1 Unrecognized command\r\n", ACT_REPLY}, END};
	struct scene *scene = open_scene(unknown);
	struct buf body = make_large(200000);

	scene->server.is_blind_to_chunks = true;
	check_taken(scene, BYTES("Received: by us\r\nMAIL FROM:<forged@x>\r\n\r\nQUIT\r\n"));
	assert_true(was_said(scene, "BDAT 17\n"));
	/* The server may have read on when the next connection was there already. */
	WAIT_UNTIL(&scene->world, was_said(scene, "Received: by us\n"));
	assert_true(was_said(scene, "DATA"));
	assert_false(was_said(scene, "forged"));
	check_taken(scene, bytes_of(&body));
	assert_int_equal(scene->server.connections, 2);
	close_scene(scene);
	scene = open_scene(unknown);
	scene->server.is_blind_to_chunks = true;
	check_taken(scene, bytes_of(&body));
	assert_in_range(scene->server.data.size, body.size, body.size * 2);
	assert_int_equal(scene->server.connections, 2);
	close_scene(scene);
	/* Later it knows it no more. */
	scene = open_proven(unknown);
	check_taken(scene, BODY);
	assert_int_equal(scene->server.grouped, 1);
	assert_true(was_said(scene, "DATA"));
	check_taken(scene, BODY);
	assert_int_equal(scene->server.connections, 2);
	close_scene(scene);
	/* What is gone of a large one is given again. */
	scene = open_proven(unknown);
	assert_int_equal(deliver(scene, "a@x", bytes_of(&body))->outcome, ATTEMPT_CANCELLED);
	assert_int_equal(scene->world.reports, 1);
	check_taken(scene, bytes_of(&body));
	assert_true(was_said(scene, "DATA"));
	close_scene(scene);
	scene = open_scene(unknown);
	relay_world_call(
	    &scene->world, "/v1/profiles/office/test", "{\"to\":\"t@x\",\"transcript\":true}");
	assert_non_null(strstr(scene->world.result, "\"ok\":true"));
	assert_non_null(strstr(scene->world.result, "C: BDAT "));
	assert_non_null(strstr(scene->world.result, "C: DATA"));
	close_scene(scene);
	buf_fini(&body);
}

/* No more is said of a body that was refused, and the connection is good for the next. */
static void
test_refused_early(void **state)
{
	static const struct upstream_row too_big[] = {
	    CHUNKING, {"BDAT 65536", "552 5.3.4 too big\r\n", ACT_REPLY}, END};
	struct scene *scene = open_proven(too_big);
	struct relay_world *world = &scene->world;
	struct buf body = make_large(190000);
	struct msg_body piece = {.stream = 1, .bytes = {(const uint8_t *)body.bytes, 65536}};

	relay_world_begin(world, 1, "a@x", 1000000);
	link_send(world->queue, MSG_BODY, &piece);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_FAILED);
	assert_int_equal(world->seen[0].fates[0].code, 552);
	check_taken(scene, BODY);
	assert_true(was_said(scene, "RSET"));
	assert_int_equal(scene->server.connections, 1);
	buf_fini(&body);
	close_scene(scene);
}

/* What more comes of it meanwhile is not sent, and does no harm. */
static void
test_refused_while_it_comes(void **state)
{
	static const struct upstream_row too_big[] = {
	    CHUNKING, {"BDAT 65536", "552 5.3.4 too big\r\n", ACT_REPLY}, END};
	struct scene *scene = open_proven(too_big);
	struct buf body = make_large(200000);

	for (unsigned i = 0; i < 20; i++) {
		const struct report_seen *seen = deliver(scene, "a@x", bytes_of(&body));

		assert_int_equal(seen->fates[0].fate, FATE_FAILED);
		assert_int_equal(seen->fates[0].code, 552);
	}
	assert_int_equal(scene->server.connections, 1);
	buf_fini(&body);
	close_scene(scene);
}

static void
send_piece(struct scene *scene, const struct buf *body, uint32_t size)
{
	struct msg_body piece = {.stream = 1, .bytes = {(const uint8_t *)body->bytes, size}};

	link_send(scene->world.queue, MSG_BODY, &piece);
}

/* Nor while the reply to another chunk is due. */
static void
test_refused_with_more_to_come(void **state)
{
	static const struct upstream_row slow[] = {CHUNKING,
	    {"BDAT 65536", "552 5.3.4 too big\r\n", ACT_REPLY}, {"BDAT", NULL, ACT_REPLY}, END};
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;
	struct buf body = make_large(65536);

	world->profile.dot_timeout_ms = 1000;
	prove(scene, slow);
	relay_world_begin(world, 1, "a@x", 1000000);
	send_piece(scene, &body, 65536);
	send_piece(scene, &body, 100);
	WAIT_UNTIL(world, was_said(scene, "BDAT 100\n"));
	relay_world_settle(world);
	send_piece(scene, &body, 50);
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_FAILED);
	assert_int_equal(world->seen[0].fates[0].code, 552);
	assert_false(was_said(scene, "BDAT 50\n"));
	buf_fini(&body);
	close_scene(scene);
}

static void
test_refused_recipients(void **state)
{
	static const struct upstream_row nobody[] = {CHUNKING,
	    {"RCPT", "550 5.1.1 unknown\r\n", ACT_REPLY}, {"BDAT", "250 taken\r\n", ACT_REPLY},
	    END};
	struct scene *scene = open_proven(nobody);
	const struct report_seen *seen = deliver(scene, "a@x,b@x", BODY);

	assert_int_equal(seen->fates[0].fate, FATE_FAILED);
	assert_int_equal(seen->fates[1].fate, FATE_FAILED);
	(void)deliver(scene, "c@x", BODY);
	assert_int_equal(scene->server.connections, 1);
	assert_int_equal(scene->server.grouped, 2);
	close_scene(scene);
}

/* The first recipient is told that the account has to wait, the second one has the message. */
static void
test_account_among_recipients(void **state)
{
	static const struct upstream_row quota[] = {CHUNKING,
	    {"RCPT TO:<a@", "550 5.4.5 Daily sending quota exceeded\r\n", ACT_REPLY}, END};
	struct scene *scene = open_proven(quota);
	const struct report_seen *seen = deliver(scene, "a@x,b@x", BODY);

	assert_int_equal(seen->outcome, ATTEMPT_ATTEMPTED);
	assert_int_equal(seen->fate_count, 2);
	assert_int_equal(seen->fates[0].fate, FATE_UNTRIED);
	assert_int_equal(seen->fates[1].fate, FATE_DELIVERED);
	assert_non_null(strstr(seen->reason, "quota"));
	close_scene(scene);
}

/* The drain waits for the reply to the last chunk, and then says that nobody knows. */
static void
test_drain_past_the_end(void **state)
{
	static const struct upstream_row silent[] = {CHUNKING, {"BDAT", NULL, ACT_SILENT}, END};
	struct scene *scene = open_proven(silent);
	struct relay_world *world = &scene->world;

	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, scene->server.messages == 1);
	relay_world_stop(world);
	assert_int_equal(world->reports, 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_UNCERTAIN);
	upstream_server_stop(&scene->server);
	free(scene);
}

/* The body is mime's, and comes when the connection waits for it. */
static void
test_changed_by_mime(void **state)
{
	struct scene *scene = open_scene(kind);
	struct relay_world *world = &scene->world;

	relay_world_link_mime(world);
	world->profile.signature_text = BYTES("-- \r\nus\r\n");
	relay_world_deliver(world, 1, "a@x", BODY);
	WAIT_UNTIL(world, world->is_mime_body_whole);
	relay_world_rework(world, REWORK_DONE, BYTES("Subject: x\r\n\r\n.signed\r\n"));
	WAIT_UNTIL(world, world->reports == 1);
	assert_int_equal(world->seen[0].fates[0].fate, FATE_DELIVERED);
	assert_string_equal(scene->server.data.bytes, "Subject: x\r\n\r\n.signed\r\n");
	assert_true(was_said(scene, "BDAT 12\nBDAT 11 LAST\n"));
	close_scene(scene);
}

/* Within a bandwidth each piece is a chunk, and a transfer stands still between two. */
static void
test_bandwidth(void **state)
{
	struct scene *scene = open_scene(kind);
	int64_t begun_ms = clock_monotonic_ms();
	struct buf body = make_large(200000);

	scene->world.profile.bandwidth = 100000;
	check_taken(scene, bytes_of(&body));
	assert_in_range(clock_monotonic_ms() - begun_ms, 1850, 6000);
	assert_int_equal(scene->server.data.size, body.size);
	assert_memory_equal(scene->server.data.bytes, body.bytes, body.size);
	buf_fini(&body);
	close_scene(scene);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_with_the_envelope),
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_end_alone),
	    cmocka_unit_test(test_not_with_the_envelope),
	    cmocka_unit_test(test_not_after_a_pause),
	    cmocka_unit_test(test_lost),
	    cmocka_unit_test(test_connections_not_kept),
	    cmocka_unit_test(test_moves_whole),
	    cmocka_unit_test(test_trial),
	    cmocka_unit_test(test_unknown),
	    cmocka_unit_test(test_refused_early),
	    cmocka_unit_test(test_refused_while_it_comes),
	    cmocka_unit_test(test_refused_with_more_to_come),
	    cmocka_unit_test(test_refused_recipients),
	    cmocka_unit_test(test_account_among_recipients),
	    cmocka_unit_test(test_drain_past_the_end),
	    cmocka_unit_test(test_changed_by_mime),
	    cmocka_unit_test(test_bandwidth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
