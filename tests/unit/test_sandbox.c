/*
 * The sandbox from inside: a child loads a role's filter and makes one call. It has come through to
 * the kernel, found nothing, or ended the child by SIGSYS with a line that names it.
 */
#include "daemon/core/sandbox.h"
#include "daemon/core/sandbox_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#ifndef WITHOUT_SANDBOX
#include <seccomp.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define IS(role) (1u << ROLE_##role)
#define NETWORK (IS(SMTPD) | IS(CONTROL) | IS(RELAY))
#define FILES (IS(ACCOUNTS) | IS(QUEUE) | IS(RELAY))
#define ALL (NETWORK | FILES | IS(MIME))
#define NOBODY 0u

enum { PID_OWN = -100, PID_PARENT };

struct probe {
	const char *name; /* as the log line has it */
	unsigned roles;   /* that may make the call */
	int error;        /* that they get from the kernel; 0: none */
	int absent;       /* not 0: what the others get; otherwise SIGSYS */
	long number;
	long arguments[6];
};

#define PATH(text) ((long)(uintptr_t)(text))

static struct sockaddr_in somewhere = {.sin_family = AF_INET};
static struct rlimit limit;
static struct stat stat_buffer;
static pid_t parent_pid;

/* clang-format off */
static const struct probe probes[] = {
	/* files */
	{"openat", FILES, 0, ENOENT, SYS_openat, {AT_FDCWD, PATH("/dev/null"), O_RDONLY}},
	{"openat2", NOBODY, 0, 0, SYS_openat2, {AT_FDCWD, PATH("/dev/null"), 0, 0}},
	{"newfstatat", FILES, 0, ENOENT, SYS_newfstatat, {AT_FDCWD, PATH("/dev/null"), PATH(&stat_buffer), 0}},
	{"unlinkat", FILES, ENOENT, 0, SYS_unlinkat, {AT_FDCWD, PATH("/no/such"), 0}},
	{"mkdirat", IS(QUEUE) | IS(RELAY), ENOENT, 0, SYS_mkdirat, {AT_FDCWD, PATH("/no/such"), 0700}},
	{"renameat2", IS(QUEUE) | IS(RELAY), ENOENT, 0, SYS_renameat2, {AT_FDCWD, PATH("/no/a"), AT_FDCWD, PATH("/no/b")}},
	{"ftruncate", IS(ACCOUNTS) | IS(QUEUE), EBADF, 0, SYS_ftruncate, {-1, 0}},
	{"fcntl", IS(ACCOUNTS) | IS(QUEUE), EBADF, 0, SYS_fcntl, {-1, F_SETLK, 0}},
	{"fcntl", NOBODY, 0, 0, SYS_fcntl, {0, F_DUPFD, 100}},
	{"symlinkat", NOBODY, 0, 0, SYS_symlinkat, {PATH("/etc"), AT_FDCWD, PATH("/no/such")}},
	{"linkat", IS(QUEUE), ENOENT, 0, SYS_linkat, {AT_FDCWD, PATH("/no/a"), AT_FDCWD, PATH("/no/b"), 0}},
	{"fchmodat", NOBODY, 0, 0, SYS_fchmodat, {AT_FDCWD, PATH("/no/such"), 0777}},
	{"mknodat", NOBODY, 0, 0, SYS_mknodat, {AT_FDCWD, PATH("/no/such"), 0, 0}},
	{"memfd_create", NOBODY, 0, 0, SYS_memfd_create, {PATH("x"), 0}},
	/* the network */
	{"socket", IS(RELAY), 0, 0, SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0}},
	{"socket", IS(RELAY), 0, 0, SYS_socket, {AF_INET, SOCK_DGRAM, 0}},
	{"socket", NOBODY, 0, 0, SYS_socket, {AF_INET, SOCK_RAW, 0}},
	{"socket", NOBODY, 0, 0, SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
	{"socket", NOBODY, 0, 0, SYS_socket, {AF_NETLINK, SOCK_DGRAM, 0}},
	{"socket", NOBODY, 0, 0, SYS_socket, {AF_PACKET, SOCK_DGRAM, 0}},
	{"connect", IS(RELAY), EBADF, 0, SYS_connect, {-1, PATH(&somewhere), sizeof(somewhere)}},
	{"bind", NOBODY, 0, 0, SYS_bind, {-1, PATH(&somewhere), sizeof(somewhere)}},
	{"accept4", IS(SMTPD) | IS(CONTROL), EBADF, 0, SYS_accept4, {-1, 0, 0, 0}},
	{"sendto", NETWORK, EBADF, 0, SYS_sendto, {-1, PATH("x"), 1, 0, 0, 0}},
	{"sendto", NOBODY, 0, 0, SYS_sendto, {-1, PATH("x"), 1, 0, PATH(&somewhere), sizeof(somewhere)}},
	{"ioctl", NETWORK, EBADF, 0, SYS_ioctl, {-1, FIONREAD, 0}},
	{"ioctl", NOBODY, 0, 0, SYS_ioctl, {0, TIOCSTI, PATH("x")}},
	/* other programs and processes */
	{"execve", NOBODY, 0, 0, SYS_execve, {PATH("/bin/true"), 0, 0}},
	{"execveat", NOBODY, 0, 0, SYS_execveat, {0, PATH(""), 0, 0, AT_EMPTY_PATH}},
	{"clone", NOBODY, 0, 0, SYS_clone, {SIGCHLD, 0, 0, 0, 0}},
	{"clone3", NOBODY, 0, 0, SYS_clone3, {0, 0}},
	{"ptrace", NOBODY, 0, 0, SYS_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
	{"process_vm_readv", NOBODY, 0, 0, SYS_process_vm_readv, {PID_PARENT, 0, 0, 0, 0, 0}},
	{"process_vm_writev", NOBODY, 0, 0, SYS_process_vm_writev, {PID_PARENT, 0, 0, 0, 0, 0}},
	{"kcmp", NOBODY, 0, 0, SYS_kcmp, {PID_PARENT, PID_PARENT, 0, 0, 0}},
	{"kill", NOBODY, 0, 0, SYS_kill, {PID_PARENT, 0}},
	{"tgkill", NOBODY, 0, 0, SYS_tgkill, {PID_PARENT, PID_PARENT, 0}},
	{"tgkill", ALL, 0, 0, SYS_tgkill, {PID_OWN, PID_OWN, 0}},
	{"tkill", NOBODY, 0, 0, SYS_tkill, {PID_OWN, 0}},
	{"pidfd_open", NOBODY, 0, 0, SYS_pidfd_open, {PID_PARENT, 0}},
	{"shmget", NOBODY, 0, 0, SYS_shmget, {0, 4096, 0}},
	/* code */
	{"mmap", ALL, 0, 0, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"mmap", NOBODY, 0, 0, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
	{"mprotect", ALL, EINVAL, 0, SYS_mprotect, {1, 4096, PROT_READ}},
	{"mprotect", NOBODY, 0, 0, SYS_mprotect, {1, 4096, PROT_READ | PROT_EXEC}},
	/* rights */
	{"setuid", NOBODY, 0, 0, SYS_setuid, {0}},
	{"setresuid", NOBODY, 0, 0, SYS_setresuid, {0, 0, 0}},
	{"capset", NOBODY, 0, 0, SYS_capset, {0, 0}},
	{"chroot", NOBODY, 0, 0, SYS_chroot, {PATH("/")}},
	{"unshare", NOBODY, 0, 0, SYS_unshare, {0}},
	{"setns", NOBODY, 0, 0, SYS_setns, {0, 0}},
	{"mount", NOBODY, 0, 0, SYS_mount, {0, 0, 0, 0, 0}},
	{"prctl", NOBODY, 0, 0, SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"prlimit64", ALL, 0, 0, SYS_prlimit64, {0, RLIMIT_CORE, 0, PATH(&limit)}},
	{"prlimit64", NOBODY, 0, 0, SYS_prlimit64, {0, RLIMIT_CORE, PATH(&limit), 0}},
	{"rt_sigaction", NOBODY, 0, 0, SYS_rt_sigaction, {SIGSYS, 0, 0, 8}},
	{"rt_sigaction", IS(RELAY), 0, 0, SYS_rt_sigaction, {SIGPIPE, 0, 0, 8}},
	{"seccomp", NOBODY, 0, 0, SYS_seccomp, {0, 0, 0}},
	{"setitimer", IS(MIME), 0, 0, SYS_setitimer, {ITIMER_PROF, 0, 0}},
	/* what kernels have been broken through */
	{"bpf", NOBODY, 0, 0, SYS_bpf, {0, 0, 0}},
	{"perf_event_open", NOBODY, 0, 0, SYS_perf_event_open, {0, 0, 0, 0, 0}},
	{"io_uring_setup", NOBODY, 0, 0, SYS_io_uring_setup, {1, 0}},
	{"userfaultfd", NOBODY, 0, 0, SYS_userfaultfd, {0}},
	{"keyctl", NOBODY, 0, 0, SYS_keyctl, {0, 0, 0, 0, 0}},
};
/* clang-format on */

static long
argument(const struct probe *probe, size_t i)
{
	long value = probe->arguments[i];

	return value == PID_OWN ? getpid() : value == PID_PARENT ? parent_pid : value;
}

static int
make_call(const struct probe *probe)
{
	long result = syscall(probe->number, argument(probe, 0), argument(probe, 1),
	    argument(probe, 2), argument(probe, 3), argument(probe, 4), argument(probe, 5));

	return result < 0 ? errno : 0;
}

/* ---- a child in the sandbox ---- */

struct outcome {
	int status;
	char said[512];
};

/* What the child returns from `inside` is its exit status. */
static struct outcome
run_inside(enum role role, int (*inside)(const void *ctx), const void *ctx)
{
	struct outcome outcome = {0};
	int ends[2];
	struct err err;
	ssize_t got;
	size_t size = 0;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		(void)close(ends[0]);
		(void)close(ends[1]);
		sandbox_prepare();
		if (sandbox_load(role, &err) != 0)
			_exit(250);
		_exit(inside(ctx));
	}
	(void)close(ends[1]);
	while ((got = read(ends[0], outcome.said + size, sizeof(outcome.said) - 1 - size)) > 0)
		size += (size_t)got;
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
	return outcome;
}

static void
check_refused(const struct outcome *outcome, enum role role, const char *call)
{
	char expected[128];

	if (!WIFSIGNALED(outcome->status) || WTERMSIG(outcome->status) != SIGSYS)
		fail_msg("%s: %s was not refused (status %x)", role_name(role), call,
		    (unsigned)outcome->status);
	assert_non_null(strstr(outcome->said, "<3>event=problem role="));
	assert_non_null(strstr(outcome->said, role_name(role)));
	(void)snprintf(expected, sizeof(expected), "(%s)\"\n", call);
	if (strstr(outcome->said, expected) == NULL)
		fail_msg("%s: %s is not named in: %s", role_name(role), call, outcome->said);
}

static void
check_came_back(const struct outcome *outcome, enum role role, const char *call, int error)
{
	if (!WIFEXITED(outcome->status) || WEXITSTATUS(outcome->status) != error)
		fail_msg("%s: %s: status %x instead of errno %d; %s", role_name(role), call,
		    (unsigned)outcome->status, error, outcome->said);
}

static void
skip_without_filter(void)
{
	if (sandbox_missing() != NULL) {
		print_message("no filter: %s\n", sandbox_missing());
		skip();
	}
}

/* ---- each role, each call ---- */

static int
call_inside(const void *ctx)
{
	return make_call(ctx);
}

static void
check_role(enum role role)
{
	skip_without_filter();
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct probe *probe = &probes[i];
		struct outcome outcome = run_inside(role, call_inside, probe);

		if ((probe->roles & 1u << role) != 0)
			check_came_back(&outcome, role, probe->name, probe->error);
		else if (probe->absent != 0)
			check_came_back(&outcome, role, probe->name, probe->absent);
		else
			check_refused(&outcome, role, probe->name);
	}
}

#define ROLE_TEST(name, ROLE)                                                                      \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		check_role(ROLE);                                                                  \
	}
ROLE_TEST(smtpd, ROLE_SMTPD)
ROLE_TEST(accounts, ROLE_ACCOUNTS)
ROLE_TEST(queue, ROLE_QUEUE)
ROLE_TEST(relay, ROLE_RELAY)
ROLE_TEST(control, ROLE_CONTROL)
ROLE_TEST(mime, ROLE_MIME)

/* A misspelt name would be skipped like one of another architecture. */
static void
test_names_are_calls(void **state)
{
#ifndef WITHOUT_SANDBOX
	for (const struct sandbox_group *group = sandbox_groups; group->rules != NULL; group++)
		for (const struct sandbox_rule *rule = group->rules; rule->call != NULL; rule++)
			if (seccomp_syscall_resolve_name(rule->call) == __NR_SCMP_ERROR)
				fail_msg("%s: no system call %s", group->purpose, rule->call);
#endif
}

/* ---- threads, and ends that are not the sandbox's ---- */

static void *
trace_from_thread(void *may_go)
{
	char byte;

	(void)!read(*(int *)may_go, &byte, 1);
	(void)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
	return NULL;
}

/* The thread is there before the filter. */
static void
test_threads_are_in_it(void **state)
{
	int ends[2], status;
	pid_t pid;

	skip_without_filter();
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		pthread_t thread;
		struct err err;

		if (pthread_create(&thread, NULL, trace_from_thread, &ends[0]) != 0 ||
		    sandbox_load(ROLE_QUEUE, &err) != 0)
			_exit(250);
		(void)!write(ends[1], "", 1);
		(void)pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static int
abort_inside(const void *ctx)
{
	abort();
}

/* A bug that ensure() finds still ends the role by SIGABRT. */
static void
test_abort_is_an_abort(void **state)
{
	skip_without_filter();
	for (enum role role = ROLE_SMTPD; role < ROLE_COUNT; role++) {
		struct outcome outcome = run_inside(role, abort_inside, NULL);

		assert_true(WIFSIGNALED(outcome.status));
		assert_int_equal(WTERMSIG(outcome.status), SIGABRT);
	}
}

/* ---- limits ---- */

static int
limits_inside(const void *ctx)
{
	static const int shut[] = {RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_FSIZE};
	int set = 0;

	for (size_t i = 0; i < sizeof(shut) / sizeof(shut[0]); i++)
		if (getrlimit(shut[i], &limit) == 0 && limit.rlim_max == 0)
			set |= 1 << i;
	return set;
}

static void
test_limits(void **state)
{
	for (enum role role = ROLE_SMTPD; role < ROLE_COUNT; role++) {
		struct outcome outcome = run_inside(role, limits_inside, NULL);

		check_came_back(&outcome, role, "limits", (FILES & 1u << role) != 0 ? 3 : 7);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_smtpd),
	    cmocka_unit_test(test_accounts),
	    cmocka_unit_test(test_queue),
	    cmocka_unit_test(test_relay),
	    cmocka_unit_test(test_control),
	    cmocka_unit_test(test_mime),
	    cmocka_unit_test(test_names_are_calls),
	    cmocka_unit_test(test_threads_are_in_it),
	    cmocka_unit_test(test_abort_is_an_abort),
	    cmocka_unit_test(test_limits),
	};

	parent_pid = getpid();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
