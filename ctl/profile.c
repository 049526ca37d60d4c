/* profile - the ways out: upstream servers and captures. */
#include "common/xalloc.h"
#include "ctl/invocation.h"
#include "ctl/nouns.h"
#include "ctl/profile_login.h"
#include "ctl/readable.h"

#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
    {"NAME", "name", COLUMN_PLAIN},
    {"DEFAULT", "default", COLUMN_PLAIN},
    {"HOST", "host", COLUMN_PLAIN},
    {"PORT", "port", COLUMN_NUMBER},
    {"TLS", "tls", COLUMN_PLAIN},
    {"AUTH", "auth", COLUMN_PLAIN},
    {"STATE", "state", COLUMN_PLAIN},
    {"WAITING", "waiting", COLUMN_NUMBER},
    {"LAST ERROR", "last_error", COLUMN_BEGINNING},
    {NULL, NULL, COLUMN_PLAIN},
};

#define PROFILE_OPTIONS                                                                            \
	{"provider", VALUE_TEXT, "P", "takes the rest from what is known of it: provider ls"},     \
	    {"host", VALUE_TEXT, "\"H;H2\"", "name or address, more to try next; or a region"},    \
	    {"port", VALUE_TEXT, "N", "default: 465 implicit, 587 starttls, else 25"},             \
	    {"tls", VALUE_TEXT, "none|opportunistic|starttls|implicit", "default: by the port"},   \
	    {"auth", VALUE_TEXT, "none|auto|METHOD", "default: auto with a user name, else none"}, \
	    {"auth-in-clear", VALUE_TEXT, "yes|no", "a password also where there is no TLS"},      \
	    {"username", VALUE_TEXT, "U", "to log in with"},                                       \
	    {"password-stdin", VALUE_STDIN, NULL, "the password is a line of stdin"},              \
	    {"ehlo", VALUE_TEXT, "NAME", "what we call ourselves; \"\": our hostname"},            \
	    {"timeout", VALUE_DURATION, "60s", "of each step from connect to AUTH"},               \
	    {"dot-timeout", VALUE_DURATION, "10m", "of the reply to a message"},                   \
	    {"tls-min", VALUE_TEXT, "1.2", "the lowest version of TLS"},                           \
	    {"tls-max", VALUE_TEXT, "1.3", "the highest version of TLS"},                          \
	    {"tls-verify", VALUE_TEXT, "yes|no|FINGERPRINT",                                       \
		"of its certificate; SHA-256 in hex"},                                             \
	    {"ca", VALUE_FILE, "FILE", "PEM; default: the system's CAs"},                          \
	    {"client-certificate", VALUE_FILE, "FILE", "PEM: what we show to servers that ask"},   \
	    {"client-key", VALUE_FILE, "FILE", "PEM: its key, without a passphrase"},              \
	    {"connections", VALUE_TEXT, "N", "at once"},                                           \
	    {"rate", VALUE_TEXT, "\"10/s 500/h\"", "messages that may go; none: no limit"},        \
	    {"recipient-rate", VALUE_TEXT, "R", "the same of recipients"},                         \
	    {"bandwidth", VALUE_TEXT, "1M", "bytes a second; 0: no limit"},                        \
	    {"reserve", VALUE_TEXT, "10%", "of the hour's and day's rates, for priorities 1, 2"},  \
	    {"spread", VALUE_TEXT, "yes|no", "evenly over the time of each rate"},                 \
	    {"connection-rate", VALUE_TEXT, "\"20/m\"", "new connections; none: no limit"},        \
	    {"messages-per-connection", VALUE_TEXT, "N", "before a new one is made"},              \
	    {"recipients-per-message", VALUE_TEXT, "N", "one with more goes in parts"},            \
	    {"retry", VALUE_TEXT, "\"1m 5m 1h\"", "default: queue.retry"},                         \
	    {"uncertain", VALUE_TEXT, "retry|hold", "what it may have taken or not"},              \
	    {"transcript", VALUE_TEXT, "never|failure|always", "dialogues to keep"},               \
	    {"bounce-sender", VALUE_TEXT, "ADDR", "of notices, where <> is refused"},              \
	    {"from-name", VALUE_TEXT, "N", "the name in From:"},                                   \
	    {"from", VALUE_TEXT, "ADDR", "the address in From:; takes its domain's mail"},         \
	    {"reply-to", VALUE_TEXT, "ADDR", "the address in Reply-To:"},                          \
	    {"from-policy", VALUE_TEXT, "supply|replace", "what is missing, or all of it"},        \
	    {"envelope-sender", VALUE_TEXT, "ADDR", "in place of every one but <>"},               \
	    {"signature-text", VALUE_LINES, "TEXT|@FILE", "goes under plain text"},                \
	    {"signature-html", VALUE_LINES, "TEXT|@FILE", "goes under HTML"},                      \
	    {"available", VALUE_ITEMS, "all|\"LIST;user:LOGIN\"", "who may use it"},               \
	    {"fallback", VALUE_TEXT, "P", "takes its mail while it can send nothing"},             \
	    {"fallback-after", VALUE_DURATION, "1m", "for so long, until then its mail waits"},    \
	    {"overflow", VALUE_YES_NO, "yes|no", "also while its own rates let nothing go"},       \
	    {"capture", VALUE_TEXT, "SUBDIR", "no host: into a Maildir below capture_dir"},        \
	    {"comment", VALUE_TEXT, "TEXT", "for internal use"},                                   \
	    {"oauth-grant", VALUE_TEXT, "refresh|client|device|service-account",                   \
		"OAuth2: how it comes to access tokens"},                                          \
	    {"oauth-token-url", VALUE_TEXT, "URL", "of the token server"},                         \
	    {"oauth-device-url", VALUE_TEXT, "URL", "where a login of a device begins"},           \
	    {"oauth-client-id", VALUE_TEXT, "ID", "of the application there"},                     \
	    {"oauth-client-secret", VALUE_SECRET, "FILE", "the application's secret"},             \
	    {"oauth-client-secret-stdin", VALUE_STDIN, NULL, "the same, a line of stdin"},         \
	    {"oauth-scope", VALUE_TEXT, "\"A B\"", "what is asked for"},                           \
	    {"oauth-subject", VALUE_TEXT, "U", "whose mailbox; default: the user name"},           \
	    {"oauth-key", VALUE_SECRET, "FILE", "a service account's key file, JSON"},             \
	    {"oauth-refresh-token", VALUE_SECRET, "FILE", "one that there is already"},            \
	    {"oauth-refresh-token-stdin", VALUE_STDIN, NULL, "the same, a line of stdin"},         \
	    {"oauth-ca", VALUE_FILE, "FILE", "PEM, of the token server; default: the system's"},   \
	    {"default", VALUE_FLAG, NULL, "serves whoever has none of its own"},                   \
	    {"pop3-host", VALUE_TEXT, "H", "a login to this POP3 server comes first"},             \
	    {"pop3-port", VALUE_TEXT, "N", "default: 995 implicit, else 110"},                     \
	    {"pop3-tls", VALUE_TEXT, "none|stls|implicit", "default: by the port"},                \
	    {"pop3-tls-min", VALUE_TEXT, "1.2", "the lowest version of TLS"},                      \
	    {"pop3-tls-verify", VALUE_TEXT, "yes|no|FINGERPRINT", "as tls-verify"},                \
	    {"pop3-ca", VALUE_FILE, "FILE", "PEM; default: that of the profile"},                  \
	    {"pop3-auth", VALUE_TEXT, "none|METHOD",                                               \
		"default: login with a user name, else none"},                                     \
	    {"pop3-username", VALUE_TEXT, "U", "default: that of the profile"},                    \
	    {"pop3-password-stdin", VALUE_STDIN, NULL, "likewise; a line of stdin"},               \
	{                                                                                          \
		"pop3-valid", VALUE_DURATION, "10m", "so long a login opens the upstream"          \
	}

static const struct option_row options[] = {PROFILE_OPTIONS, {.name = NULL}};

static const struct option_row test_options[] = {
    {"to", VALUE_TEXT, "ADDR", "send a test message to this address as well"},
    {"transcript", VALUE_FLAG, NULL, "show the whole dialogue, without secrets"},
    {.name = NULL},
};

static const struct option_row rm_options[] = {
    {"anyway", VALUE_FLAG, NULL, "although mail waits for it, which takes another way then"},
    {.name = NULL},
};

static int
run_add(struct invocation *invocation)
{
	return invocation_add(invocation, "/v1/profiles", "name");
}

static int
run_set(struct invocation *invocation)
{
	return invocation_set(invocation, "/v1/profiles/");
}

static int
run_show(struct invocation *invocation)
{
	json_t *profile = NULL;
	int status = invocation_get(invocation, "/v1/profiles/", &profile);

	if (status != STATUS_DONE)
		return status;
	if (!invocation->is_json)
		readable_profile(profile);
	status = invocation_print_record(invocation, profile);
	json_decref(profile);
	return status;
}

static int
run_rm(struct invocation *invocation)
{
	return invocation_rm(invocation, "/v1/profiles/");
}

static int
run_ls(struct invocation *invocation)
{
	return invocation_ls(invocation, "/v1/profiles", columns);
}

static int
run_default(struct invocation *invocation)
{
	return invocation_post(invocation, "/v1/profiles/", "/default");
}

static int
run_pause(struct invocation *invocation)
{
	return invocation_post(invocation, "/v1/profiles/", "/pause");
}

static int
run_resume(struct invocation *invocation)
{
	return invocation_post(invocation, "/v1/profiles/", "/resume");
}

static const char *
text_of(const json_t *result, const char *name)
{
	const char *text = json_string_value(json_object_get(result, name));

	return text == NULL ? "" : text;
}

/* As a table that isn't known to its end: a server may take minutes for a step. */
static void
print_step(const json_t *step, void *ctx)
{
	bool *has_heading = ctx;

	if (!*has_heading)
		(void)printf("%-13s  %-3s  %6s  %s\n", "STEP", "OK", "MS", "DETAIL");
	*has_heading = true;
	(void)printf("%-13s  %-3s  %6lld  ", text_of(step, "step"),
	    json_is_true(json_object_get(step, "ok")) ? "yes" : "no",
	    (long long)json_integer_value(json_object_get(step, "ms")));
	table_print_value(stdout, json_object_get(step, "detail"));
	(void)putchar('\n');
	(void)fflush(stdout);
}

static void
print_failed_hosts(const json_t *hosts)
{
	size_t i;
	json_t *host;

	json_array_foreach(hosts, i, host)(void)
	    printf("note: %s could not be used, see above; mail takes the next host meanwhile\n",
		json_string_value(host));
}

/* It can be reached, but sends nothing for now. */
static void
print_standing(const json_t *result)
{
	const json_t *standing = json_object_get(result, "standing");
	const char *state = text_of(standing, "state");
	const char *until = text_of(standing, "rate_limited_until");

	if (*state == '\0' || strcmp(state, "ok") == 0)
		return;
	(void)printf(
	    "but its mail waits: the profile is %s%s%s; posternctl profile resume %s lets it "
	    "go\n",
	    state, *until == '\0' ? "" : " until ", until, text_of(standing, "name"));
}

/* What worked, in one line. */
static void
print_success(const json_t *result)
{
	const char *host = text_of(result, "host"), *method = text_of(result, "method");
	const char *tls = text_of(result, "tls");

	if (*host == '\0') {
		(void)printf("it works: a folder of captured mail\n");
		return;
	}
	(void)printf("it works: %s port %lld, %s, ", host,
	    (long long)json_integer_value(json_object_get(result, "port")),
	    *tls == '\0' ? "no TLS" : tls);
	if (*method == '\0')
		(void)printf("no login\n");
	else
		(void)printf("%s as %s\n", method, text_of(result, "username"));
	print_failed_hosts(json_object_get(result, "failed_hosts"));
}

static void
print_failure(const json_t *result)
{
	const char *class = text_of(result, "class");
	const json_t *hints = json_object_get(result, "hints");
	size_t i;
	json_t *hint;

	if (*class != '\0')
		(void)printf("class %s, rule %s\n", class, text_of(result, "rule"));
	json_array_foreach(hints, i, hint)(void)
	    printf("%s: %s\n", text_of(result, "provider"), json_string_value(hint));
}

static void
print_test(const json_t *result)
{
	const json_t *transcript = json_object_get(result, "transcript");
	size_t i;
	json_t *line;

	json_array_foreach(transcript, i, line)(void) printf("%s\n", json_string_value(line));
	if (json_is_true(json_object_get(result, "ok"))) {
		print_success(result);
		print_standing(result);
	} else {
		print_failure(result);
	}
}

/* Where the upstream was not even reached, nothing that is known of the provider is of use. */
static bool
was_reached(const json_t *result)
{
	static const char *const before[] = {"settings", "name", "connect", "capture"};
	const json_t *steps = json_object_get(result, "steps");
	const char *last = text_of(json_array_get(steps, json_array_size(steps) - 1), "step");

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (strcmp(last, before[i]) == 0)
			return false;
	return true;
}

/* Adds what is known of the provider: what people stumble over may be what failed. */
static void
add_hints(struct invocation *invocation, json_t *result)
{
	const char *provider = text_of(result, "provider");
	json_t *known = NULL;
	char *path;

	if (*provider == '\0')
		return;
	path = xasprintf("/v1/providers/%s", provider);
	if (invocation_call(invocation, "GET", path, NULL, &known) == STATUS_DONE)
		(void)json_object_set(result, "hints", json_object_get(known, "hints"));
	json_decref(known);
	free(path);
}

/* Adds the profile as it stands: a test that works is not yet mail that goes. */
static void
add_standing(struct invocation *invocation, json_t *result)
{
	char *path = invocation_path(invocation, "/v1/profiles/", "");
	json_t *profile = NULL, *standing;

	if (invocation_call(invocation, "GET", path, NULL, &profile) == STATUS_DONE) {
		standing = json_pack("{s:O*,s:O*,s:O*}", "name", json_object_get(profile, "name"),
		    "state", json_object_get(profile, "state"), "rate_limited_until",
		    json_object_get(profile, "rate_limited_until"));
		(void)json_object_set_new(result, "standing", standing);
	}
	json_decref(profile);
	free(path);
}

/* People see each step when it is done. */
static int
call_test(struct invocation *invocation, json_t **result_out)
{
	char *path = invocation_path(invocation, "/v1/profiles/", "/test");
	json_t *fields = invocation->arguments.fields;
	bool has_heading = false;
	int status;

	if (invocation->is_json) {
		status = invocation_call(invocation, "POST", path, fields, result_out);
	} else {
		(void)json_object_set_new(fields, "progress", json_true());
		status = invocation_stream(
		    invocation, path, fields, print_step, &has_heading, result_out);
	}
	free(path);
	return status;
}

static int
run_test(struct invocation *invocation)
{
	json_t *result = NULL;
	const char *diagnosis;
	int status = call_test(invocation, &result);

	if (status != STATUS_DONE)
		return status;
	if (!json_is_true(json_object_get(result, "ok")) && was_reached(result))
		add_hints(invocation, result);
	add_standing(invocation, result);
	if (invocation->is_json)
		invocation_print_json(result);
	else
		print_test(result);
	diagnosis = json_string_value(json_object_get(result, "diagnosis"));
	if (!json_is_true(json_object_get(result, "ok")))
		status = invocation_fail(STATUS_REFUSED, "the test failed: %s",
		    diagnosis == NULL ? "see the steps" : diagnosis);
	json_decref(result);
	return status;
}

const struct command profile_commands[] = {
    {"profile", "add", "NAME", 1, 1, options, "make a way out", run_add},
    {"profile", "set", "NAME", 1, 1, options, "change a way out", run_set},
    {"profile", "show", "NAME", 1, 1, NULL, "all about a profile, but no secret", run_show},
    {"profile", "rm", "NAME", 1, 1, rm_options, "remove a profile for which no mail waits", run_rm},
    {"profile", "default", "NAME", 1, 1, NULL, "it serves whoever has none of its own",
	run_default},
    {"profile", "pause", "NAME", 1, 1, NULL, "its mail waits", run_pause},
    {"profile", "resume", "NAME", 1, 1, NULL, "goes on; forgets a limit and a stop", run_resume},
    {"profile", "ls", "", 0, 0, NULL, "all profiles and how they fare", run_ls},
    {"profile", "test", "NAME", 1, 1, test_options,
	"tries it step by step; says which setting to look at", run_test},
    {"profile", "login", "NAME", 1, 1, NULL, "OAuth2: logs in with a code, in a browser elsewhere",
	profile_login_run},
    {.noun = NULL},
};
