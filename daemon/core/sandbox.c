/*
 * sandbox - loads a role's rules into the kernel, and says what broke them.
 *
 * A refused call raises SIGSYS in the thread that made it. The handler writes one line and lets the
 * same signal end the process. A thread that blocks SIGSYS ends it without the line.
 */
#include "daemon/core/sandbox.h"

#include "daemon/core/sandbox_rules.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int
set_limit(int resource, rlim_t value, struct err *err_out)
{
	struct rlimit limit = {.rlim_cur = value, .rlim_max = value};

	if (setrlimit(resource, &limit) != 0)
		return err_set(err_out, "setrlimit: %s", strerror(errno));
	return 0;
}

static int
set_limits(enum role role, struct err *err_out)
{
	bool has_files = role == ROLE_ACCOUNTS || role == ROLE_QUEUE || role == ROLE_RELAY;

	/* A core would have the secrets in it. */
	if (set_limit(RLIMIT_CORE, 0, err_out) != 0 || set_limit(RLIMIT_NPROC, 0, err_out) != 0)
		return -1;
	return has_files ? 0 : set_limit(RLIMIT_FSIZE, 0, err_out);
}

void
sandbox_prepare(void)
{
	/* Otherwise its first use would read openssl.cnf. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

#ifdef WITHOUT_SANDBOX

const char *
sandbox_missing(void)
{
	return WITHOUT_SANDBOX;
}

int
sandbox_load(enum role role, struct err *err_out)
{
	return set_limits(role, err_out);
}

#else

#include <seccomp.h>

#define CALLS_MAX 512
#define CALL_NAME_SIZE 28

/* For the handler, which can't ask libseccomp: that allocates memory. */
static char call_names[CALLS_MAX][CALL_NAME_SIZE];
static const char *own_role;

const char *
sandbox_missing(void)
{
	return NULL;
}

/* ---- a refused call ---- */

struct line {
	char text[256];
	size_t size;
};

static void
put_text(struct line *line, const char *text)
{
	while (*text != '\0' && line->size < sizeof(line->text))
		line->text[line->size++] = *text++;
}

static void
put_number(struct line *line, int number)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;
	unsigned rest = number < 0 ? 0 : (unsigned)number;

	digits[at] = '\0';
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	put_text(line, digits + at);
}

/* Async-signal-safe; the line is as common/log.c would write it. */
static void
on_refused(int signal_number, siginfo_t *info, void *context)
{
	struct line line = {.size = 0};
	int call = info->si_syscall;

	put_text(&line, "<3>event=problem role=");
	put_text(&line, own_role);
	put_text(&line, " reason=\"the sandbox refused the system call ");
	put_number(&line, call);
	if (call >= 0 && call < CALLS_MAX && call_names[call][0] != '\0') {
		put_text(&line, " (");
		put_text(&line, call_names[call]);
		put_text(&line, ")");
	}
	put_text(&line, "\"\n");
	(void)!write(STDERR_FILENO, line.text, line.size);
	/* SA_RESETHAND and SA_NODEFER: now it ends the process. */
	(void)raise(SIGSYS);
	_exit(71);
}

static int
catch_refused(enum role role, struct err *err_out)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESETHAND | SA_NODEFER};

	own_role = role_name(role);
	for (int call = 0; call < CALLS_MAX; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		if (name != NULL && strlen(name) < CALL_NAME_SIZE)
			memcpy(call_names[call], name, strlen(name) + 1);
		free(name);
	}
	action.sa_sigaction = on_refused;
	(void)sigfillset(&action.sa_mask);
	(void)sigdelset(&action.sa_mask, SIGSYS);
	if (sigaction(SIGSYS, &action, NULL) != 0)
		return err_set(err_out, "sigaction: %s", strerror(errno));
	return 0;
}

/* ---- rules ---- */

static int
add_rule(
    scmp_filter_ctx filter, uint32_t action, const struct sandbox_rule *rule, struct err *err_out)
{
	struct scmp_arg_cmp tests[2];
	unsigned count = 0;
	int result, call = seccomp_syscall_resolve_name(rule->call);

	if (call < 0) /* this architecture has another call for it */
		return 0;
	for (size_t i = 0; i < 2; i++) {
		uint64_t value = rule->tests[i].value;

		if (rule->tests[i].mask == 0)
			continue;
		if (value == SANDBOX_OWN_PID)
			value = (uint64_t)getpid();
		tests[count++] = SCMP_CMP(
		    rule->tests[i].argument, SCMP_CMP_MASKED_EQ, rule->tests[i].mask, value);
	}
	result = seccomp_rule_add_array(filter, action, call, count, tests);
	if (result != 0)
		return err_set(
		    err_out, "sandbox: the rule for %s: %s", rule->call, strerror(-result));
	return 0;
}

static int
add_group(scmp_filter_ctx filter, const struct sandbox_group *group, struct err *err_out)
{
	uint32_t action = SCMP_ACT_ALLOW;

	if (group->error != 0)
		action = SCMP_ACT_ERRNO((uint32_t)group->error);
	for (const struct sandbox_rule *rule = group->rules; rule->call != NULL; rule++)
		if (add_rule(filter, action, rule, err_out) != 0)
			return -1;
	return 0;
}

static int
set_attributes(scmp_filter_ctx filter, struct err *err_out)
{
	/* All threads, and no other architecture's calls. */
	if (seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
		return err_set(err_out, "sandbox: libseccomp or the kernel is too old");
	return 0;
}

static int
fill_and_load(scmp_filter_ctx filter, enum role role, struct err *err_out)
{
	int result;

	if (set_attributes(filter, err_out) != 0)
		return -1;
	for (const struct sandbox_group *group = sandbox_groups; group->rules != NULL; group++)
		if ((group->roles & 1u << role) != 0 && add_group(filter, group, err_out) != 0)
			return -1;
	result = seccomp_load(filter);
	if (result != 0)
		return err_set(err_out,
		    "sandbox: the kernel takes no system call filter (%s); a kernel without them "
		    "needs a build --without-seccomp",
		    strerror(-result));
	return 0;
}

int
sandbox_load(enum role role, struct err *err_out)
{
	scmp_filter_ctx filter;
	int result;

	if (set_limits(role, err_out) != 0 || catch_refused(role, err_out) != 0)
		return -1;
	filter = seccomp_init(SCMP_ACT_TRAP);
	if (filter == NULL)
		return err_set(err_out, "sandbox: seccomp_init failed");
	result = fill_and_load(filter, role, err_out);
	seccomp_release(filter);
	return result;
}

#endif
