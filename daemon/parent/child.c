/* child - fork, exec, and nothing inherited but the link and the log. */
#include "daemon/parent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
child_open_program(struct err *err_out)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err_out, "cannot open /proc/self/exe: %s", strerror(errno));
	return fd;
}

/* In the child, after fork: only async-signal-safe calls. */
static _Noreturn void
become_role(int program_fd, const char *role, const char *index, int log_fd, int link_fd)
{
	char *const arguments[] = {(char *)"posternd", (char *)"--role", (char *)(uintptr_t)role,
	    (char *)(uintptr_t)index, NULL};
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above everything that is about to be replaced. */
	link_fd = fcntl(link_fd, F_DUPFD, 10);
	log_fd = fcntl(log_fd, F_DUPFD, 10);
	program_fd = fcntl(program_fd, F_DUPFD, 10);
	(void)close(STDIN_FILENO);
	(void)open("/dev/null", O_RDONLY);
	if (dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0 ||
	    dup2(link_fd, CHILD_LINK_FD) < 0 || dup2(program_fd, CHILD_LINK_FD + 1) < 0)
		_exit(71);
	(void)close_range(CHILD_LINK_FD + 2, ~0u, 0);
	(void)fcntl(CHILD_LINK_FD + 1, F_SETFD, FD_CLOEXEC);
	(void)fexecve(CHILD_LINK_FD + 1, arguments, environ);
	_exit(71);
}

int
child_spawn(int program_fd, enum role role, unsigned index, int log_fd, pid_t *pid_out,
    int *link_fd_out, struct err *err_out)
{
	char index_text[16];
	int ends[2];
	pid_t pid;

	(void)snprintf(index_text, sizeof(index_text), "%u", index);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(err_out, "socketpair for %s: %s", role_name(role), strerror(errno));
	pid = fork();
	if (pid == 0)
		become_role(program_fd, role_name(role), index_text, log_fd, ends[1]);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return err_set(err_out, "fork for %s: %s", role_name(role), strerror(errno));
	}
	*pid_out = pid;
	*link_fd_out = ends[0];
	return 0;
}
