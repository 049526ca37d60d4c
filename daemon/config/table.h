/*
 * table - one row for each option of the config
 *
 * Role     the loader, `posternd -n`, scripts/check-docs and the unit tests walk it
 * Owns     nothing: constant data
 *
 * A path is the key as libconfig nests it, "queue.lifetime". The rows of a list's elements bear
 * the list's name: "listeners.address" is the field of each listener. Their targets are in struct
 * listener_row, struct trusted_row and struct config_pair, all others in struct config.
 */
#ifndef POSTERN_CONFIG_TABLE_H
#define POSTERN_CONFIG_TABLE_H

#include "daemon/config/config.h"

enum option_type {
	OPTION_BOOL,     /* bool */
	OPTION_NUMBER,   /* unsigned */
	OPTION_DURATION, /* int64_t */
	OPTION_SIZE,     /* uint64_t */
	OPTION_CAP,      /* struct cap */
	OPTION_CHOICE,   /* an enum; see choices */
	OPTION_PATH,     /* char *, absolute; minimum and maximum are its length */
	OPTION_HOSTNAME, /* char * */
	OPTION_ACCOUNT,  /* char *, a user or group of the system */
	OPTION_TEXT,     /* char *, printable; minimum and maximum are its length */
	OPTION_LINES,    /* char *, text of one or more lines; minimum and maximum are its length */
	OPTION_ADDRESS,  /* char *, "*" or an IP address */
	OPTION_PORTS,    /* char *, as unit_ports() reads it */
	OPTION_NETWORK,  /* char *, as netaddr_parse_network() reads it */
	OPTION_NETWORKS, /* struct config_networks, with blanks between them */
	OPTION_SCHEDULE, /* config.queue: durations with blanks between them */
	OPTION_HEADERS,  /* char **, names of header fields with blanks between them */
	OPTION_MECHANISMS, /* char *, upper case; see choices */
	OPTION_LISTENERS,  /* the list of groups */
	OPTION_TRUSTED,    /* the list of groups */
	OPTION_PAIRS,      /* the list of groups */
	OPTION_REFUSED     /* belongs to postern, but not to this version: an error */
};

enum option_effect { ON_RELOAD, ON_RESTART };

struct option_choice {
	const char *name; /* NULL ends the list */
	unsigned value;
	bool is_refused; /* not in this version */
};

struct option {
	const char *path;
	enum option_type type;
	const char *unit; /* what the field counts: ms, bytes, … */
	int64_t minimum, maximum;
	const char *fallback; /* the default as one writes it; NULL: see help */
	enum option_effect effect;
	size_t target; /* offset of the field */
	const struct option_choice *choices;
	const char *help;
};

/* Ends with a row whose path is NULL. */
extern const struct option options[];

/* A listener and a trusted network while they are read. */
struct listener_row {
	struct config_listener listener;
	char *ports, *exclude;
};
struct trusted_row {
	struct config_trusted trusted;
};

/* NULL if there is no such row. */
const struct option *option_find(const char *path);
/* Whether `path` is a group of options, as "queue". */
bool option_is_group(const char *path);
/* Whether the row belongs to the elements of a list, as "listeners.tls". */
bool option_is_element(const struct option *option);

/* Checks `text` and stores it in the field of `base`, freeing what was there. On failure *err_out
 * says what is allowed ("must be …") and nothing has changed. */
int option_set(const struct option *option, void *base, const char *text, struct err *err_out);
/* What is allowed, as in "must be …". */
void option_allowed(const struct option *option, struct err *text_out);

#endif
