/*
 * log_events - the closed list of what the log can say
 *
 * Every line is one event; its name and the names of the keys are a contract with the people and
 * scripts that read the log. A new event or key is added here and in posternd(8); scripts/check-docs
 * compares the two.
 */
#ifndef POSTERN_COMMON_LOG_EVENTS_H
#define POSTERN_COMMON_LOG_EVENTS_H

/* clang-format off */
#define LOG_EVENTS(X)                                                                              \
	X(ACCEPTED, "accepted")           /* a message is on disk and the client heard 250 */      \
	X(DELIVERED, "delivered")         /* the upstream took it for a recipient */               \
	X(DEFERRED, "deferred")           /* a recipient waits for its next attempt */             \
	X(DELAYED, "delayed")             /* a sender was told that a message is late */           \
	X(RATE_LIMITED, "rate-limited")   /* the profile waits for its own rates */                \
	X(BOUNCED, "bounced")             /* a recipient failed for good */                        \
	X(EXPIRED, "expired")             /* a recipient failed because its lifetime was over */   \
	X(SCHEDULED, "scheduled")         /* a message waits for the time its client named */      \
	X(HELD, "held")                   /* a message waits for an operator */                    \
	X(REMOVED, "removed")             /* an operator removed a message */                      \
	X(LEFT_ALONE, "left-alone")       /* a message went without what its profile adds to it */ \
	X(UNCERTAIN, "uncertain")         /* the connection broke after the final dot */           \
	X(BLOCKED, "blocked")             /* an unauthorized sender was refused */                 \
	X(ALERT, "alert")                 /* something an operator should see */                   \
	X(REJECTED, "rejected")           /* a command or a message was refused */                 \
	X(AUTH_FAILED, "auth-failed")     /* a client gave wrong credentials */                    \
	X(PROFILE_STOPPED, "profile-stopped")                                                      \
	X(PROFILE_RESUMED, "profile-resumed")                                                      \
	X(DIVERTED, "diverted")           /* mail goes through a fallback, or no longer */         \
	X(ROLE_RESTARTED, "role-restarted")                                                        \
	X(CONFIG, "config")               /* a config was read, taken or refused */                \
	X(STARTED, "started")             /* the daemon or a role is ready */                      \
	X(STOPPED, "stopped")             /* the daemon or a role has ended */                     \
	X(PROBLEM, "problem")             /* we coped, or someone must act: see reason */          \
	X(CONNECTED, "connected")                                                                  \
	X(AUTHENTICATED, "authenticated")                                                          \
	X(DISCONNECTED, "disconnected")                                                            \
	X(TLS, "tls")                                                                              \
	X(POP3_LOGIN, "pop3-login")       /* POP-before-SMTP: a login worked, or did not */        \
	X(TRACE, "trace")                 /* a step of a dialogue, at level debug */

#define LOG_KEYS(X)                                                                                \
	X(USER, "user") X(LIST, "list") X(FROM, "from") X(TO, "to") X(PROFILE, "profile")          \
	X(UPSTREAM, "upstream") X(CLIENT, "client") X(LISTENER, "listener") X(HELO, "helo")        \
	X(TLS, "tls") X(PRIORITY, "priority") X(SIZE, "size") X(DELAY, "delay")                    \
	X(DELAYS, "delays") X(CODE, "code") X(ENHANCED, "enhanced") X(REPLY, "reply")              \
	X(UNTIL, "until") X(WAITING, "waiting") X(REASON, "reason") X(ROLE, "role") X(PID, "pid")  \
	X(KIND, "kind") X(ADDRESS, "address") X(COUNT, "count") X(MECHANISM, "mechanism")          \
	X(MESSAGE_ID, "message-id") X(STATE, "state") X(FILE, "file") X(PORTS, "ports")            \
	X(VERSION, "version") X(RECIPIENTS, "recipients") X(CLASS, "class") X(RULE, "rule")
/* clang-format on */

enum log_event {
#define X(name, text) EVENT_##name,
	LOG_EVENTS(X)
#undef X
};

enum log_key {
#define X(name, text) KEY_##name,
	LOG_KEYS(X)
#undef X
};

#endif
