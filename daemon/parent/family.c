/* family - starts the roles, ties them together, and starts again what dies. */
#include "daemon/parent/family.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"
#include "daemon/parent/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_FIRST_MS 100
#define RESTART_LAST_MS 30000
/* A role that lived this many times its last delay, or so long, is well again: a death now and then
 * is mended at once, while one that keeps dying costs little. */
#define WELL_AFTER_DELAYS 10
#define WELL_AFTER_MS 60000
#define KILL_GRACE_MS 3000
#define MEMBERS_MAX 80
#define STAGE_COUNT 4

struct member {
	struct family *family;
	struct family_member seen;
	struct link *link;
	struct timer *restart; /* when it has died; when it is to end: to kill it */
	int64_t delay_ms;
	int64_t started_at_ms; /* monotonic */
	bool is_asked_to_drain;
};

struct family {
	struct loop *loop;
	int program_fd, log_fd;
	struct family_callbacks callbacks;
	void *ctx;
	struct family_gift gift;
	struct member members[MEMBERS_MAX];
	size_t count;
	bool is_complete; /* all were ready once */
	bool is_draining;
	unsigned stage;
	int64_t drain_ms;
};

/* Who talks to whom. */
static const struct {
	enum role a, b;
} pairs[] = {
    {ROLE_SMTPD, ROLE_ACCOUNTS},
    {ROLE_SMTPD, ROLE_QUEUE},
    {ROLE_ACCOUNTS, ROLE_QUEUE},
    {ROLE_ACCOUNTS, ROLE_RELAY},
    {ROLE_QUEUE, ROLE_RELAY},
    {ROLE_CONTROL, ROLE_ACCOUNTS},
    {ROLE_CONTROL, ROLE_QUEUE},
    {ROLE_CONTROL, ROLE_RELAY},
};

/* Who may see which file. */
static const enum role file_owners[FILE_KIND_COUNT] = {
    [FILE_TLS_CERTIFICATE] = ROLE_SMTPD,
    [FILE_TLS_KEY] = ROLE_SMTPD,
    [FILE_TLS_CA] = ROLE_PARENT, /* the API's answer comes from the parent */
    [FILE_TICKET_KEYS] = ROLE_SMTPD,
    [FILE_SEAL_KEY] = ROLE_ACCOUNTS,
    [FILE_SYSTEM_CAS] = ROLE_RELAY,
    [FILE_RESOLV_CONF] = ROLE_RELAY,
    [FILE_HOSTS] = ROLE_RELAY,
};

/* The order of the drain, and each stage's share of the time, in parts of 90. */
static const struct {
	enum role roles[2];
	unsigned share;
} stages[STAGE_COUNT] = {
    {{ROLE_SMTPD, ROLE_CONTROL}, 20},
    {{ROLE_RELAY, ROLE_RELAY}, 60},
    {{ROLE_QUEUE, ROLE_QUEUE}, 5},
    {{ROLE_ACCOUNTS, ROLE_ACCOUNTS}, 5},
};

static void spawn_again(void *ctx);
static void drain_stage(struct family *family);

/* ---- what a role is told ---- */

static void
send_gift(struct member *member)
{
	const struct family_gift *gift = &member->family->gift;
	struct msg_config config = {.generation = gift->generation,
	    .is_verbose = gift->is_verbose,
	    .text = {(const uint8_t *)gift->config_text, (uint32_t)strlen(gift->config_text)}};

	link_send(member->link, MSG_CONFIG, &config);
	for (unsigned kind = 0; kind < FILE_KIND_COUNT; kind++) {
		const struct buf *content = &gift->files[kind];
		struct msg_file file = {.file_kind = (uint8_t)kind,
		    .content = {(const uint8_t *)content->bytes, (uint32_t)content->size}};

		if (file_owners[kind] == member->seen.role)
			link_send(member->link, MSG_FILE, &file);
	}
}

static void
send_ready(struct member *member)
{
	struct msg_ready ready = {.generation = member->family->gift.generation};

	link_send(member->link, MSG_READY, &ready);
}

static bool
are_pair(enum role a, enum role b)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if ((pairs[i].a == a && pairs[i].b == b) || (pairs[i].a == b && pairs[i].b == a))
			return true;
	return false;
}

static void
send_end(struct member *to, const struct member *peer, int fd)
{
	struct msg_link message = {
	    .role = (uint8_t)peer->seen.role, .index = (uint16_t)peer->seen.index};

	link_send_with_fds(to->link, MSG_LINK, &message, &fd, 1);
	(void)close(fd);
}

static void
tie(struct member *a, struct member *b)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
		log_problem(LOG_ERROR, "socketpair: %s", strerror(errno));
		return;
	}
	send_end(a, b, ends[0]);
	send_end(b, a, ends[1]);
}

static void
tie_to_all(struct member *member)
{
	struct family *family = member->family;

	for (size_t i = 0; i < family->count; i++) {
		struct member *other = &family->members[i];

		if (other != member && other->link != NULL &&
		    are_pair(member->seen.role, other->seen.role))
			tie(member, other);
	}
}

static void
give_sockets(struct member *member)
{
	enum role role = member->seen.role;

	if (role == ROLE_SMTPD || role == ROLE_CONTROL)
		member->family->callbacks.give_sockets(role, member->link, member->family->ctx);
}

/* ---- what a role says ---- */

static bool
is_all_ready(const struct family *family)
{
	for (size_t i = 0; i < family->count; i++)
		if (!family->members[i].seen.is_ready)
			return false;
	return true;
}

static void
complete(struct family *family)
{
	family->is_complete = true;
	for (size_t i = 0; i < family->count; i++)
		give_sockets(&family->members[i]);
	family->callbacks.on_all_ready(family->ctx);
}

static void
take_ready(struct member *member, const struct msg_ready *ready)
{
	struct family *family = member->family;

	if (ready->problem[0] != '\0') {
		log_problem(LOG_ERROR, "%s: %s", role_name(member->seen.role), ready->problem);
		if (!family->is_complete)
			family->callbacks.on_start_failed(
			    member->seen.role, ready->problem, family->ctx);
		return;
	}
	if (member->seen.is_ready) /* a reload was taken */
		return;
	member->seen.is_ready = true;
	if (family->is_complete)
		give_sockets(member);
	else if (is_all_ready(family))
		complete(family);
}

/* It has nothing left to do: without its link to the parent it ends. */
static void
take_drained(struct member *member)
{
	if (!member->is_asked_to_drain)
		return;
	link_close(member->link);
	member->link = NULL;
}

static void
on_message(struct link *link, const struct link_message *message, void *ctx)
{
	struct member *member = ctx;

	if (message->kind == MSG_READY)
		take_ready(member, &message->body->ready);
	else if (message->kind == MSG_DRAIN)
		take_drained(member);
	else if (message->kind == MSG_CALL)
		member->family->callbacks.on_call(link, message, member->family->ctx);
}

/* The process is gone or is going: SIGCHLD brings the rest. A role that broke its link must not go
 * on without a parent: it has some time to end by itself, so that its exit status tells why. */
static void
on_closed(struct link *link, const char *reason, void *ctx)
{
	struct member *member = ctx;

	member->link = NULL;
	if (member->seen.pid != 0)
		timer_set(member->restart, KILL_GRACE_MS);
}

/* ---- start and restart ---- */

static int
spawn(struct member *member, struct err *err_out)
{
	static const struct link_callbacks callbacks = {on_message, on_closed};
	struct family *family = member->family;
	int fd;

	if (child_spawn(family->program_fd, member->seen.role, member->seen.index, family->log_fd,
		&member->seen.pid, &fd, err_out) != 0)
		return -1;
	member->seen.since_ms = loop_wall_ms(family->loop);
	member->started_at_ms = loop_now_ms(family->loop);
	member->link = link_open(family->loop, fd, ROLE_PARENT, member->seen.role,
	    member->seen.index, &callbacks, member);
	send_gift(member);
	tie_to_all(member);
	send_ready(member);
	return 0;
}

static void
log_restart(const struct member *member)
{
	struct log_line line;

	if (!log_begin(&line, LOG_WARNING, EVENT_ROLE_RESTARTED, 0))
		return;
	log_text(&line, KEY_ROLE, role_name(member->seen.role));
	log_number(&line, KEY_PID, member->seen.pid);
	log_number(&line, KEY_COUNT, member->seen.restarts);
	log_seconds(&line, KEY_DELAY, member->delay_ms);
	log_end(&line);
}

static void
kill_overdue(struct member *member)
{
	log_problem(LOG_WARNING, "role %s (pid %d) did not finish in time and is killed",
	    role_name(member->seen.role), (int)member->seen.pid);
	(void)kill(member->seen.pid, SIGKILL);
}

static void
spawn_again(void *ctx)
{
	struct member *member = ctx;
	struct err err;

	if (member->family->is_draining)
		return;
	if (member->seen.pid != 0) {
		kill_overdue(member);
		return;
	}
	member->seen.restarts++;
	if (spawn(member, &err) != 0) {
		log_problem(LOG_ERROR, "%s", err.text);
		timer_set(member->restart, RESTART_LAST_MS);
		return;
	}
	log_restart(member);
}

static void
log_death(const struct member *member, int status)
{
	const char *role = role_name(member->seen.role);

	if (WIFSIGNALED(status))
		log_problem(LOG_WARNING, "role %s (pid %d) was ended by signal %d", role,
		    (int)member->seen.pid, WTERMSIG(status));
	else
		log_problem(LOG_WARNING, "role %s (pid %d) exited with status %d", role,
		    (int)member->seen.pid, WEXITSTATUS(status));
}

static void
schedule_restart(struct member *member)
{
	int64_t lived_ms = loop_now_ms(member->family->loop) - member->started_at_ms;

	if (lived_ms >= WELL_AFTER_MS || lived_ms >= WELL_AFTER_DELAYS * member->delay_ms)
		member->delay_ms = RESTART_FIRST_MS;
	else if (member->delay_ms < RESTART_LAST_MS / 2)
		member->delay_ms *= 2;
	else
		member->delay_ms = RESTART_LAST_MS;
	timer_set(member->restart, member->delay_ms);
}

static void
take_exit(struct member *member, int status)
{
	struct family *family = member->family;

	if (!family->is_draining || status != 0)
		log_death(member, status);
	member->seen.pid = 0;
	member->seen.is_ready = false;
	timer_stop(member->restart);
	if (member->link != NULL)
		link_close(member->link);
	member->link = NULL;
	if (family->is_draining)
		drain_stage(family);
	else if (family->is_complete)
		schedule_restart(member);
	else
		family->callbacks.on_start_failed(
		    member->seen.role, "the process ended", family->ctx);
}

void
family_reap(struct family *family)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < family->count; i++)
			if (family->members[i].seen.pid == pid) {
				take_exit(&family->members[i], status);
				break;
			}
}

/* ---- the drain ---- */

static bool
is_in_stage(const struct member *member, unsigned stage)
{
	return member->seen.role == stages[stage].roles[0] ||
	       member->seen.role == stages[stage].roles[1];
}

static void
on_drain_overdue(void *ctx)
{
	struct member *member = ctx;

	if (member->seen.pid != 0)
		kill_overdue(member);
}

static void
ask_to_drain(struct member *member, int64_t within_ms)
{
	struct msg_drain drain = {.within_ms = (uint32_t)within_ms};

	if (member->is_asked_to_drain)
		return;
	member->is_asked_to_drain = true;
	timer_free(member->restart);
	member->restart = timer_new(member->family->loop, on_drain_overdue, member);
	timer_set(member->restart, within_ms + KILL_GRACE_MS);
	if (member->link != NULL)
		link_send(member->link, MSG_DRAIN, &drain);
}

static unsigned
alive_in_stage(struct family *family, unsigned stage)
{
	int64_t within_ms = family->drain_ms * stages[stage].share / 90;
	unsigned alive = 0;

	for (size_t i = 0; i < family->count; i++) {
		struct member *member = &family->members[i];

		if (member->seen.pid == 0 || !is_in_stage(member, stage))
			continue;
		ask_to_drain(member, within_ms);
		alive++;
	}
	return alive;
}

/* Goes on to the next stage when nobody of this one is left. */
static void
drain_stage(struct family *family)
{
	while (family->stage < STAGE_COUNT && alive_in_stage(family, family->stage) == 0)
		family->stage++;
	if (family->stage == STAGE_COUNT) {
		family->stage++;
		family->callbacks.on_drained(family->ctx);
	}
}

void
family_drain(struct family *family, int64_t within_ms)
{
	if (family->is_draining)
		return;
	family->is_draining = true;
	family->drain_ms = within_ms;
	drain_stage(family);
}

void
family_kill(struct family *family)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->members[i].seen.pid != 0) {
			(void)kill(family->members[i].seen.pid, SIGKILL);
			(void)waitpid(family->members[i].seen.pid, NULL, 0);
			family->members[i].seen.pid = 0;
		}
}

/* ---- the contract ---- */

static void
add_member(struct family *family, enum role role, unsigned index)
{
	struct member *member = &family->members[family->count++];

	member->family = family;
	member->seen.role = role;
	member->seen.index = index;
	member->restart = timer_new(family->loop, spawn_again, member);
}

struct family *
family_new(struct loop *loop, int program_fd, int log_fd, unsigned smtpd_count,
    const struct family_callbacks *callbacks, void *ctx)
{
	struct family *family = xcalloc(1, sizeof(*family));

	ensure(smtpd_count > 0 && smtpd_count <= 64);
	family->loop = loop;
	family->program_fd = program_fd;
	family->log_fd = log_fd;
	family->callbacks = *callbacks;
	family->ctx = ctx;
	add_member(family, ROLE_ACCOUNTS, 0);
	add_member(family, ROLE_QUEUE, 0);
	add_member(family, ROLE_RELAY, 0);
	add_member(family, ROLE_CONTROL, 0);
	for (unsigned i = 0; i < smtpd_count; i++)
		add_member(family, ROLE_SMTPD, i);
	return family;
}

void
family_free(struct family *family)
{
	for (size_t i = 0; i < family->count; i++) {
		timer_free(family->members[i].restart);
		if (family->members[i].link != NULL)
			link_close(family->members[i].link);
	}
	free(family);
}

void
family_give(struct family *family, const struct family_gift *gift)
{
	family->gift = *gift;
}

int
family_start(struct family *family, struct err *err_out)
{
	for (size_t i = 0; i < family->count; i++)
		if (spawn(&family->members[i], err_out) != 0)
			return -1;
	return 0;
}

void
family_tell_all(struct family *family)
{
	for (size_t i = 0; i < family->count; i++) {
		struct member *member = &family->members[i];

		if (member->link == NULL)
			continue;
		send_gift(member);
		send_ready(member);
		if (member->seen.is_ready)
			give_sockets(member);
	}
}

void
family_each(const struct family *family,
    void (*each)(const struct family_member *member, void *ctx), void *ctx)
{
	for (size_t i = 0; i < family->count; i++)
		each(&family->members[i].seen, ctx);
}
