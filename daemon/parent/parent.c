/*
 * parent - the first process: from the config to a running family, reloads, and the end.
 *
 * What can go wrong before the roles run is printed on stderr, once, and ends in 78 (the config)
 * or 71 (the system). Afterwards everything goes to the log.
 */
#include "daemon/parent/parent.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/config/config.h"
#include "daemon/core/loop.h"
#include "daemon/core/sandbox.h"
#include "daemon/parent/bind.h"
#include "daemon/parent/child.h"
#include "daemon/parent/dirs.h"
#include "daemon/parent/family.h"
#include "daemon/parent/files.h"
#include "daemon/parent/logpipe.h"
#include "daemon/parent/notify.h"
#include "daemon/parent/outside.h"
#include "daemon/parent/parent_state.h"
#include "daemon/parent/replies.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS_IN_ONE_MESSAGE 200

/* ---- sockets ---- */

static void
send_set(struct link *link, unsigned listener, const int *fds, size_t count, bool is_last)
{
	struct msg_listen message = {
	    .listener = (uint16_t)listener, .count = (uint16_t)count, .is_last = is_last};

	if (count > 0)
		link_send_with_fds(link, MSG_LISTEN, &message, fds, count);
	else
		link_send(link, MSG_LISTEN, &message);
}

/* The sockets in messages of a bounded size, each of one listener; an empty one ends the set. */
static void
send_listening_sockets(struct parent *parent, struct link *link)
{
	size_t all, count = 0;
	const struct bound_socket *sockets = bind_set_sockets(parent->sockets, &all);
	int fds[FDS_IN_ONE_MESSAGE];
	unsigned of = 0;

	for (size_t i = 0; i < all; i++) {
		if (count == FDS_IN_ONE_MESSAGE || (count > 0 && sockets[i].listener != of)) {
			send_set(link, of, fds, count, false);
			count = 0;
		}
		of = sockets[i].listener;
		fds[count++] = sockets[i].fd;
	}
	send_set(link, of, fds, count, count == 0);
	if (count > 0)
		send_set(link, of, NULL, 0, true);
}

static void
give_sockets(enum role role, struct link *link, void *ctx)
{
	struct parent *parent = ctx;

	if (role == ROLE_SMTPD)
		send_listening_sockets(parent, link);
	else
		send_set(link, 0, &parent->control_fd, 1, true);
}

/* ---- a config and what belongs to it ---- */

static void
setup_fini(struct setup *setup)
{
	config_release(setup->config);
	free(setup->text);
	files_fini(&setup->files);
	*setup = (struct setup){0};
}

static int
setup_load(struct setup *setup, const char *path, struct err *err_out)
{
	*setup = (struct setup){0};
	if (config_load(path, &setup->config, &setup->text, err_out) != 0 ||
	    outside_check_accounts(setup->config, err_out) != 0 ||
	    outside_check_certificates(setup->config, NULL, err_out) != 0 ||
	    outside_check_providers(setup->config, err_out) != 0 ||
	    replies_check(setup->config, err_out) != 0)
		return EXIT_CONFIG;
	return 0;
}

static void
give(struct parent *parent)
{
	struct family_gift gift = {.generation = parent->generation,
	    .is_verbose = parent->options->is_verbose,
	    .config_text = parent->setup.text,
	    .files = &parent->setup.files};

	family_give(parent->family, &gift);
}

static void
log_config(enum log_level level, const char *path, const char *state, const char *reason)
{
	struct log_line line;

	if (!log_begin(&line, level, EVENT_CONFIG, 0))
		return;
	log_text(&line, KEY_FILE, path);
	log_text(&line, KEY_STATE, state);
	if (reason != NULL)
		log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

/* Builds everything new first; only then does anything change. */
static int
try_reload(struct parent *parent, struct err *err_out)
{
	struct setup fresh;
	int status = setup_load(&fresh, parent->options->config_path, err_out);

	if (status == 0)
		status = config_check_reload(parent->setup.config, fresh.config, err_out);
	/* Not before: a directory that is refused must not be made. */
	if (status == 0)
		status = dirs_make(fresh.config, err_out);
	if (status == 0)
		status = files_collect(&fresh.files, fresh.config, err_out);
	if (status == 0)
		status = bind_set_update(parent->sockets, fresh.config, err_out);
	if (status != 0) {
		setup_fini(&fresh);
		return -1;
	}
	files_keep_tickets(&fresh.files, &parent->setup.files);
	setup_fini(&parent->setup);
	parent->setup = fresh;
	parent->generation++;
	logpipe_set_target(parent->logpipe,
	    parent->options->is_foreground ? LOG_TARGET_STDERR : fresh.config->log.target);
	if (!parent->options->is_verbose)
		log_set_level(fresh.config->log.level);
	give(parent);
	family_tell_all(parent->family);
	upkeep_reload(parent);
	return 0;
}

int
parent_reload(struct parent *parent, struct err *err_out)
{
	const char *path = parent->options->config_path;
	int result;

	notify_send("RELOADING=1");
	result = try_reload(parent, err_out);
	if (result == 0)
		log_config(LOG_INFO, path, "taken", NULL);
	else
		log_config(LOG_ERROR, path, "refused", err_out->text);
	notify_send("READY=1");
	return result;
}

/* ---- the life of the family ---- */

static void
on_all_ready(void *ctx)
{
	struct parent *parent = ctx;
	struct log_line line;
	size_t count;

	(void)bind_set_sockets(parent->sockets, &count);
	if (log_begin(&line, LOG_INFO, EVENT_STARTED, 0)) {
		log_text(&line, KEY_VERSION, PACKAGE_VERSION);
		log_number(&line, KEY_COUNT, (int64_t)count);
		log_end(&line);
	}
	if (sandbox_missing() != NULL)
		log_problem(LOG_WARNING, "the roles run without a system call filter %s",
		    sandbox_missing());
	notify_send("READY=1");
	if (parent->options->ready_fd >= 0) {
		(void)!write(parent->options->ready_fd, "", 1);
		(void)close(parent->options->ready_fd);
	}
}

static void
on_start_failed(enum role role, const char *problem, void *ctx)
{
	struct parent *parent = ctx;

	if (parent->exit_status != 0)
		return;
	parent->exit_status = EXIT_SYSTEM;
	/* Where whoever started us reads it; the log may be elsewhere. */
	if (!parent->options->is_foreground)
		(void)fprintf(stderr, "posternd: %s: %s\n", role_name(role), problem);
	loop_stop(parent->loop);
}

static void
on_drained(void *ctx)
{
	struct parent *parent = ctx;
	struct log_line line;

	if (log_begin(&line, LOG_INFO, EVENT_STOPPED, 0))
		log_end(&line);
	loop_stop(parent->loop);
}

void
parent_stop(struct parent *parent)
{
	notify_send("STOPPING=1");
	bind_set_free(parent->sockets); /* nobody waits in a queue that nobody serves */
	parent->sockets = NULL;
	family_drain(parent->family, parent->setup.config->drain_ms);
}

static void
on_signal(int number, short what, void *ctx)
{
	struct parent *parent = ctx;
	struct err err;

	if (number == SIGCHLD)
		family_reap(parent->family);
	else if (number == SIGHUP)
		(void)parent_reload(parent, &err);
	else
		parent_stop(parent);
}

static void
on_call(struct link *link, const struct link_message *message, void *ctx)
{
	parent_answer_call(ctx, link, message);
}

static void
watch_signals(struct parent *parent)
{
	static const int watched[SIGNAL_COUNT] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		parent->signals[i] =
		    evsignal_new(loop_base(parent->loop), watched[i], on_signal, parent);
		ensure(parent->signals[i] != NULL && event_add(parent->signals[i], NULL) == 0);
	}
}

/* ---- from nothing to running ---- */

static int
open_everything(struct parent *parent, struct err *err_out)
{
	int status = setup_load(&parent->setup, parent->options->config_path, err_out);

	if (status != 0)
		return status;
	if (dirs_make(parent->setup.config, err_out) != 0 ||
	    dirs_lock(parent->setup.config, parent->lock_fds, err_out) != 0)
		return EXIT_SYSTEM;
	parent->program_fd = child_open_program(err_out);
	if (parent->program_fd < 0)
		return EXIT_SYSTEM;
	status = files_collect(&parent->setup.files, parent->setup.config, err_out);
	if (status != 0)
		return status;
	parent->sockets = bind_set_new();
	if (bind_set_update(parent->sockets, parent->setup.config, err_out) != 0)
		return EXIT_SYSTEM;
	parent->control_fd = dirs_control_socket(parent->setup.config, err_out);
	return parent->control_fd < 0 ? EXIT_SYSTEM : 0;
}

static int
start_family(struct parent *parent, struct err *err_out)
{
	static const struct family_callbacks callbacks = {
	    on_all_ready, on_start_failed, give_sockets, on_call, on_drained};
	const struct config *config = parent->setup.config;

	parent->family = family_new(parent->loop, parent->program_fd, logpipe_fd(parent->logpipe),
	    config_smtpd_processes(config), &callbacks, parent);
	parent->generation = 1;
	give(parent);
	return family_start(parent->family, err_out);
}

static int
run(struct parent *parent, struct err *err_out)
{
	const struct config *config = parent->setup.config;

	log_set_level(parent->options->is_verbose ? LOG_DEBUG : config->log.level);
	if (!parent->options->is_foreground)
		logpipe_set_target(parent->logpipe, config->log.target);
	watch_signals(parent);
	if (start_family(parent, err_out) != 0)
		return EXIT_SYSTEM;
	upkeep_begin(parent);
	loop_run(parent->loop);
	return parent->exit_status;
}

static void
close_everything(struct parent *parent)
{
	if (parent->family != NULL) {
		family_kill(parent->family);
		family_free(parent->family);
	}
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (parent->signals[i] != NULL)
			event_free(parent->signals[i]);
	upkeep_end(parent);
	bind_set_free(parent->sockets);
	setup_fini(&parent->setup);
	if (parent->logpipe != NULL)
		logpipe_free(parent->logpipe);
	for (int turns = 0; turns < 3; turns++)
		loop_turn(parent->loop, 0);
	loop_free(parent->loop);
}

int
parent_run(const struct parent_options *options)
{
	struct parent parent = {.options = options, .control_fd = -1, .lock_fds = {-1, -1}};
	struct err err = {""};
	int status;

	(void)umask(022);
	parent.loop = loop_new();
	parent.started_at_ms = loop_wall_ms(parent.loop);
	/* A listener's skipped ports are told in the log, so the log comes first. */
	parent.logpipe = logpipe_new(parent.loop, &err);
	status = parent.logpipe == NULL ? EXIT_SYSTEM : open_everything(&parent, &err);
	if (status == 0)
		status = run(&parent, &err);
	close_everything(&parent);
	if (status != 0 && err.text[0] != '\0')
		(void)fprintf(stderr, "posternd: %s\n", err.text);
	return status;
}
