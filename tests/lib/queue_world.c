/* queue_world - the other roles, as far as a queue can tell. */
#include "tests/lib/queue_world.h"

#include "common/clock.h"
#include "common/log.h"
#include "daemon/config/reply_class.h"
#include "daemon/core/role.h"
#include "daemon/queue/queue.h"

#include <assert.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 60000

/* ---- what the roles hear ---- */

static struct world_delivery *
find_delivery(struct queue_world *world, uint64_t attempt)
{
	for (unsigned i = 0; i < world->delivery_count; i++)
		if (world->deliveries[i].attempt == attempt)
			return &world->deliveries[i];
	return NULL;
}

static void
take_deliver(struct queue_world *world, const struct msg_deliver *deliver)
{
	struct world_delivery *to = &world->deliveries[world->delivery_count++];
	struct msg_list list = deliver->recipients;
	struct msg_list wishes = deliver->wishes;
	struct rec_recipient recipient;

	assert(world->delivery_count <= WORLD_DELIVERIES_MAX);
	to->message_id = deliver->message_id;
	to->attempt = deliver->attempt;
	to->profile_id = deliver->profile_id;
	to->priority = deliver->priority;
	to->is_followed = deliver->is_followed;
	(void)snprintf(to->sender, sizeof(to->sender), "%.255s", deliver->sender);
	while (message_list_next(&list, REC_RECIPIENT, &recipient)) {
		size_t at = strlen(to->recipients);

		(void)snprintf(to->recipients + at, sizeof(to->recipients) - at, "%s%.64s",
		    at == 0 ? "" : " ", recipient.address);
		to->recipient_count++;
		to->notify = recipient.notify;
		(void)snprintf(to->orcpt, sizeof(to->orcpt), "%.127s", recipient.orcpt);
	}
	to->has_wishes = message_list_next(&wishes, REC_WISHES, &to->wishes);
	if (to->has_wishes)
		(void)snprintf(to->envid, sizeof(to->envid), "%.127s", to->wishes.envid);
	to->wishes.envid = NULL;
}

static void
take_body(struct queue_world *world, const struct msg_body *body)
{
	struct world_delivery *delivery = find_delivery(world, body->stream);
	struct msg_credit credit = {.stream = body->stream, .bytes = body->bytes.size};

	assert(delivery != NULL && !delivery->is_whole);
	buf_append(&delivery->body, body->bytes.at, body->bytes.size);
	delivery->is_whole = body->is_last;
	link_send(world->relay, MSG_CREDIT, &credit);
}

static void
on_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct queue_world *world = ctx;
	const union message *body = message->body;

	if (message->kind == MSG_READY) {
		world->is_ready = true;
		(void)snprintf(world->problem, sizeof(world->problem), "%s", body->ready.problem);
	} else if (message->kind == MSG_INTAKE) {
		world->intake = body->intake.state;
		if (body->intake.count > 0) {
			world->next_id = body->intake.first_id;
			world->end_id = body->intake.first_id + body->intake.count;
		}
	} else if (message->kind == MSG_CREDIT) {
		world->credit_bytes += body->credit.bytes;
	} else if (message->kind == MSG_DELIVER) {
		take_deliver(world, &body->deliver);
	} else if (message->kind == MSG_BODY) {
		take_body(world, &body->body);
	} else if (message->kind == MSG_REPORT_ACK) {
		struct world_delivery *delivery = find_delivery(world, body->report_ack.attempt);

		world->acknowledged++;
		if (delivery != NULL)
			delivery->is_acknowledged = true;
	} else if (message->kind == MSG_USER_LIMIT) {
		world->limit = body->user_limit;
	} else if (message->kind == MSG_ALERT) {
		world->alerts++;
		(void)snprintf(world->alert, sizeof(world->alert), "%.60s %.60s %.120s",
		    body->alert.kind, body->alert.address, body->alert.detail);
	}
}

static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	struct queue_world *world = ctx;
	struct link **links[] = {
	    &world->parent, &world->smtpd, &world->accounts, &world->relay, &world->control};

	for (unsigned i = 0; i < 5; i++)
		if (*links[i] == link)
			*links[i] = NULL;
}

static const struct link_callbacks callbacks = {on_message, on_closed};

/* ---- the process ---- */

static struct link *
connect_role(struct queue_world *world, enum role role)
{
	struct msg_link message = {.role = (uint8_t)role};
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	link_send_with_fds(world->parent, MSG_LINK, &message, &pair[1], 1);
	(void)close(pair[1]);
	return link_open(world->loop, pair[0], role, ROLE_QUEUE, 0, &callbacks, world);
}

static void
run_child(struct queue_world *world, int fd)
{
	/* Not as root: the accounts of an installation are not there. */
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		_exit(99);
	exit(role_run(ROLE_QUEUE, 0, fd, &queue_ops));
}

static bool
is_ready(struct queue_world *world)
{
	return world->is_ready;
}

static bool
has_ids(struct queue_world *world)
{
	return world->next_id != 0;
}

void
world_init(struct queue_world *world)
{
	*world = (struct queue_world){0};
	log_set_level(LOG_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	world->loop = loop_new();
	assert(scratch_make(world->directory, "world"));
	if (geteuid() == 0)
		assert(chown(world->directory, 65534, 65534) == 0);
}

static void
send_config(struct queue_world *world, const char *more_config)
{
	char text[1024];
	struct msg_config config = {.generation = 1};

	(void)snprintf(text, sizeof(text),
	    "hostname = \"relay.example.org\"; state_dir = \"%s\"; run_dir = \"%s\";"
	    " capture_dir = \"%s\"; log = { level = \"error\"; };"
	    " limits = { free_space = \"0\"; connections = 1; };\n%s",
	    world->directory, world->directory, world->directory,
	    more_config == NULL ? "" : more_config);
	config.text = (struct msg_bytes){.at = (uint8_t *)text, .size = (uint32_t)strlen(text)};
	link_send(world->parent, MSG_CONFIG, &config);
}

bool
world_start(struct queue_world *world, const char *more_config)
{
	struct msg_ready ready = {.generation = 1, .problem = ""};
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	world->pid = fork();
	assert(world->pid >= 0);
	if (world->pid == 0) {
		(void)close(pair[0]);
		run_child(world, pair[1]);
	}
	(void)close(pair[1]);
	world->is_ready = false;
	world->next_id = 0;
	world->parent =
	    link_open(world->loop, pair[0], ROLE_PARENT, ROLE_QUEUE, 0, &callbacks, world);
	send_config(world, more_config);
	world->smtpd = connect_role(world, ROLE_SMTPD);
	world->accounts = connect_role(world, ROLE_ACCOUNTS);
	world->control = connect_role(world, ROLE_CONTROL);
	link_send(world->parent, MSG_READY, &ready);
	return world_wait(world, is_ready) && *world->problem == '\0' && world_wait(world, has_ids);
}

static bool
are_links_gone(struct queue_world *world)
{
	return world->parent == NULL && world->smtpd == NULL && world->accounts == NULL &&
	       world->relay == NULL && world->control == NULL;
}

void
world_kill(struct queue_world *world)
{
	if (world->pid <= 0)
		return;
	(void)kill(world->pid, SIGKILL);
	assert(waitpid(world->pid, NULL, 0) == world->pid);
	world->pid = 0;
	assert(world_wait(world, are_links_gone));
}

void
world_fini(struct queue_world *world)
{
	char command[128];

	world_kill(world);
	for (unsigned i = 0; i < world->delivery_count; i++)
		buf_fini(&world->deliveries[i].body);
	world_settle(world, 1);
	loop_free(world->loop);
	free(world->result);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", world->directory);
	assert(system(command) == 0);
}

void
world_connect_relay_unready(struct queue_world *world)
{
	world->relay = connect_role(world, ROLE_RELAY);
}

void
world_connect_smtpd(struct queue_world *world)
{
	world->next_id = 0;
	world->smtpd = connect_role(world, ROLE_SMTPD);
	assert(world_wait(world, has_ids));
}

void
world_connect_relay(struct queue_world *world, const struct rec_attempt *attempts, unsigned n)
{
	struct msg_list_builder builder = {0};
	struct msg_in_flight in_flight = {.is_last = true};

	world_connect_relay_unready(world);
	for (unsigned i = 0; i < n; i++)
		message_list_add(&builder, REC_ATTEMPT, &attempts[i]);
	in_flight.attempts = message_list_value(&builder);
	link_send(world->relay, MSG_IN_FLIGHT, &in_flight);
	message_list_fini(&builder);
}

void
world_drop_relay(struct queue_world *world)
{
	link_close(world->relay);
	world->relay = NULL;
}

void
world_send_routes(struct queue_world *world, uint32_t version)
{
	struct msg_route begin = {.row = ROUTE_BEGIN, .name = "", .list = "", .bounce_sender = ""};
	struct msg_route profile = {.row = ROUTE_PROFILE,
	    .id = 5,
	    .name = "office",
	    .list = "",
	    .version = version,
	    .connections = 3,
	    .retry = world->retry,
	    .is_uncertain_held = world->is_uncertain_held,
	    .bounce_sender = world->bounce_sender};
	struct msg_route user = {.row = ROUTE_USER,
	    .id = 7,
	    .name = "shop",
	    .list = "web",
	    .profile_id = 5,
	    .bounce_sender = "",
	    .has_messages = world->messages_per_hour != 0,
	    .messages_per_hour = world->messages_per_hour};
	struct msg_route end = {.row = ROUTE_END, .name = "", .list = "", .bounce_sender = ""};

	link_send(world->accounts, MSG_ROUTE, &begin);
	link_send(world->accounts, MSG_ROUTE, &profile);
	link_send(world->accounts, MSG_ROUTE, &user);
	link_send(world->accounts, MSG_ROUTE, &end);
}

void
world_send_row(struct queue_world *world, const struct msg_route *row)
{
	link_send(world->accounts, MSG_ROUTE, row);
}

/* ---- waiting ---- */

bool
world_wait(struct queue_world *world, bool (*is_true)(struct queue_world *world))
{
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;

	while (!is_true(world) && clock_monotonic_ms() < until_ms)
		loop_turn(world->loop, 10);
	return is_true(world);
}

bool
world_wait_deliveries(struct queue_world *world, unsigned count)
{
	int64_t until_ms = clock_monotonic_ms() + WAIT_MS;

	while (clock_monotonic_ms() < until_ms) {
		if (world->delivery_count >= count && world->deliveries[count - 1].is_whole)
			return true;
		loop_turn(world->loop, 10);
	}
	return false;
}

void
world_settle(struct queue_world *world, int64_t ms)
{
	int64_t until_ms = clock_monotonic_ms() + ms;

	while (clock_monotonic_ms() < until_ms)
		loop_turn(world->loop, 5);
}

/* ---- what the roles say ---- */

static void
on_committed(const union message *answer, void *ctx)
{
	struct queue_world *world = ctx;

	world->has_committed = true;
	world->commits++;
	world->stored += answer != NULL && answer->committed.outcome == COMMIT_STORED;
	world->committed = answer == NULL ? COMMIT_FAILED : answer->committed.outcome;
}

static bool
has_committed(struct queue_world *world)
{
	return world->has_committed;
}

/* The header, then lines of x, in pieces, as the credit allows. */
static void
send_body(struct queue_world *world, uint64_t id, size_t size)
{
	static const char header[] = "From: Shop <shop@example.org>\r\nSubject: Your order\r\n\r\n";
	char piece[32768];
	size_t sent = 0;
	size_t allowed = STREAM_CREDIT;

	world->credit_bytes = 0;
	memset(piece, 'x', sizeof(piece));
	memcpy(piece, header, sizeof(header) - 1);
	while (sent < size) {
		size_t n = size - sent < sizeof(piece) ? size - sent : sizeof(piece);
		struct msg_body body = {
		    .stream = id, .bytes = {.at = (uint8_t *)piece, .size = (uint32_t)n}};

		while (sent + n > allowed + world->credit_bytes)
			loop_turn(world->loop, 10);
		link_send(world->smtpd, MSG_BODY, &body);
		sent += n;
		memset(piece, 'x', sizeof(header));
	}
}

static void
send_commit(
    struct queue_world *world, uint64_t id, unsigned recipients, size_t size, uint8_t priority)
{
	struct msg_list_builder builder = {0}, wishes = {0};
	struct msg_commit commit = {.message_id = id,
	    .user_id = 7,
	    .login = "shop",
	    .list = "web",
	    .sender = world->sender != NULL ? world->sender : "shop@example.org",
	    .priority = priority,
	    .size = size,
	    .header_from = "Shop <shop@example.org>",
	    .from_address = world->from_address,
	    .message_id_header = "<1@example.org>",
	    .subject = "Your order",
	    .client = "192.0.2.1:5000",
	    .expires_at_ms = world->expires_at_ms};

	for (unsigned i = 0; i < recipients; i++) {
		char address[32];
		struct rec_recipient recipient = {.index = (uint16_t)i,
		    .address = address,
		    .notify = world->notify,
		    .orcpt = world->orcpt};

		(void)snprintf(address, sizeof(address), "r%u@example.net", i);
		message_list_add(&builder, REC_RECIPIENT, &recipient);
	}
	if (world->wishes != NULL)
		message_list_add(&wishes, REC_WISHES, world->wishes);
	commit.recipients = message_list_value(&builder);
	commit.wishes = message_list_value(&wishes);
	world->has_committed = false;
	(void)link_request(world->smtpd, MSG_COMMIT, &commit, WAIT_MS, on_committed, world);
	message_list_fini(&builder);
	message_list_fini(&wishes);
}

void
world_begin_submit(struct queue_world *world, unsigned recipients, size_t size, uint8_t priority)
{
	send_body(world, world->next_id, size);
	send_commit(world, world->next_id++, recipients, size, priority);
}

unsigned
world_count_bodies(struct queue_world *world)
{
	char pattern[128];
	unsigned count;
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/bodies/*/*", world->directory);
	count = glob(pattern, 0, NULL, &found) == 0 ? (unsigned)found.gl_pathc : 0;
	globfree(&found);
	return count;
}

uint64_t
world_submit(struct queue_world *world, unsigned recipients, size_t size, uint8_t priority)
{
	uint64_t id = world->next_id++;

	send_body(world, id, size);
	send_commit(world, id, recipients, size, priority);
	assert(world_wait(world, has_committed));
	return id;
}

static void
send_report(struct queue_world *world, const struct world_delivery *delivery, uint16_t first,
    const enum fate *fates, unsigned count)
{
	static const uint16_t codes[] = {250, 451, 550, 0, 0};
	static const char *const enhanced[] = {"2.0.0", "4.3.0", "5.1.1", "", ""};
	static const char *const replies[] = {
	    "Ok: queued", "try again", "no such user", "broke", "not yet"};
	struct msg_list_builder builder = {0};
	struct msg_report report = {.message_id = delivery->message_id,
	    .attempt = delivery->attempt,
	    .profile_id = delivery->profile_id,
	    .outcome = ATTEMPT_ATTEMPTED,
	    .enhanced = "",
	    .reason = "",
	    .upstream = "mx.example.net[192.0.2.9]:25",
	    .tls = "TLSv1.3"};

	for (unsigned i = 0; i < count; i++) {
		struct rec_fate fate = {.index = (uint16_t)(first + i),
		    .fate = (uint8_t)fates[i],
		    .code = codes[fates[i]],
		    .enhanced = enhanced[fates[i]],
		    .reply = replies[fates[i]],
		    .has_dsn = world->has_dsn};

		message_list_add(&builder, REC_FATE, &fate);
	}
	report.fates = message_list_value(&builder);
	link_send(world->relay, MSG_REPORT, &report);
	message_list_fini(&builder);
}

void
world_report(struct queue_world *world, const struct world_delivery *delivery,
    const enum fate *fates, unsigned count)
{
	send_report(world, delivery, 0, fates, count);
}

void
world_report_of(struct queue_world *world, const struct world_delivery *delivery, uint16_t index,
    enum fate fate)
{
	send_report(world, delivery, index, &fate, 1);
}

void
world_report_trouble(
    struct queue_world *world, const struct world_delivery *delivery, enum attempt_outcome outcome)
{
	struct msg_report report = {.message_id = delivery->message_id,
	    .attempt = delivery->attempt,
	    .profile_id = delivery->profile_id,
	    .outcome = (uint8_t)outcome,
	    .class = outcome == ATTEMPT_AUTH_REFUSED ? REPLY_AUTH_BAD : REPLY_UNREACHABLE,
	    .enhanced = "",
	    .reason = "connection refused",
	    .upstream = "",
	    .tls = ""};

	link_send(world->relay, MSG_REPORT, &report);
}

static void
on_result(const union message *answer, void *ctx)
{
	struct queue_world *world = ctx;

	world->has_result = true;
	world->status = answer == NULL ? 0 : answer->result.status;
	free(world->result);
	world->result = answer == NULL ? strdup("")
				       : strndup((const char *)answer->result.body.at,
					     answer->result.body.size);
}

static bool
has_result(struct queue_world *world)
{
	return world->has_result;
}

unsigned
world_call(struct queue_world *world, const char *method, const char *path, const char *body)
{
	struct msg_call call = {.method = method,
	    .path = path,
	    .body = {.at = (const uint8_t *)body, .size = (uint32_t)strlen(body)}};

	world->has_result = false;
	(void)link_request(world->control, MSG_CALL, &call, WAIT_MS, on_result, world);
	assert(world_wait(world, has_result));
	return world->status;
}

static void
on_waiting(const union message *answer, void *ctx)
{
	struct queue_world *world = ctx;

	world->has_waiting = true;
	world->waiting = answer == NULL ? (struct msg_waiting){0} : answer->waiting;
}

static bool
has_waiting(struct queue_world *world)
{
	return world->has_waiting;
}

void
world_ask_waiting(struct queue_world *world, uint64_t profile_id)
{
	world->has_waiting = false;
	(void)link_request(world->accounts, MSG_WAITING_GET,
	    &(struct msg_waiting_get){.profile_id = profile_id}, WAIT_MS, on_waiting, world);
	assert(world_wait(world, has_waiting));
}
