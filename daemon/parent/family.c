/* family - starts the roles, hears what they say, and starts again what dies. */
#include "daemon/parent/family.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/parent/child.h"
#include "daemon/parent/family_private.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_FIRST_MS 100
#define RESTART_LAST_MS 30000
/* Mime dies of single messages, which relay counts and holds: the others aren't to wait for it long. */
#define RESTART_LAST_MIME_MS 1000
/* A role that lived this many times its last delay, or so long, is well again: a death now and then
 * is mended at once, while one that keeps dying costs little. */
#define WELL_AFTER_DELAYS 10
#define WELL_AFTER_MS 60000

/* ---- what a role says ---- */

static void
give_sockets(struct member *member)
{
	enum role role = member->seen.role;

	if (role == ROLE_SMTPD || role == ROLE_CONTROL)
		member->family->callbacks.give_sockets(role, member->link, member->family->ctx);
}

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
	family_send_gift(member);
	family_tie(member);
	family_send_ready(member);
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

void
family_kill_overdue(struct member *member)
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
		family_kill_overdue(member);
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
	int64_t last_ms = member->seen.role == ROLE_MIME ? RESTART_LAST_MIME_MS : RESTART_LAST_MS;

	if (lived_ms >= WELL_AFTER_MS || lived_ms >= WELL_AFTER_DELAYS * member->delay_ms)
		member->delay_ms = RESTART_FIRST_MS;
	else if (member->delay_ms < last_ms / 2)
		member->delay_ms *= 2;
	else
		member->delay_ms = last_ms;
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
	/* Its last words may still be on the way: why it could not start, above all. */
	if (member->link != NULL)
		link_read_rest(member->link);
	if (member->link != NULL)
		link_close(member->link);
	member->link = NULL;
	if (family->is_draining)
		family_drain_stage(family);
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
	add_member(family, ROLE_MIME, 0);
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
		family_send_gift(member);
		family_send_ready(member);
		if (member->seen.is_ready)
			give_sockets(member);
	}
}

void
family_tell_file(struct family *family, enum file_kind kind)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->members[i].link != NULL)
			family_send_file(&family->members[i], kind);
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

void
family_each(const struct family *family,
    void (*each)(const struct family_member *member, void *ctx), void *ctx)
{
	for (size_t i = 0; i < family->count; i++)
		each(&family->members[i].seen, ctx);
}
