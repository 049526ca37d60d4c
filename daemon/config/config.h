/*
 * config - one immutable snapshot of the configuration
 *
 * Owns     everything it points to; shared by counting
 * Units    *_ms milliseconds, *_bytes bytes
 *
 * The table in table.c has one row for each option; load.c fills this struct from it. A reload
 * builds a whole new snapshot or changes nothing.
 */
#ifndef POSTERN_CONFIG_CONFIG_H
#define POSTERN_CONFIG_CONFIG_H

#include "common/cap.h"
#include "common/err.h"
#include "common/log.h"
#include "daemon/core/values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct port_range {
	uint16_t first, last;
};

struct config_listener {
	char *address;            /* "*" is IPv4 and IPv6 */
	struct port_range *ports; /* with the excluded ones taken out */
	size_t port_count;        /* of ranges */
	enum listener_tls tls;
	enum tls_version min_version;
	bool is_required;
};

struct config_networks {
	struct config_network {
		uint8_t address[16];  /* IPv4 as ::ffff:a.b.c.d */
		unsigned prefix_bits; /* of 128 */
	} * items;
	size_t count;
};

struct config_trusted {
	char *network;        /* as written */
	uint8_t address[16];  /* IPv4 as ::ffff:a.b.c.d */
	unsigned prefix_bits; /* of 128 */
	char *user;
};

/* A certificate and its key. */
struct config_pair {
	char *certificate, *key;
	char *
	    place; /* "FILE:LINE" of a group in tls.certificates; NULL: tls.certificate and tls.key */
};

enum auth_without_tls { AUTH_CLEAR_NEVER, AUTH_CLEAR_LOOPBACK, AUTH_CLEAR_ALWAYS };
/* Of what waits beyond its lifetime for a profile that takes nothing. */
enum on_expiry { ON_EXPIRY_HOLD, ON_EXPIRY_BOUNCE };
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_JOURNAL };

#define CONFIG_RETRY_MAX 32
/* Of each waiting time between attempts. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS (INT64_C(7) * 24 * 60 * 60 * 1000)
#define SMTPD_PROCESSES_MAX 64

/* Where an option was set. */
struct config_place {
	const char *path; /* of the option, "tls.key" */
	char *file;
	unsigned line;
};

struct config {
	unsigned references;
	uint32_t generation;

	char *file; /* that it was read from */
	struct config_place *places;
	size_t place_count;

	char *hostname;
	char *state_dir, *run_dir, *capture_dir;
	char *user, *net_user, *admin_group;
	unsigned smtpd_processes; /* 0: one for each CPU; config_smtpd_processes() */

	struct config_listener *listeners;
	size_t listener_count;
	struct config_trusted *trusted;
	size_t trusted_count;
	struct config_networks refused;

	struct {
		char *certificate, *key;   /* NULL: our own CA, or `pairs` has them all */
		struct config_pair *pairs; /* of tls.certificate, then of tls.certificates */
		size_t pair_count;         /* 0: our own CA */
		int64_t ticket_rotation_ms;
		enum tls_version min_version;
		int64_t auto_wait_ms, implicit_wait_ms; /* for the first byte of TLS */
	} tls;

	struct {
		char *mechanisms; /* upper case, separated by one blank */
		enum auth_without_tls without_tls;
		bool legacy_line, after_helo;
	} auth;

	struct {
		uint64_t message_size_bytes;
		unsigned recipients;
		unsigned connections;            /* in all */
		unsigned connections_per_client; /* of one netaddr_origin(); 0: no limit */
		unsigned connections_per_user;   /* 0: no limit */
		uint64_t header_size_bytes;
		unsigned header_fields;
		uint64_t header_line_length;
		uint64_t line_length;
		unsigned received_headers; /* more are a loop */
		int64_t command_timeout_ms;
		int64_t data_timeout_ms;
		uint64_t data_rate_bytes; /* a second; 0: no limit */
		int64_t tls_timeout_ms;   /* of the handshake */
		int64_t session_time_ms;
		unsigned idle_commands; /* in a row, without a message that was taken */
		unsigned guesses;       /* of one netaddr_origin(); 0: no limit */
		int64_t guess_window_ms, shut_out_ms;
		unsigned auth_failures;    /* in one session */
		unsigned errors;           /* in one session */
		uint64_t free_space_bytes; /* of the state directory; below it 452 4.3.1 */
		struct cap user_messages;  /* of users without their own */
		struct cap user_recipients;
		enum over_limit over_limit;
	} limits;

	struct {
		int64_t lifetime_ms;
		int64_t retry_ms[CONFIG_RETRY_MAX]; /* the last one repeats */
		size_t retry_count;
		int64_t hold_max_ms;      /* how long a client may have a message held; 0: not */
		bool has_bounces;         /* queue.bounce */
		int64_t delay_warning_ms; /* 0: senders hear of no delay */
		enum on_expiry on_expiry;
		struct cap notices;     /* to the senders of one user */
		char *notice_profile;   /* NULL: the one that the message went through */
		unsigned lower_share;   /* percent; 0: lower priorities wait for all higher ones */
		uint64_t memory_bytes;  /* bodies that wait in memory for relay */
		uint64_t reserve_bytes; /* given up when the disk is full; 0: none */
	} queue;

	struct {
		int64_t keep_ms;       /* what became of messages */
		int64_t stats_keep_ms; /* statistics */
	} history;

	enum unauthorized_action sender_authorization;
	char **drop_headers; /* NULL-terminated, as written */
	char *providers;     /* a file with presets of one's own; NULL: none */

	struct {
		char *text, *html; /* NULL: none */
	} signature;

	struct {
		int64_t interval_ms;
	} alerts;

	struct {
		enum log_target target;
		enum log_level level;
	} log;

	int64_t drain_ms; /* how long SIGTERM waits in all */
};

/* Reads and checks a file. On failure -1 and *err_out as `FILE:LINE: what is wrong and what is
 * allowed`. `*text_out` (caller frees; may be NULL) is the whole config in libconfig's form with
 * includes resolved, for config_parse(). */
int config_load(const char *path, struct config **config_out, char **text_out, struct err *err_out);
/* From a text that config_load() made, or a test's. Opens no file. */
int config_parse(const char *text, size_t size, struct config **config_out, struct err *err_out);

struct config *config_hold(const struct config *config);
void config_release(const struct config *config); /* NULL is allowed */

/* For what is found to be wrong with a value that was read: puts `FILE:LINE: path: ` before the
 * text (`FILE: path: ` if the file doesn't set the option), and is -1. */
int config_blame(const struct config *config, const char *path, struct err *err_out);

/* The user that clients with this address (16 octets, IPv4 mapped) are without a login, or NULL.
 * The network with the longest prefix decides; of equal ones the first. */
const char *config_trusted_user(const struct config *config, const uint8_t address[static 16]);

/* Whether auth.mechanisms has it; upper case. */
bool config_has_mechanism(const struct config *config, const char *mechanism);

/* The same for a pair; `option` is "certificate" or "key". */
int config_blame_pair(const struct config *config, const struct config_pair *pair,
    const char *option, struct err *err_out);

/* Whether clients from there get no service at all. */
bool config_refuses(const struct config *config, const uint8_t address[static 16]);

unsigned config_smtpd_processes(const struct config *config);
/* The first port of the first listener of this kind, or 0. */
unsigned config_port_with(const struct config *config, enum listener_tls tls);

/* Whether `next` may replace `now` while the daemon runs. If not: -1, and *err_out names the
 * options that only a restart can change. */
int config_check_reload(const struct config *now, const struct config *next, struct err *err_out);

#endif
