/* relay_world - the neighbours of the relay role, for its tests. */
#include "tests/unit/relay_world.h"

#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/relay/relay.h"

#include <arpa/inet.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define NOBODY 65534
#define TOO_MANY "421 4.7.0 Too many concurrent SMTP connections\r\n"
#define PIECE (64u * 1024)

/* ---- the upstream ---- */

struct session {
	struct upstream_server *server;
	int fd;
	char input[65536];
	size_t size;
	unsigned messages;
	bool is_one_too_many;
};

static const struct upstream_row *
find_row(const struct upstream_server *server, const char *line)
{
	static const struct upstream_row defaults[] = {
	    {"EHLO", "250-up\r\n250-PIPELINING\r\n250 8BITMIME\r\n", ACT_REPLY},
	    {"DATA", "354 go\r\n", ACT_REPLY},
	    {"QUIT", "221 bye\r\n", ACT_CLOSE},
	    {".", "250 2.0.0 taken\r\n", ACT_REPLY},
	    {"", "220 up\r\n", ACT_REPLY},
	    {NULL, "250 ok\r\n", ACT_REPLY},
	};

	for (const struct upstream_row *row = server->script; row->prefix != NULL; row++)
		if (row->prefix[0] == '\0' ? line[0] == '\0'
					   : strncmp(line, row->prefix, strlen(row->prefix)) == 0)
			return row;
	for (const struct upstream_row *row = defaults;; row++)
		if (row->prefix == NULL ||
		    (row->prefix[0] == '\0' ? line[0] == '\0'
					    : strncmp(line, row->prefix, strlen(row->prefix)) == 0))
			return row;
}

/* Of a third message, if that is one too many. */
static bool
has_enough(const struct session *session, const char *line)
{
	return session->server->enough != NULL && session->messages == 2 &&
	       strncmp(line, "MAIL", 4) == 0;
}

/* Is a connection too many, at its greeting. */
static bool
is_refused(const struct session *session, const char *line)
{
	return line[0] == '\0' && session->is_one_too_many;
}

/* False: the session is over. */
static bool
act(struct session *session, const char *line)
{
	const struct upstream_row *row = find_row(session->server, line);
	char rest[4096];

	if (is_refused(session, line)) {
		(void)send(session->fd, TOO_MANY, strlen(TOO_MANY), MSG_NOSIGNAL);
		/* It is open until the client has heard that. */
		while (recv(session->fd, rest, sizeof(rest), 0) > 0)
			;
		return false;
	}
	if (session->server->keeps_none && session->messages == 1 && strncmp(line, "MAIL", 4) == 0)
		return false;
	if (has_enough(session, line)) {
		const char *reply = session->server->enough;

		return send(session->fd, reply, strlen(reply), MSG_NOSIGNAL) > 0 &&
		       strncmp(reply, "421", 3) != 0;
	}
	if (row->reply != NULL && row->act != ACT_SILENT &&
	    send(session->fd, row->reply, strlen(row->reply), MSG_NOSIGNAL) < 0)
		return false;
	while (row->act == ACT_SILENT)
		if (recv(session->fd, rest, sizeof(rest), 0) <= 0)
			return false;
	return row->act == ACT_REPLY;
}

/* The next line without its end; false at the end of the connection. */
static bool
read_line(struct session *session, char *line, size_t capacity)
{
	char *end;

	while ((end = memmem(session->input, session->size, "\r\n", 2)) == NULL) {
		ssize_t got = recv(session->fd, session->input + session->size,
		    sizeof(session->input) - session->size, 0);

		if (got <= 0)
			return false;
		session->size += (size_t)got;
	}
	(void)snprintf(line, capacity, "%.*s", (int)(end - session->input), session->input);
	session->size -= (size_t)(end + 2 - session->input);
	memmove(session->input, end + 2, session->size);
	return true;
}

static void
wait_for_connections(struct upstream_server *server)
{
	while (server->connections < server->connections_awaited)
		(void)pthread_cond_wait(&server->changed, &server->lock);
}

static void
note_message(struct session *session)
{
	(void)pthread_mutex_lock(&session->server->lock);
	wait_for_connections(session->server);
	session->server->messages++;
	session->messages++;
	(void)pthread_mutex_unlock(&session->server->lock);
}

/* The octets behind a BDAT; false at the end of the connection. */
static bool
read_chunk(struct session *session, const char *line)
{
	struct upstream_server *server = session->server;
	char *end;
	size_t left = strtoul(line + 5, &end, 10);

	while (left > 0) {
		ssize_t got = session->size > 0
				  ? 0
				  : recv(session->fd, session->input, sizeof(session->input), 0);
		size_t used;

		if (session->size == 0 && got <= 0)
			return false;
		session->size += (size_t)got;
		used = session->size < left ? session->size : left;
		(void)pthread_mutex_lock(&server->lock);
		buf_append(&server->data, session->input, used);
		(void)pthread_mutex_unlock(&server->lock);
		session->size -= used;
		memmove(session->input, session->input + used, session->size);
		left -= used;
	}
	if (strcmp(end, " LAST") == 0)
		note_message(session);
	return true;
}

static void
note_command(struct session *session, const char *line)
{
	struct upstream_server *server = session->server;

	(void)pthread_mutex_lock(&server->lock);
	buf_printf(&server->commands, "%s\n", line);
	server->grouped += strncmp(line, "MAIL", 4) == 0 &&
			   memmem(session->input, session->size, "\r\nBDAT ", 7) != NULL;
	(void)pthread_mutex_unlock(&server->lock);
}

static bool
read_data(struct session *session)
{
	struct upstream_server *server = session->server;
	char line[2048];

	while (read_line(session, line, sizeof(line))) {
		if (strcmp(line, ".") == 0) {
			note_message(session);
			return true;
		}
		(void)pthread_mutex_lock(&server->lock);
		buf_printf(&server->data, "%s\r\n", line);
		(void)pthread_mutex_unlock(&server->lock);
	}
	return false;
}

static void *
run_session(void *ctx)
{
	struct session *session = ctx;
	char line[2048] = "";

	while (act(session, line)) {
		bool is_data = strcmp(line, "DATA") == 0 &&
			       strncmp(find_row(session->server, line)->reply, "354", 3) == 0;

		if (is_data && !read_data(session))
			break;
		if (is_data)
			strcpy(line, ".");
		else if (!read_line(session, line, sizeof(line)))
			break;
		note_command(session, line);
		if (strncmp(line, "BDAT ", 5) == 0 && !session->server->is_blind_to_chunks &&
		    !read_chunk(session, line))
			break;
	}
	(void)close(session->fd);
	(void)pthread_mutex_lock(&session->server->lock);
	session->server->open_count--;
	(void)pthread_cond_broadcast(&session->server->changed);
	(void)pthread_mutex_unlock(&session->server->lock);
	free(session);
	return NULL;
}

static void *
run_server(void *ctx)
{
	struct upstream_server *server = ctx;
	int fd;

	while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
		struct session *session = xcalloc(1, sizeof(*session));
		pthread_t thread;

		session->server = server;
		session->fd = fd;
		(void)pthread_mutex_lock(&server->lock);
		server->connections++;
		server->open_count++;
		session->is_one_too_many =
		    server->open_max != 0 && server->open_count > server->open_max;
		(void)pthread_cond_broadcast(&server->changed);
		(void)pthread_mutex_unlock(&server->lock);
		ensure(pthread_create(&thread, NULL, run_session, session) == 0);
		(void)pthread_detach(thread);
	}
	return NULL;
}

void
upstream_server_start(struct upstream_server *server, const struct upstream_row *script)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	*server = (struct upstream_server){.script = script};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server->listener, 64), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	(void)pthread_mutex_init(&server->lock, NULL);
	(void)pthread_cond_init(&server->changed, NULL);
	assert_int_equal(pthread_create(&server->thread, NULL, run_server, server), 0);
}

void
upstream_server_stop(struct upstream_server *server)
{
	(void)shutdown(server->listener, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	(void)pthread_mutex_lock(&server->lock);
	server->connections_awaited = 0;
	(void)pthread_cond_broadcast(&server->changed);
	while (server->open_count > 0)
		(void)pthread_cond_wait(&server->changed, &server->lock);
	(void)pthread_mutex_unlock(&server->lock);
	(void)close(server->listener);
	buf_fini(&server->commands);
	buf_fini(&server->data);
}

/* ---- what comes from the role ---- */

static void
see_report(struct relay_world *world, const struct msg_report *report)
{
	struct report_seen *seen = &world->seen[world->reports % 256];
	struct msg_list fates = report->fates;
	struct msg_report_ack ack = {report->message_id, report->attempt};
	struct rec_fate fate;

	*seen = (struct report_seen){.attempt = report->attempt,
	    .outcome = report->outcome,
	    .is_alerted = report->is_alerted};
	(void)snprintf(seen->reason, sizeof(seen->reason), "%s", report->reason);
	(void)snprintf(seen->transcript, sizeof(seen->transcript), "%s", report->transcript);
	(void)snprintf(seen->upstream, sizeof(seen->upstream), "%s", report->upstream);
	while (message_list_next(&fates, REC_FATE, &fate) && seen->fate_count < 8) {
		unsigned i = seen->fate_count++;

		seen->fates[i].fate = fate.fate;
		seen->fates[i].code = fate.code;
		(void)snprintf(seen->fates[i].reply, 256, "%s", fate.reply);
	}
	world->reports++;
	if (world->acknowledges)
		link_send(world->queue, MSG_REPORT_ACK, &ack);
}

static void
see_order(struct relay_world *world, const struct link_message *message)
{
	const struct msg_rework *order = &message->body->rework;

	world->orders++;
	world->order.stream = order->stream;
	world->order.size = order->size;
	world->order.to_7bit = order->to_7bit;
	world->order.request_id = message->request_id;
	(void)snprintf(world->order.from, sizeof(world->order.from), "%s", order->from);
	(void)snprintf(world->order.signature, sizeof(world->order.signature), "%.*s",
	    (int)order->signature_text.size, (const char *)order->signature_text.at);
	buf_clear(&world->mime_body);
	world->is_mime_body_whole = false;
}

static void
on_mime_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct relay_world *world = ctx;
	const struct msg_body *body = &message->body->body;
	struct msg_credit credit = {.stream = body->stream, .bytes = body->bytes.size};

	switch (message->kind) {
	case MSG_REWORK:
		see_order(world, message);
		break;
	case MSG_BODY:
		buf_append(&world->mime_body, body->bytes.at, body->bytes.size);
		world->is_mime_body_whole |= body->is_last;
		link_send(link, MSG_CREDIT, &credit);
		break;
	case MSG_CREDIT:
		world->mime_credit += message->body->credit.bytes;
		break;
	case MSG_ABORT:
		world->aborts++;
		break;
	default:
		break;
	}
}

static void
on_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct relay_world *world = ctx;

	switch (message->kind) {
	case MSG_DRAIN:
		world->is_drained = true;
		break;
	case MSG_READY:
		assert_string_equal(message->body->ready.problem, "");
		break;
	case MSG_ALERT:
		world->alerts++;
		break;
	case MSG_PROFILE_GET:
		world->fetches++;
		link_answer(link, message->request_id, MSG_PROFILE, &world->profile);
		break;
	case MSG_IN_FLIGHT:
		world->in_flight++;
		world->in_flight_attempts = message->body->in_flight.attempts.count;
		break;
	case MSG_REPORT:
		see_report(world, &message->body->report);
		break;
	case MSG_CREDIT:
		world->credit += message->body->credit.bytes;
		break;
	default:
		break;
	}
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	struct relay_world *world = ctx;

	if (link == world->parent)
		world->parent = NULL;
	if (link == world->queue)
		world->queue = NULL;
	if (link == world->accounts)
		world->accounts = NULL;
	if (link == world->control)
		world->control = NULL;
	if (link == world->mime)
		world->mime = NULL;
}

static const struct link_callbacks callbacks = {on_message, on_closed};

/* ---- the role ---- */

static const struct link_callbacks mime_callbacks = {on_mime_message, on_closed};

static struct link *
give_link(struct relay_world *world, enum role role)
{
	struct msg_link message = {.role = role};
	int fds[2];
	struct link *link;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	link = link_open(world->loop, fds[0], role, ROLE_RELAY, 0,
	    role == ROLE_MIME ? &mime_callbacks : &callbacks, world);
	link_send_with_fds(world->parent, MSG_LINK, &message, &fds[1], 1);
	(void)close(fds[1]);
	return link;
}

void
relay_world_link_queue(struct relay_world *world)
{
	if (world->queue != NULL)
		link_close(world->queue);
	world->queue = give_link(world, ROLE_QUEUE);
}

void
relay_world_link_mime(struct relay_world *world)
{
	world->mime = give_link(world, ROLE_MIME);
}

static void
send_config(struct relay_world *world)
{
	char *text = xasprintf("hostname = \"relay.example\";\nstate_dir = \"%s\";\n"
			       "capture_dir = \"%s\";\nrun_dir = \"%s\";\n",
	    world->directory, world->directory, world->directory);
	struct msg_config config = {
	    .generation = 1, .text = {(const uint8_t *)text, (uint32_t)strlen(text)}};
	struct msg_ready ready = {.generation = 1, .problem = ""};

	link_send(world->parent, MSG_CONFIG, &config);
	world->queue = give_link(world, ROLE_QUEUE);
	world->accounts = give_link(world, ROLE_ACCOUNTS);
	world->control = give_link(world, ROLE_CONTROL);
	link_send(world->parent, MSG_READY, &ready);
	free(text);
}

static unsigned hurry; /* of the role, in its process */

static int
start_hurried(struct role_context *role, struct err *err_out)
{
	loop_hurry(role->loop, hurry);
	return relay_ops.start(role, err_out);
}

static void
run_role(int fd, unsigned times)
{
	struct role_ops ops = relay_ops;

	hurry = times;
	ops.start = start_hurried;
	/* As root the role would want its accounts and a chroot. */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		_exit(99);
	_exit(role_run(ROLE_RELAY, 0, fd, &ops));
}

static void
set_profile(struct relay_world *world, uint16_t port)
{
	world->profile = (struct msg_profile){
	    .profile_id = 7,
	    .version = 1,
	    .problem = "",
	    .name = "office",
	    .capture = "",
	    .host = "127.0.0.1",
	    .port = port,
	    .fingerprint = "",
	    .tls_min = TLS_VERSION_1_2,
	    .tls_max = TLS_VERSION_1_3,
	    .auth_worked = "",
	    .auth = "none",
	    .username = "",
	    .ehlo = "",
	    .pop3_host = "",
	    .pop3_fingerprint = "",
	    .pop3_auth = "",
	    .pop3_username = "",
	    .from_name = "",
	    .from = "",
	    .reply_to = "",
	    .envelope_sender = "",
	    .connection_rate = "",
	    .timeout_ms = 60000,
	    .dot_timeout_ms = 60000,
	    .connections = 2,
	};
}

void
relay_world_start(struct relay_world *world, uint16_t port)
{
	relay_world_start_hurried(world, port, 1);
}

void
relay_world_start_hurried(struct relay_world *world, uint16_t port, unsigned times)
{
	int fds[2];

	*world = (struct relay_world){.acknowledges = true, .priority = 3};
	set_profile(world, port);
	assert_true(scratch_make(world->directory, "relay"));
	assert_int_equal(chmod(world->directory, 0777), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	world->pid = fork();
	assert_true(world->pid >= 0);
	if (world->pid == 0) {
		(void)close(fds[0]);
		run_role(fds[1], times);
	}
	(void)close(fds[1]);
	world->loop = loop_new();
	world->parent =
	    link_open(world->loop, fds[0], ROLE_PARENT, ROLE_RELAY, 0, &callbacks, world);
	send_config(world);
	WAIT_UNTIL(world, world->in_flight == 1);
}

static void
close_links(struct relay_world *world)
{
	struct link *const links[] = {
	    world->parent, world->accounts, world->queue, world->control, world->mime};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (links[i] != NULL)
			link_close(links[i]);
}

void
relay_world_stop(struct relay_world *world)
{
	struct msg_drain drain = {.within_ms = 3000};
	char *remove = xasprintf("rm -rf %s", world->directory);
	int status;

	world->acknowledges = true;
	link_send(world->parent, MSG_DRAIN, &drain);
	WAIT_UNTIL(world, world->is_drained);
	close_links(world);
	loop_turn(world->loop, 10);
	assert_int_equal(waitpid(world->pid, &status, 0), world->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	loop_free(world->loop);
	buf_fini(&world->mime_body);
	assert_int_equal(system(remove), 0);
	free(remove);
}

/* ---- what queue and control say ---- */

void
relay_world_begin(
    struct relay_world *world, uint64_t attempt, const char *recipients, uint64_t size)
{
	struct msg_list_builder list = {0};
	char *copy = xstrdup(recipients), *rest = copy, *address;
	struct msg_deliver deliver = {
	    .message_id = world->message_id != 0 ? world->message_id : 1000 + attempt,
	    .attempt = attempt,
	    .profile_id = 7,
	    .priority = world->priority,
	    .sender = "sender@a.example",
	    .size = size,
	    .has_8bit = world->has_8bit,
	    .is_followed = world->is_followed,
	    .login = "user",
	    .list = "list",
	};

	while ((address = strsep(&rest, ",")) != NULL) {
		struct rec_recipient recipient = {
		    .index = (uint16_t)list.count, .address = address};

		message_list_add(&list, REC_RECIPIENT, &recipient);
	}
	deliver.recipients = message_list_value(&list);
	link_send(world->queue, MSG_DELIVER, &deliver);
	message_list_fini(&list);
	free(copy);
}

void
relay_world_deliver(
    struct relay_world *world, uint64_t attempt, const char *recipients, struct msg_bytes body)
{
	uint32_t sent = 0, credit = world->credit;

	relay_world_begin(world, attempt, recipients, body.size);
	do {
		uint32_t size = body.size - sent < PIECE ? body.size - sent : PIECE;
		struct msg_body piece = {.stream = attempt,
		    .bytes = {body.at + sent, size},
		    .is_last = sent + size == body.size};

		WAIT_UNTIL(world, sent + size <= STREAM_CREDIT + world->credit - credit);
		link_send(world->queue, MSG_BODY, &piece);
		sent += size;
	} while (sent < body.size);
}

void
relay_world_rework(struct relay_world *world, enum rework_outcome outcome, struct msg_bytes body)
{
	struct msg_reworked answer = {.outcome = (uint8_t)outcome,
	    .size = body.size,
	    .is_7bit = world->order.to_7bit,
	    .remark = outcome == REWORK_DONE ? "" : "it can't be"};
	uint32_t sent = 0, credit = world->mime_credit;

	link_answer(world->mime, world->order.request_id, MSG_REWORKED, &answer);
	while (outcome == REWORK_DONE && sent < body.size) {
		uint32_t size = body.size - sent < PIECE ? body.size - sent : PIECE;
		struct msg_body piece = {.stream = world->order.stream,
		    .bytes = {body.at + sent, size},
		    .is_last = sent + size == body.size};

		WAIT_UNTIL(world, sent + size <= STREAM_CREDIT + world->mime_credit - credit);
		link_send(world->mime, MSG_BODY, &piece);
		sent += size;
	}
}

static void
on_result(const union message *answer, void *ctx)
{
	struct relay_world *world = ctx;

	assert_non_null(answer);
	(void)snprintf(world->result, sizeof(world->result), "%.*s", (int)answer->result.body.size,
	    (const char *)answer->result.body.at);
	world->status = answer->result.status;
}

void
relay_world_ask(struct relay_world *world, const char *path, const char *body)
{
	struct msg_call call = {.method = "POST",
	    .path = path,
	    .body = {(const uint8_t *)body, (uint32_t)strlen(body)}};

	world->status = 0;
	(void)link_request(world->control, MSG_CALL, &call, 20000, on_result, world);
}

void
relay_world_call(struct relay_world *world, const char *path, const char *body)
{
	relay_world_ask(world, path, body);
	WAIT_UNTIL(world, world->status != 0);
}

void
relay_world_settle(struct relay_world *world)
{
	/* The answer to the first may have been on its way before another link was written to. */
	for (unsigned i = 0; i < 2; i++)
		relay_world_call(world, "/v1/nothing", "");
}
