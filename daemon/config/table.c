/*
 * table - the options. A new one is a row here, a field in config.h, a line in the sample config
 * and a paragraph in postern.conf(5); scripts/check-docs compares the four.
 */
#include "daemon/config/table.h"

#include <string.h>

/* clang-format off */
static const struct option_choice listener_tls[] = {
	{"none", LISTENER_NONE, false}, {"starttls", LISTENER_STARTTLS, false},
	{"implicit", LISTENER_IMPLICIT, false}, {"auto", LISTENER_AUTO, false}, {NULL, 0, false}};
static const struct option_choice tls_versions[] = {
	{"1.0", TLS_VERSION_1_0, false}, {"1.1", TLS_VERSION_1_1, false},
	{"1.2", TLS_VERSION_1_2, false}, {"1.3", TLS_VERSION_1_3, false}, {NULL, 0, false}};
/* The lower ones are for a listener of their own. */
static const struct option_choice safe_tls_versions[] = {
	{"1.2", TLS_VERSION_1_2, false}, {"1.3", TLS_VERSION_1_3, false}, {NULL, 0, false}};
static const struct option_choice mechanisms[] = {
	{"SCRAM-SHA-256-PLUS", 0, false}, {"SCRAM-SHA-256", 0, false}, {"LOGIN", 0, false},
	{"PLAIN", 0, false}, {"CRAM-MD5", 0, false}, {"ANONYMOUS", 0, true},
	{"SCRAM-SHA-1", 0, true}, {"SCRAM-SHA-1-PLUS", 0, true}, {"NTLM", 0, true}, {"XOAUTH2", 0, true},
	{"OAUTHBEARER", 0, true}, {"EXTERNAL", 0, true}, {NULL, 0, false}};
static const struct option_choice without_tls[] = {
	{"never", AUTH_CLEAR_NEVER, false}, {"loopback", AUTH_CLEAR_LOOPBACK, false},
	{"always", AUTH_CLEAR_ALWAYS, false}, {NULL, 0, false}};
static const struct option_choice unauthorized[] = {
	{"block", UNAUTHORIZED_BLOCK, false}, {"alert", UNAUTHORIZED_ALERT, false}, {NULL, 0, false}};
static const struct option_choice over_limit[] = {
	{"refuse", OVER_LIMIT_REFUSE, false}, {"hold", OVER_LIMIT_HOLD, false}, {NULL, 0, false}};
static const struct option_choice on_expiry[] = {
	{"hold", ON_EXPIRY_HOLD, false}, {"bounce", ON_EXPIRY_BOUNCE, false}, {NULL, 0, false}};
static const struct option_choice log_targets[] = {
	{"stderr", LOG_TARGET_STDERR, false}, {"syslog", LOG_TARGET_SYSLOG, false},
	{"journal", LOG_TARGET_JOURNAL, false}, {NULL, 0, false}};
static const struct option_choice log_levels[] = {
	{"error", LOG_ERROR, false}, {"warning", LOG_WARNING, false},
	{"info", LOG_INFO, false}, {"debug", LOG_DEBUG, false}, {NULL, 0, false}};

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define PATH_BYTES 1, 1000
#define NO_RANGE 0, 0
#define AT(field) offsetof(struct config, field)
#define OF_LISTENER(field) offsetof(struct listener_row, field)
#define OF_TRUSTED(field) offsetof(struct trusted_row, field)
#define OF_PAIR(field) offsetof(struct config_pair, field)

/*	path, type, unit, minimum, maximum, default, takes effect, field, choices, help */
const struct option options[] = {
	{"hostname", OPTION_HOSTNAME, "name", 1, 253, NULL, ON_RELOAD, AT(hostname), NULL,
	 "Name of this relay in its banner, in EHLO, in Received: and Message-ID:; "
	 "the machine's own name if absent."},
	{"state_dir", OPTION_PATH, "path", PATH_BYTES, LOCALSTATEDIR "/lib/postern", ON_RESTART,
	 AT(state_dir), NULL,
	 "Directory of accounts.db, queue.db and the keys; only the account user may enter it."},
	/* room for /control.sock in a socket's address */
	{"run_dir", OPTION_PATH, "path", 1, 90, "/run/postern", ON_RESTART, AT(run_dir), NULL,
	 "Directory of control.sock, the socket of posternctl."},
	{"capture_dir", OPTION_PATH, "path", PATH_BYTES, LOCALSTATEDIR "/lib/postern/capture",
	 ON_RESTART, AT(capture_dir), NULL,
	 "Directory below which capture profiles keep their Maildirs."},
	{"user", OPTION_ACCOUNT, "account", 1, 32, "postern", ON_RESTART, AT(user), NULL,
	 "Account that owns the databases; used when started by root."},
	{"net_user", OPTION_ACCOUNT, "account", 1, 32, "postern-net", ON_RESTART, AT(net_user), NULL,
	 "Account that faces the network and owns nothing; used when started by root."},
	{"admin_group", OPTION_ACCOUNT, "group", 1, 32, "postern-admin", ON_RESTART, AT(admin_group),
	 NULL, "Group whose members may use posternctl; used when started by root."},
	{"smtpd_processes", OPTION_NUMBER, "processes", 0, SMTPD_PROCESSES_MAX, "0", ON_RESTART, AT(smtpd_processes),
	 NULL, "Processes that talk to clients; 0 is one for each CPU."},

	{"listeners", OPTION_LISTENERS, "list", 1, 100, NULL, ON_RELOAD, 0, NULL,
	 "Where clients may connect; if absent, ports 25 and 587 with starttls and 465 with implicit "
	 "TLS on every address."},
	{"listeners.address", OPTION_ADDRESS, "address", NO_RANGE, "*", ON_RELOAD,
	 OF_LISTENER(listener.address), NULL,
	 "Address to listen on; * is every IPv4 and IPv6 address."},
	{"listeners.ports", OPTION_PORTS, "ports", NO_RANGE, NULL, ON_RELOAD, OF_LISTENER(ports), NULL,
	 "Ports and ranges of ports with commas between them; every listener needs them."},
	{"listeners.exclude", OPTION_PORTS, "ports", NO_RANGE, NULL, ON_RELOAD, OF_LISTENER(exclude),
	 NULL, "Ports of these ranges to keep off."},
	{"listeners.tls", OPTION_CHOICE, "mode", NO_RANGE, "starttls", ON_RELOAD,
	 OF_LISTENER(listener.tls), listener_tls,
	 "Whether clients talk plainly, may change to TLS, or begin with it; auto takes those that begin "
	 "with TLS, and greets the others as starttls does."},
	{"listeners.min_version", OPTION_CHOICE, "version", NO_RANGE, NULL, ON_RELOAD,
	 OF_LISTENER(listener.min_version), tls_versions,
	 "Lowest TLS version that is taken here; as tls.min_version if absent, an error beside tls "
	 "none; with 1.0 or 1.1, for devices that can do no better, weak ciphers are taken too, and the log warns."},
	{"listeners.required", OPTION_BOOL, "yes or no", NO_RANGE, "false", ON_RELOAD,
	 OF_LISTENER(listener.is_required), NULL,
	 "Whether a port that is taken is an error; otherwise it is skipped with a warning and tried "
	 "again at reload."},

	{"tls.certificate", OPTION_PATH, "path", PATH_BYTES, NULL, ON_RELOAD, AT(tls.certificate), NULL,
	 "File with the certificate and its chain (PEM); if absent, a certificate of postern's own CA "
	 "is made once."},
	{"tls.key", OPTION_PATH, "path", PATH_BYTES, NULL, ON_RELOAD, AT(tls.key), NULL,
	 "File with the certificate's private key (PEM)."},
	{"tls.certificates", OPTION_PAIRS, "list", 1, TLS_PAIRS_MAX - 1, NULL, ON_RELOAD, 0, NULL,
	 "More certificates: a client is shown the one for the host that it names, else "
	 "tls.certificate, or the first of these without it; an RSA and an ECDSA certificate for the "
	 "same names serve together."},
	{"tls.certificates.certificate", OPTION_PATH, "path", PATH_BYTES, NULL, ON_RELOAD,
	 OF_PAIR(certificate), NULL, "File with the certificate and its chain (PEM)."},
	{"tls.certificates.key", OPTION_PATH, "path", PATH_BYTES, NULL, ON_RELOAD, OF_PAIR(key), NULL,
	 "File with the certificate's private key (PEM)."},
	{"tls.min_version", OPTION_CHOICE, "version", NO_RANGE, "1.2", ON_RELOAD, AT(tls.min_version),
	 safe_tls_versions, "Lowest TLS version that is taken from clients."},
	{"tls.ticket_rotation", OPTION_DURATION, "ms", SECOND, 3 * DAY, "12h", ON_RELOAD,
	 AT(tls.ticket_rotation_ms), NULL,
	 "How long session tickets are made with one key; it reads them for as long again."},
	{"tls.auto_wait", OPTION_DURATION, "ms", 10, 10 * SECOND, "300ms", ON_RELOAD,
	 AT(tls.auto_wait_ms), NULL,
	 "How long a listener with auto waits for a client to begin with TLS, before it greets."},
	{"tls.implicit_wait", OPTION_DURATION, "ms", 100, MINUTE, "3s", ON_RELOAD,
	 AT(tls.implicit_wait_ms), NULL,
	 "How long a client of a listener with implicit TLS may take to begin; one that waits for a "
	 "greeting is then told in plain text what is wrong."},

	{"auth.mechanisms", OPTION_MECHANISMS, "names", NO_RANGE,
	 "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN", ON_RELOAD, AT(auth.mechanisms), mechanisms,
	 "SASL mechanisms to offer, in this order; CRAM-MD5 needs passwords that can be read back, "
	 "and clients that see it prefer it."},
	{"auth.without_tls", OPTION_CHOICE, "where", NO_RANGE, "loopback", ON_RELOAD,
	 AT(auth.without_tls), without_tls,
	 "Where PLAIN and LOGIN may be used without TLS; the others never show the password."},
	{"auth.legacy_line", OPTION_BOOL, "yes or no", NO_RANGE, "false", ON_RELOAD,
	 AT(auth.legacy_line), NULL,
	 "Whether EHLO also has a line AUTH=LOGIN PLAIN, which clients of the last century look for; "
	 "needs one of the two in auth.mechanisms."},
	{"auth.after_helo", OPTION_BOOL, "yes or no", NO_RANGE, "false", ON_RELOAD,
	 AT(auth.after_helo), NULL,
	 "Whether a client that greeted with HELO may log in, as old printers do."},

	{"trusted", OPTION_TRUSTED, "list", 0, 1000, NULL, ON_RELOAD, 0, NULL,
	 "Networks whose clients need no AUTH, each mapped to one user; none if absent."},
	{"trusted.network", OPTION_NETWORK, "network", NO_RANGE, NULL, ON_RELOAD,
	 OF_TRUSTED(trusted.network), NULL, "An address, or a network as ADDRESS/BITS: at least /8 for IPv4, at least /32 for IPv6."},
	{"trusted.user", OPTION_TEXT, "login", 1, 255, NULL, ON_RELOAD, OF_TRUSTED(trusted.user), NULL,
	 "Login of the user that its clients are."},

	{"refused", OPTION_NETWORKS, "networks", NO_RANGE, NULL, ON_RELOAD, AT(refused), NULL,
	 "Networks whose clients get no service: 554 in place of a greeting; none if absent."},

	{"limits.message_size", OPTION_SIZE, "bytes", KIB, 4 * GIB, "50M", ON_RELOAD,
	 AT(limits.message_size_bytes), NULL, "Largest message."},
	{"limits.recipients", OPTION_NUMBER, "recipients", 1, 10000, "1000", ON_RELOAD,
	 AT(limits.recipients), NULL, "Recipients of one message."},
	{"limits.connections", OPTION_NUMBER, "connections", 1, 1000000, "10000", ON_RELOAD,
	 AT(limits.connections), NULL, "Clients connected at once, in all."},
	{"limits.connections_per_client", OPTION_NUMBER, "connections", 0, 1000000, "200", ON_RELOAD,
	 AT(limits.connections_per_client), NULL,
	 "Clients connected at once from one IPv4 address or one IPv6 /64; 0 is no limit."},
	{"limits.connections_per_user", OPTION_NUMBER, "connections", 0, 1000000, "200", ON_RELOAD,
	 AT(limits.connections_per_user), NULL, "Clients connected at once as one user; 0 is no limit."},
	{"limits.header_size", OPTION_SIZE, "bytes", 4 * KIB, MIB, "256K", ON_RELOAD,
	 AT(limits.header_size_bytes), NULL, "Largest header of a message."},
	{"limits.header_fields", OPTION_NUMBER, "fields", 10, 100000, "1000", ON_RELOAD,
	 AT(limits.header_fields), NULL, "Fields in the header of a message; one with more is refused."},
	{"limits.header_line_length", OPTION_SIZE, "bytes", 998, MIB, "64K", ON_RELOAD,
	 AT(limits.header_line_length), NULL,
	 "Longest line in the header of a message, without its line end; RFC 5322 has 998."},
	{"limits.line_length", OPTION_SIZE, "bytes", 998, 4 * GIB, "1M", ON_RELOAD,
	 AT(limits.line_length), NULL,
	 "Longest line of a message, without its line end; RFC 5321 has 998, but many clients send "
	 "HTML or Base64 in one line, and up to this it is passed on as it is."},
	{"limits.received_headers", OPTION_NUMBER, "fields", 1, 1000, "50", ON_RELOAD,
	 AT(limits.received_headers), NULL,
	 "Received: fields of one message; one with more is in a loop and refused."},
	{"limits.command_timeout", OPTION_DURATION, "ms", SECOND, HOUR, "5m", ON_RELOAD,
	 AT(limits.command_timeout_ms), NULL, "How long a client may be silent between commands."},
	{"limits.data_timeout", OPTION_DURATION, "ms", SECOND, HOUR, "5m", ON_RELOAD,
	 AT(limits.data_timeout_ms), NULL, "How long a client may be silent within a message."},
	{"limits.data_rate", OPTION_SIZE, "bytes", 0, GIB, "100B", ON_RELOAD,
	 AT(limits.data_rate_bytes), NULL,
	 "Bytes a second that a message must come in with, on average after its first minute; 0 is no limit."},
	{"limits.tls_timeout", OPTION_DURATION, "ms", SECOND, HOUR, "30s", ON_RELOAD,
	 AT(limits.tls_timeout_ms), NULL, "How long a client may take for the TLS handshake."},
	{"limits.session_time", OPTION_DURATION, "ms", MINUTE, 30 * DAY, "1h", ON_RELOAD,
	 AT(limits.session_time_ms), NULL,
	 "How long a session may last; a message that is under way may still be finished."},
	{"limits.idle_commands", OPTION_NUMBER, "commands", 1, 100000, "100", ON_RELOAD,
	 AT(limits.idle_commands), NULL,
	 "EHLO, HELO, MAIL, RSET, NOOP, VRFY and HELP without a message that was taken, before a connection ends."},
	{"limits.guesses", OPTION_NUMBER, "guesses", 0, 100000, "20", ON_RELOAD, AT(limits.guesses), NULL,
	 "Wrong logins, different ones, from one IPv4 address or IPv6 /64 (four times as many: /48) before it is "
	 "shut out; 0 is no limit."},
	{"limits.guess_window", OPTION_DURATION, "ms", SECOND, 30 * DAY, "1h", ON_RELOAD,
	 AT(limits.guess_window_ms), NULL, "Time in which so many guesses are forgotten again, one by one."},
	{"limits.shut_out", OPTION_DURATION, "ms", SECOND, 30 * DAY, "15m", ON_RELOAD,
	 AT(limits.shut_out_ms), NULL, "How long an address that keeps guessing is shut out."},
	{"limits.auth_failures", OPTION_NUMBER, "failures", 1, 1000, "5", ON_RELOAD,
	 AT(limits.auth_failures), NULL, "Failed logins before a connection ends."},
	{"limits.errors", OPTION_NUMBER, "errors", 1, 10000, "20", ON_RELOAD, AT(limits.errors), NULL,
	 "Refused commands before a connection ends."},
	{"limits.free_space", OPTION_SIZE, "bytes", 0, 1024 * GIB, "128M", ON_RELOAD,
	 AT(limits.free_space_bytes), NULL,
	 "Free space of state_dir's file system below which no message is taken."},
	{"limits.user_messages", OPTION_CAP, "messages", NO_RANGE, "none", ON_RELOAD,
	 AT(limits.user_messages), NULL,
	 "Messages that a user may send in any hour and any day, if the user has no number of its own."},
	{"limits.user_recipients", OPTION_CAP, "recipients", NO_RANGE, "none", ON_RELOAD,
	 AT(limits.user_recipients), NULL,
	 "The same of recipients; a message counts with each of its recipients."},
	{"limits.over_limit", OPTION_CHOICE, "what to do", NO_RANGE, "refuse", ON_RELOAD,
	 AT(limits.over_limit), over_limit,
	 "What happens to a message over its user's limit: refuse (450 4.7.1, the client tries again) "
	 "or hold (it is taken, and goes out when the limit allows it or an operator releases it)."},

	{"queue.lifetime", OPTION_DURATION, "ms", SECOND, 90 * DAY, "5d", ON_RELOAD,
	 AT(queue.lifetime_ms), NULL, "How long a message is tried before its sender is told."},
	{"queue.retry", OPTION_SCHEDULE, "ms", RETRY_MIN_MS, RETRY_MAX_MS, "1m 2m 5m 10m 20m 30m 1h", ON_RELOAD,
	 AT(queue), NULL, "Waiting times between attempts; the last one repeats."},
	{"queue.delay_warning", OPTION_DURATION, "ms", 0, 90 * DAY, "4h", ON_RELOAD,
	 AT(queue.delay_warning_ms), NULL,
	 "How long a message waits before its sender is told that it is late; 0 to tell nobody."},
	{"queue.on_expiry", OPTION_CHOICE, "what to do", NO_RANGE, "hold", ON_RELOAD,
	 AT(queue.on_expiry), on_expiry,
	 "What happens to a message whose lifetime ends while its profile is limited or stopped: hold (it "
	 "waits on, and an alert says so) or bounce (its sender is told that it failed)."},
	{"queue.notices", OPTION_CAP, "notices", NO_RANGE, "100/h", ON_RELOAD, AT(queue.notices), NULL,
	 "Notices that go to the senders of one user in any hour and any day; what is beyond is an alert "
	 "alone."},
	{"queue.notice_profile", OPTION_TEXT, "profile", 1, 255, NULL, ON_RELOAD,
	 AT(queue.notice_profile), NULL,
	 "Profile that notices go through; if absent, the one of the message that they are about."},
	{"queue.bounce", OPTION_BOOL, "yes or no", NO_RANGE, "true", ON_RELOAD, AT(queue.has_bounces),
	 NULL, "Whether senders are told of messages that could not be delivered."},
	{"queue.hold_max", OPTION_DURATION, "ms", 0, 365 * DAY, "30d", ON_RELOAD,
	 AT(queue.hold_max_ms), NULL,
	 "How long a client may ask a message to be held before it is sent; 0 to refuse it."},
	{"queue.lower_share", OPTION_NUMBER, "percent", 0, 50, "10", ON_RELOAD,
	 AT(queue.lower_share), NULL,
	 "Of the messages that a profile sends while lower priorities wait, how many go to those."},
	{"queue.memory", OPTION_SIZE, "bytes", MIB, 64 * GIB, "24M", ON_RELOAD, AT(queue.memory_bytes),
	 NULL, "Memory for messages that wait to be sent; what is beyond it is read back from disk."},
	{"queue.reserve", OPTION_SIZE, "bytes", 0, 1024 * GIB, "64M", ON_RESTART,
	 AT(queue.reserve_bytes), NULL,
	 "Room on state_dir's file system that is kept back, and given up when the disk is full, so that "
	 "what is queued can still leave; 0 to keep none."},

	{"history.keep", OPTION_DURATION, "ms", 0, 400 * DAY, "30d", ON_RELOAD, AT(history.keep_ms),
	 NULL, "How long it can be asked what became of a message, from when it was accepted; 0 keeps nothing."},
	{"history.stats_keep", OPTION_DURATION, "ms", 0, 3650 * DAY, "365d", ON_RELOAD,
	 AT(history.stats_keep_ms), NULL, "How long the statistics of an hour are kept."},

	{"sender_authorization", OPTION_CHOICE, "what to do", NO_RANGE, "block", ON_RELOAD,
	 AT(sender_authorization), unauthorized,
	 "What happens to a message with an unauthorized sender in lists that don't say it themselves."},
	{"drop_headers", OPTION_HEADERS, "names", NO_RANGE, "Bcc Resent-Bcc Return-Path", ON_RELOAD,
	 AT(drop_headers), NULL, "Header fields that are taken out of every message; Date and Message-ID are then made anew."},

	{"providers", OPTION_PATH, "path", PATH_BYTES, NULL, ON_RELOAD, AT(providers), NULL,
	 "File with providers of your own, in the form of the providers.conf that is installed; one of "
	 "the same name replaces that there."},
	{"signature.text", OPTION_LINES, "text", 1, SIGNATURE_BYTES, NULL, ON_RELOAD, AT(signature.text),
	 NULL, "Text that goes under the plain text of every message, below its profile's own; none if absent. "
	 "\"@FILE\" names a file that has it."},
	{"signature.html", OPTION_LINES, "text", 1, SIGNATURE_BYTES, NULL, ON_RELOAD, AT(signature.html),
	 NULL,
	 "The same for HTML: what stands inside of a page's body; if absent, HTML gets signature.text."},

	{"alerts.interval", OPTION_DURATION, "ms", SECOND, 30 * DAY, "1h", ON_RELOAD,
	 AT(alerts.interval_ms), NULL,
	 "Alerts of one kind, user and address within this time are one alert with a count."},
	{"alerts.to", OPTION_REFUSED, "", NO_RANGE, NULL, ON_RELOAD, 0, NULL, ""},
	{"alerts.webhook", OPTION_REFUSED, "", NO_RANGE, NULL, ON_RELOAD, 0, NULL, ""},
	{"control.http", OPTION_REFUSED, "", NO_RANGE, NULL, ON_RELOAD, 0, NULL, ""},

	{"log.target", OPTION_CHOICE, "where", NO_RANGE, "journal", ON_RESTART, AT(log.target),
	 log_targets, "Where the log goes."},
	{"log.level", OPTION_CHOICE, "level", NO_RANGE, "info", ON_RELOAD, AT(log.level), log_levels,
	 "The least important lines that are logged."},
	{"drain", OPTION_DURATION, "ms", SECOND, HOUR, "90s", ON_RELOAD, AT(drain_ms), NULL,
	 "How long a stop waits for what is under way."},
	{NULL, OPTION_REFUSED, NULL, NO_RANGE, NULL, ON_RELOAD, 0, NULL, NULL}};
/* clang-format on */

const struct option *
option_find(const char *path)
{
	for (const struct option *option = options; option->path != NULL; option++)
		if (strcmp(option->path, path) == 0)
			return option;
	return NULL;
}

bool
option_is_group(const char *path)
{
	size_t size = strlen(path);

	for (const struct option *option = options; option->path != NULL; option++)
		if (strncmp(option->path, path, size) == 0 && option->path[size] == '.')
			return true;
	return false;
}

bool
option_is_element(const struct option *option)
{
	return strncmp(option->path, "listeners.", strlen("listeners.")) == 0 ||
	       strncmp(option->path, "trusted.", strlen("trusted.")) == 0 ||
	       strncmp(option->path, "tls.certificates.", strlen("tls.certificates.")) == 0;
}
