/*
 * values - the small vocabularies that several roles share in messages and in the config
 *
 * The numbers travel between processes of one build only; what is stored on disk uses the names.
 */
#ifndef POSTERN_CORE_VALUES_H
#define POSTERN_CORE_VALUES_H

#include <stdint.h>

/* Bytes of one body that may be on the way between two roles. */
#define STREAM_CREDIT (256u * 1024)

/* Of an attempt's dialogue that is reported. */
#define TRANSCRIPT_BYTES (64u * 1024)

#define TLS_EXPORTER_SIZE 32
#define TLS_UNIQUE_MAX 64

/* The channel bindings of a TLS session, for SCRAM. */
struct tls_binding {
	uint8_t exporter[TLS_EXPORTER_SIZE]; /* tls-exporter (RFC 9266) */
	uint8_t unique[TLS_UNIQUE_MAX];      /* tls-unique (RFC 5929), before TLS 1.3 */
	uint32_t unique_size;                /* 0: there is none */
};

/* The largest signature, in its octets. */
#define SIGNATURE_BYTES (64u * 1024)

/* Certificates with their keys that one config may name. */
#define TLS_PAIRS_MAX 100

/* What the parent reads for others (FILE). */
enum file_kind {
	FILE_TLS_CERTIFICATE, /* PEM, with its chain, several by index: smtpd */
	FILE_TLS_KEY,         /* PEM, of the certificate with the same index: smtpd */
	FILE_TLS_CA,          /* PEM, our own CA's certificate, empty if not in use: control */
	FILE_TICKET_KEYS,     /* see core/tls_tickets.h, the same for all smtpds: smtpd */
	FILE_SEAL_KEY,        /* 32 bytes: accounts */
	FILE_SYSTEM_CAS,      /* PEM bundle: relay */
	FILE_RESOLV_CONF,     /* relay */
	FILE_HOSTS,           /* relay */
	FILE_PROVIDERS,       /* those that come along, empty if they are not there: accounts */
	FILE_OWN_PROVIDERS,   /* the config's, empty if it names none: accounts */
	FILE_REPLIES,         /* rules for replies, an operator's own; empty: none: relay */
	FILE_KIND_COUNT
};

/* What became of a recipient in an attempt. */
enum fate {
	FATE_DELIVERED,
	FATE_DEFERRED,  /* try again later */
	FATE_FAILED,    /* for good */
	FATE_UNCERTAIN, /* the connection broke between the final dot and its reply */
	FATE_UNTRIED,   /* the upstream takes only so many at a time: its turn is next */
	FATE_HELD       /* deferred, until an operator lets the message go again */
};

/* How an attempt ended. Anything but `attempted` is the profile's problem: no recipient's fate
 * changes, no attempt is counted, the mail waits. */
enum attempt_outcome {
	ATTEMPT_ATTEMPTED,
	ATTEMPT_CANCELLED,     /* the queue or the drain took it back; nothing is wrong */
	ATTEMPT_UNREACHABLE,   /* name, connect, greeting, EHLO, timeouts before MAIL */
	ATTEMPT_TLS,           /* no TLS, or a certificate that was not accepted */
	ATTEMPT_AUTH_REFUSED,  /* 5xx at AUTH: an operator must act */
	ATTEMPT_AUTH_LATER,    /* 4xx at AUTH */
	ATTEMPT_MISCONFIGURED, /* what the profile asks for can't be done; see reason */
	ATTEMPT_PUT_OFF,       /* the account may send nothing for now; the class says why */
	ATTEMPT_SPLIT /* it takes fewer recipients at a time: again at once, nothing is wrong */
};

/* What becomes of From: and Reply-To: where a profile has its own. */
enum from_policy {
	FROM_SUPPLY, /* they take the place of what is missing */
	FROM_REPLACE /* they hold whatever the message says */
};

/* What became of a message that was to be changed. */
enum rework_outcome {
	REWORK_DONE,
	REWORK_CANT_CONVERT /* to 7 bits, without breaking it: see remark */
};

/* Which notices the client wants for a recipient (RFC 3461 4.1). */
enum dsn_notify {
	NOTIFY_UNSAID = 0, /* of failures, as ever */
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};

/* How much of the message a failure notice gives back (RFC 3461 4.3). */
enum dsn_ret { RET_UNSAID, RET_FULL, RET_HDRS };

enum intake_state { INTAKE_OPEN, INTAKE_DISK_FULL, INTAKE_CLOSED };

enum commit_outcome {
	COMMIT_STORED,
	COMMIT_DISK_FULL, /* 452 4.3.1 */
	COMMIT_FAILED,    /* 451 4.3.0 */
	COMMIT_LIMITED    /* 450 4.7.1: the user's limit */
};

enum sasl_outcome {
	SASL_CONTINUE, /* send the token as a challenge */
	SASL_DONE,
	SASL_FAILED,      /* 535: wrong credentials, unknown or inactive user, aborted */
	SASL_TEMPORARY,   /* 454: overloaded, or the database is away */
	SASL_MALFORMED,   /* 501: a token that can't be read */
	SASL_UNSUPPORTED, /* 504: no such mechanism */
	SASL_USER_FULL,   /* 421: the user has as many connections as it may */
	SASL_SHUT_OUT     /* 421: the address is shut out, and the login isn't known there */
};

/* Whether a client may stay. */
enum admission {
	ADMISSION_GRANTED,
	ADMISSION_FULL,        /* limits.connections */
	ADMISSION_CLIENT_FULL, /* limits.connections_per_client */
	ADMISSION_SHUT_OUT     /* limits.guesses */
};

/* Which sides of a message a user's senders are held against. */
enum check_sides { CHECK_BOTH, CHECK_ENVELOPE, CHECK_HEADER };

enum unauthorized_action { UNAUTHORIZED_BLOCK, UNAUTHORIZED_ALERT };

/* What becomes of a message that is over its user's limit. */
enum over_limit { OVER_LIMIT_DEFAULT, OVER_LIMIT_REFUSE, OVER_LIMIT_HOLD };

enum route_row { ROUTE_BEGIN, ROUTE_PROFILE, ROUTE_USER, ROUTE_LIST, ROUTE_END, ROUTE_SENDER };

/* Of a listener. */
enum listener_tls { LISTENER_NONE, LISTENER_STARTTLS, LISTENER_IMPLICIT, LISTENER_AUTO };

/* Of a profile. */
#define PROFILE_HOSTS_MAX 8

enum profile_tls { PROFILE_NONE, PROFILE_OPPORTUNISTIC, PROFILE_STARTTLS, PROFILE_IMPLICIT };

/* How a profile comes to its access tokens (RFC 6749; 8628; 7523). */
enum oauth_grant {
	GRANT_NONE, /* it has no OAuth2 */
	GRANT_REFRESH,
	GRANT_CLIENT,
	GRANT_DEVICE, /* as `refresh`, once somebody has logged in */
	GRANT_SERVICE_ACCOUNT
};

#define OAUTH_REFRESH_TOKEN_MAX 8192

/* What became of a refresh token that relay gave to accounts. */
enum token_stored {
	TOKEN_KEPT,
	TOKEN_SUPERSEDED, /* another one is stored than it was to replace */
	TOKEN_UNWANTED    /* there is no such profile any more, or it has no use for one */
};

/* Which deliveries leave their dialogue behind. */
enum transcript_policy { TRANSCRIPT_NEVER, TRANSCRIPT_FAILURE, TRANSCRIPT_ALWAYS };

enum tls_verify { VERIFY_NAME, VERIFY_OFF, VERIFY_FINGERPRINT };

enum tls_version { TLS_VERSION_1_0, TLS_VERSION_1_1, TLS_VERSION_1_2, TLS_VERSION_1_3 };

#endif
