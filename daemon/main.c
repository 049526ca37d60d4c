/*
 * posternd - flags, then the parent, or the role that the parent asked for.
 *
 * The only place that prints what kept the daemon from starting, and turns it into an exit status.
 */
#include "common/log.h"
#include "daemon/accounts/accounts.h"
#include "daemon/config/config.h"
#include "daemon/control/control.h"
#include "daemon/mime/mime.h"
#include "daemon/parent/child.h"
#include "daemon/parent/notify.h"
#include "daemon/parent/outside.h"
#include "daemon/parent/parent.h"
#include "daemon/parent/replies.h"
#include "daemon/queue/queue.h"
#include "daemon/relay/relay.h"
#include "daemon/smtpd/smtpd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_USAGE 64
#define LOG_PATIENCE_MS 50 /* a role's loop stands still for it */

static const char usage_text[] =
    "usage: posternd [-n] [-f] [-v] [-V] [-c FILE]\n"
    "  -n       check the config and exit\n"
    "  -f       stay in the foreground and log to stderr\n"
    "  -v       log the life of each connection too\n"
    "  -V       print the version and exit\n"
    "  -c FILE  the config (default: " SYSCONFDIR "/postern/postern.conf)\n";

static const struct role_ops *const roles[ROLE_COUNT] = {
    [ROLE_SMTPD] = &smtpd_ops,
    [ROLE_ACCOUNTS] = &accounts_ops,
    [ROLE_QUEUE] = &queue_ops,
    [ROLE_RELAY] = &relay_ops,
    [ROLE_CONTROL] = &control_ops,
    [ROLE_MIME] = &mime_ops,
};

/* `posternd --role NAME INDEX`, as child.c starts it. */
static int
run_role(const char *name, const char *index)
{
	log_open(STDERR_FILENO, true);
	log_set_patience(LOG_PATIENCE_MS);
	for (enum role role = 0; role < ROLE_COUNT; role++)
		if (roles[role] != NULL && strcmp(role_name(role), name) == 0)
			return role_run(
			    role, (unsigned)strtoul(index, NULL, 10), CHILD_LINK_FD, roles[role]);
	return EXIT_USAGE;
}

static void
print_warning(enum log_level level, const char *text)
{
	(void)fprintf(stderr, "posternd: warning: %s\n", text);
}

/* Accounts and files too, as far as who asks may look at them. */
static int
check_outside(const struct config *config, struct err *err_out)
{
	if (outside_check_accounts(config, err_out) != 0)
		return -1;
	if (outside_check_providers(config, err_out) != 0 || replies_check(config, err_out) != 0)
		return -1;
	warnings_of_listeners(config, print_warning);
	if (outside_may_read_certificates(config))
		return outside_check_certificates(config, print_warning, err_out);
	(void)fprintf(
	    stderr, "posternd: certificates and keys are not checked: only root may read them\n");
	return 0;
}

static int
check_config(const char *path)
{
	struct config *config = NULL;
	struct err err;
	int result = config_load(path, &config, NULL, &err);

	if (result == 0)
		result = check_outside(config, &err);
	config_release(config);
	if (result != 0) {
		(void)fprintf(stderr, "posternd: %s\n", err.text);
		return EXIT_CONFIG;
	}
	(void)printf("%s: ok\n", path);
	return 0;
}

/* The process that was started waits until the daemon is ready or has failed. */
static int
wait_for_daemon(pid_t pid, int fd)
{
	char byte;
	int status;
	ssize_t got;

	do {
		got = read(fd, &byte, 1);
	} while (got < 0 && errno == EINTR);
	if (got == 1)
		return 0;
	if (waitpid(pid, &status, 0) != pid)
		return EXIT_SYSTEM;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SYSTEM;
}

static int
run_in_background(struct parent_options *options)
{
	int ends[2];
	pid_t pid;
	int status;

	if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		(void)fprintf(
		    stderr, "posternd: cannot go to the background: %s\n", strerror(errno));
		return EXIT_SYSTEM;
	}
	if (pid > 0) {
		(void)close(ends[1]);
		return wait_for_daemon(pid, ends[0]);
	}
	(void)close(ends[0]);
	(void)setsid();
	options->ready_fd = ends[1];
	status = parent_run(options);
	_exit(status);
}

int
main(int argc, char **argv)
{
	struct parent_options options = {
	    .config_path = SYSCONFDIR "/postern/postern.conf", .ready_fd = -1};
	bool is_check = false;
	int option;

	if (argc == 4 && strcmp(argv[1], "--role") == 0)
		return run_role(argv[2], argv[3]);
	while ((option = getopt(argc, argv, "nfvVc:")) != -1) {
		switch (option) {
		case 'n':
			is_check = true;
			break;
		case 'f':
			options.is_foreground = true;
			break;
		case 'v':
			options.is_verbose = true;
			break;
		case 'V':
			(void)printf("postern %s\n", PACKAGE_VERSION);
			return 0;
		case 'c':
			options.config_path = optarg;
			break;
		default:
			(void)fputs(usage_text, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		(void)fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	if (is_check)
		return check_config(options.config_path);
	if (options.is_foreground || notify_is_wanted())
		return parent_run(&options);
	return run_in_background(&options);
}
