/*
 * sandbox_rules - who may call what.
 *
 * A name that an architecture doesn't have is skipped there: open and openat, epoll_wait and
 * epoll_pwait stand side by side for that reason. Calls that only start() makes are not here; the
 * filter is loaded after it.
 */
#include "daemon/core/sandbox_rules.h"

#include "daemon/core/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define ALL (~0u)
#define IS(role) (1u << ROLE_##role)

#define INT 0xffffffffu /* what the kernel looks at of an int */

/* clang-format off */
#define TEST(call, argument, mask, value) {call, {{argument, mask, value}, {0, 0, 0}}}
#define ANY(call) TEST(call, 0, 0, 0)
#define EQUAL(call, argument, value) TEST(call, argument, INT, value)
#define LACKS(call, argument, bits) TEST(call, argument, bits, 0)
#define HAS(call, argument, bits) TEST(call, argument, bits, bits)
#define IS_NULL(call, argument) TEST(call, argument, UINT64_MAX, 0)
/* SOCK_NONBLOCK and SOCK_CLOEXEC stand above the type's own bits. */
#define SOCKET(family, type) {"socket", {{0, INT, family}, {1, 0xf, type}}}
#define END ANY(NULL)

/* Bytes in and out of what is open already, and the log's patience with a full pipe. */
static const struct sandbox_rule io[] = {
	ANY("read"), ANY("readv"), ANY("write"), ANY("writev"), ANY("close"), ANY("recvmsg"),
	ANY("epoll_wait"), ANY("epoll_pwait"), ANY("epoll_ctl"), ANY("poll"), ANY("ppoll"),
	ANY("fstat"), HAS("newfstatat", 3, AT_EMPTY_PATH),
	EQUAL("fcntl", 1, F_GETFL), EQUAL("fcntl", 1, F_SETFL),
	EQUAL("fcntl", 1, F_GETFD), EQUAL("fcntl", 1, F_SETFD),
	EQUAL("setsockopt", 1, SOL_SOCKET), /* a new link's buffer */
	END
};

/* Memory that holds no code, ever. */
static const struct sandbox_rule memory[] = {
	ANY("brk"), ANY("munmap"), ANY("mremap"), ANY("madvise"),
	LACKS("mmap", 2, PROT_EXEC), LACKS("mmap2", 2, PROT_EXEC), LACKS("mprotect", 2, PROT_EXEC),
	END
};

/* Locks, signals, the first steps of a thread that start() has just made, and the ends of threads
 * and of the process; abort() sends itself a signal. */
static const struct sandbox_rule life[] = {
	ANY("rseq"), ANY("set_robust_list"),
	ANY("futex"), ANY("exit"), ANY("exit_group"), ANY("restart_syscall"), ANY("sched_yield"),
	ANY("rt_sigreturn"), ANY("rt_sigprocmask"),
	TEST("tgkill", 0, INT, SANDBOX_OWN_PID),
	END
};

/* Questions that tell nothing worth hiding. */
static const struct sandbox_rule questions[] = {
	ANY("clock_gettime"), ANY("clock_getres"), ANY("gettimeofday"), ANY("time"),
	ANY("clock_nanosleep"), ANY("nanosleep"), ANY("getrandom"),
	ANY("getpid"), ANY("gettid"), ANY("getuid"), ANY("geteuid"), ANY("getgid"), ANY("getegid"),
	ANY("sched_getaffinity"), ANY("sysinfo"), ANY("uname"), ANY("getrusage"),
	ANY("getrlimit"), IS_NULL("prlimit64", 2),
	END
};

static const struct sandbox_rule connections[] = {
	ANY("getsockopt"), ANY("setsockopt"), ANY("getsockname"), ANY("getpeername"),
	ANY("shutdown"), ANY("recvfrom"), IS_NULL("sendto", 4), ANY("sendmsg"),
	EQUAL("ioctl", 1, FIONREAD), /* each bufferevent that reads */
	END
};

static const struct sandbox_rule listening[] = {
	ANY("accept"), ANY("accept4"), ANY("listen"),
	END
};

static const struct sandbox_rule connecting[] = {
	SOCKET(AF_INET, SOCK_STREAM), SOCKET(AF_INET, SOCK_DGRAM),
	SOCKET(AF_INET6, SOCK_STREAM), SOCKET(AF_INET6, SOCK_DGRAM),
	ANY("connect"),
	END
};

/* libcurl ignores SIGPIPE, which we do all the same, while it closes connections. */
static const struct sandbox_rule broken_pipes[] = {
	EQUAL("rt_sigaction", 0, SIGPIPE),
	END
};

static const struct sandbox_rule files[] = {
	ANY("open"), ANY("openat"), ANY("stat"), ANY("lstat"), ANY("newfstatat"), ANY("statx"),
	ANY("access"), ANY("faccessat"), ANY("readlink"), ANY("readlinkat"), ANY("getcwd"),
	ANY("lseek"), ANY("unlink"), ANY("unlinkat"), ANY("fsync"), ANY("fdatasync"),
	END
};

static const struct sandbox_rule database[] = {
	ANY("pread64"), ANY("pwrite64"), ANY("pwritev"), ANY("ftruncate"), ANY("fchmod"),
	EQUAL("fcntl", 1, F_GETLK), EQUAL("fcntl", 1, F_SETLK),
	END
};

/* Files of large bodies and their links in a copy, the reserve, the free space. */
static const struct sandbox_rule bodies[] = {
	ANY("mkdir"), ANY("mkdirat"), ANY("getdents64"), ANY("fallocate"), ANY("linkat"),
	ANY("statfs"), ANY("fstatfs"),
	END
};

static const struct sandbox_rule maildirs[] = {
	ANY("mkdir"), ANY("mkdirat"),
	END
};

/* A captured message to its place; a damaged history out of the way. */
static const struct sandbox_rule renaming[] = {
	ANY("rename"), ANY("renameat"), ANY("renameat2"),
	END
};

/* A message that takes too long ends the role. */
static const struct sandbox_rule patience[] = {
	ANY("setitimer"),
	END
};

/* What a library may look for that need not be there: a time zone, a locale, openssl.cnf. */
static const struct sandbox_rule no_files[] = {
	ANY("open"), ANY("openat"), ANY("stat"), ANY("lstat"), LACKS("newfstatat", 3, AT_EMPTY_PATH),
	ANY("statx"), ANY("access"), ANY("faccessat"), ANY("readlink"), ANY("readlinkat"),
	END
};
/* clang-format on */

const struct sandbox_group sandbox_groups[] = {
    {"bytes in and out", ALL, 0, io},
    {"memory without code", ALL, 0, memory},
    {"locks, signals, the end", ALL, 0, life},
    {"questions", ALL, 0, questions},
    {"connections", IS(SMTPD) | IS(CONTROL) | IS(RELAY), 0, connections},
    {"listening", IS(SMTPD) | IS(CONTROL), 0, listening},
    {"connecting", IS(RELAY), 0, connecting},
    {"broken pipes", IS(RELAY), 0, broken_pipes},
    {"files", IS(ACCOUNTS) | IS(QUEUE) | IS(RELAY), 0, files},
    {"a database", IS(ACCOUNTS) | IS(QUEUE), 0, database},
    {"bodies", IS(QUEUE), 0, bodies},
    {"Maildirs", IS(RELAY), 0, maildirs},
    {"renaming", IS(QUEUE) | IS(RELAY), 0, renaming},
    {"patience", IS(MIME), 0, patience},
    {"no files", IS(SMTPD) | IS(CONTROL) | IS(MIME), ENOENT, no_files},
    {NULL, 0, 0, NULL},
};
