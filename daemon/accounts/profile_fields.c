/* profile_fields - the fields of a profile, each with what it may be. */
#include "common/buf.h"
#include "common/choosing.h"
#include "common/mailaddr.h"
#include "common/rate.h"
#include "common/xalloc.h"
#include "daemon/accounts/profile.h"
#include "daemon/accounts/profile_hosts.h"
#include "daemon/accounts/profile_oauth.h"
#include "daemon/config/sense.h"
#include "daemon/config/units.h"

#include <ctype.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FINGERPRINT_DIGITS 64 /* SHA-256 */
#define CA_SIZE_MAX 65536
#define AVAILABLE_SIZE_MAX 4096
#define HOUR_MS (60 * 60 * 1000)

/* yes, no, or a SHA-256 fingerprint in hex, which is kept in lower case without colons. */
static int
normalise_verify(char **text, struct err *err_out)
{
	struct buf digits;
	const char *at = *text;
	bool is_hex = true;

	if (strcasecmp(at, "yes") == 0 || strcasecmp(at, "no") == 0) {
		(*text)[0] = (char)tolower((unsigned char)(*text)[0]);
		for (char *c = *text; *c != '\0'; c++)
			*c = (char)tolower((unsigned char)*c);
		return 0;
	}
	buf_init(&digits);
	if (strncasecmp(at, "sha256:", 7) == 0)
		at += 7;
	for (; *at != '\0'; at++) {
		is_hex = is_hex && (*at == ':' || isxdigit((unsigned char)*at));
		if (*at != ':')
			buf_char(&digits, (char)tolower((unsigned char)*at));
	}
	if (!is_hex || digits.size != FINGERPRINT_DIGITS) {
		buf_fini(&digits);
		return err_set(err_out, "must be yes, no, or the SHA-256 fingerprint of the "
					"certificate (64 hex digits, colons allowed)");
	}
	free(*text);
	*text = buf_give(&digits);
	return 0;
}

static int
check_ca(char **text, struct err *err_out)
{
	BIO *bio = BIO_new_mem_buf(*text, -1);
	X509 *certificate;
	int count = 0;

	ensure(bio != NULL);
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		X509_free(certificate);
		count++;
	}
	ERR_clear_error();
	BIO_free(bio);
	return count > 0 ? 0 : err_set(err_out, "there is no certificate (PEM) in it");
}

/* The argument of EHLO: any printable word (RFC 5321 asks for a name, hosts take others). */
static int
check_word(char **text, struct err *err_out)
{
	for (const char *at = *text; *at != '\0'; at++)
		if (!isgraph((unsigned char)*at))
			return err_set(err_out, "must be printable ASCII without blanks");
	return 0;
}

static int
check_user_name(char **text, struct err *err_out)
{
	for (const char *at = *text; *at != '\0'; at++)
		if (iscntrl((unsigned char)*at))
			return err_set(err_out, "control characters are not allowed");
	return 0;
}

static int
normalise_rate(char **text, struct err *err_out)
{
	char buffer[RATE_TEXT_SIZE];
	struct rate rate;

	if (rate_parse(*text, &rate, err_out) != 0)
		return -1;
	free(*text);
	*text = xstrdup(rate_format(&rate, buffer));
	return 0;
}

static int
check_retry(char **text, struct err *err_out)
{
	int64_t times[CONFIG_RETRY_MAX];
	size_t count;

	if (unit_schedule(*text, RETRY_MIN_MS, RETRY_MAX_MS, times, &count) == 0)
		return 0;
	return err_set(err_out,
	    "must be 1 to %d durations from \"100ms\" to \"7d\" with blanks between them, as "
	    "\"1m 5m 1h\"",
	    CONFIG_RETRY_MAX);
}

/* A mailbox, kept without what its grammar allows around it. */
static int
normalise_mailbox(char **text, struct err *err_out)
{
	struct mailaddr address;

	if (mailaddr_parse(*text, strlen(*text), &address, err_out) != MAILADDR_OK)
		return -1;
	if (!mailaddr_is_ascii(&address))
		return err_set(err_out, "must be ASCII: not every upstream takes UTF-8");
	free(*text);
	*text = xstrdup(address.text);
	return 0;
}

static int
normalise_available(char **text, struct err *err_out)
{
	char *items;

	if (available_parse(*text, &items, err_out) != 0)
		return -1;
	free(*text);
	*text = items;
	return 0;
}

/* Lines of text. */
static int
check_lines(char **text, struct err *err_out)
{
	for (const char *at = *text; *at != '\0'; at++)
		if (((unsigned char)*at < ' ' && strchr("\t\r\n", *at) == NULL) || *at == 0x7f)
			return err_set(err_out, "control characters are not allowed");
	return 0;
}

/* It goes into a page that is there already. */
static int
check_html(char **text, struct err *err_out)
{
	return sense_check_html(*text, err_out) == 0 ? check_lines(text, err_out) : -1;
}

/* One folder below capture_dir. */
static int
check_capture(char **text, struct err *err_out)
{
	if (**text == '.')
		return err_set(err_out, "must not begin with a dot");
	for (const char *at = *text; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
			return err_set(err_out, "is a folder below capture_dir: only letters, "
						"digits and . _ - are allowed");
	return 0;
}

static const char *const tls_modes[] = {"none", "opportunistic", "starttls", "implicit", NULL};
static const char *const tls_versions[] = {"1.0", "1.1", "1.2", "1.3", NULL};
static const char *const auth_methods[] = {"none", "auto", "plain", "login", "cram-md5",
    "scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus", "ntlm", "msn",
    "ntlm-v1", "external", "anonymous", "xoauth2", "oauthbearer", NULL};
static const char *const pop3_tls_modes[] = {"none", "stls", "implicit", NULL};
static const char *const pop3_methods[] = {
    "none", "login", "apop", "plain", "cram-md5", "ntlm", "msn", "ntlm-v1", NULL};
/* In the order of enum transcript_policy. */
static const char *const transcripts[] = {"never", "failure", "always", NULL};
static const char *const uncertain[] = {"retry", "hold", NULL};
/* In the order of enum from_policy. */
static const char *const from_policies[] = {"supply", "replace", NULL};
static const char *const extra[] = {"password", "client_key", "pop3_password", "default",
    "oauth_client_secret", "oauth_key", "oauth_refresh_token", NULL};
static const char *const not_built[] = {NULL};

#define FIELD(field, kind, ...)                                                                    \
	{                                                                                          \
		.name = #field, .type = (kind), .offset = offsetof(struct profile, field),         \
		__VA_ARGS__                                                                        \
	}

static const struct field fields[] = {
    FIELD(name, FIELD_TEXT, .max = 100, .flags = FIELD_ONLY_AT_ADD, .normalise = check_name),
    {.name = "default",
	.type = FIELD_BOOL,
	.flags = FIELD_READ_ONLY,
	.offset = offsetof(struct profile, is_default)},
    FIELD(paused, FIELD_BOOL, .flags = FIELD_READ_ONLY),
    FIELD(version, FIELD_NUMBER, .flags = FIELD_HIDDEN),
    FIELD(provider, FIELD_TEXT, .max = 40, .flags = FIELD_UPSTREAM),
    FIELD(host, FIELD_TEXT, .max = PROFILE_HOSTS_BYTES, .flags = FIELD_SEVERAL | FIELD_UPSTREAM,
	.normalise = profile_normalise_hosts),
    FIELD(port, FIELD_NUMBER, .min = 1, .max = 65535, .flags = FIELD_DEFAULTED | FIELD_UPSTREAM),
    FIELD(tls, FIELD_TEXT, .max = 16, .choices = tls_modes, .flags = FIELD_UPSTREAM),
    FIELD(tls_min, FIELD_TEXT, .max = 16, .choices = tls_versions, .flags = FIELD_UPSTREAM),
    FIELD(tls_max, FIELD_TEXT, .max = 16, .choices = tls_versions, .flags = FIELD_UPSTREAM),
    FIELD(
	tls_verify, FIELD_TEXT, .max = 128, .normalise = normalise_verify, .flags = FIELD_UPSTREAM),
    FIELD(ca, FIELD_TEXT, .max = CA_SIZE_MAX, .normalise = check_ca, .flags = FIELD_UPSTREAM),
    FIELD(client_certificate, FIELD_TEXT, .max = CA_SIZE_MAX, .normalise = check_ca,
	.flags = FIELD_UPSTREAM),
    FIELD(client_key, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
    FIELD(auth, FIELD_TEXT, .max = 32, .choices = auth_methods, .flags = FIELD_UPSTREAM),
    FIELD(username, FIELD_TEXT, .max = 255, .normalise = check_user_name, .flags = FIELD_UPSTREAM),
    FIELD(auth_worked, FIELD_TEXT, .flags = FIELD_READ_ONLY, .max = 32),
    FIELD(auth_in_clear, FIELD_BOOL, .flags = FIELD_UPSTREAM),
    FIELD(password, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
    FIELD(ehlo, FIELD_TEXT, .max = 255, .normalise = check_word, .flags = FIELD_UPSTREAM),
    FIELD(timeout, FIELD_SECONDS, .min = 1000, .max = HOUR_MS, .flags = FIELD_DEFAULTED),
    FIELD(dot_timeout, FIELD_SECONDS, .min = 1000, .max = HOUR_MS, .flags = FIELD_DEFAULTED),
    FIELD(connections, FIELD_NUMBER, .min = 1, .max = 1000, .flags = FIELD_DEFAULTED),
    FIELD(rate, FIELD_TEXT, .max = RATE_TEXT_SIZE - 1, .normalise = normalise_rate),
    FIELD(recipient_rate, FIELD_TEXT, .max = RATE_TEXT_SIZE - 1, .normalise = normalise_rate),
    FIELD(bandwidth, FIELD_SIZE, .min = 1024, .max = INT64_C(1) << 40),
    FIELD(reserve, FIELD_PERCENT, .max = 90),
    FIELD(spread, FIELD_BOOL),
    FIELD(connection_rate, FIELD_TEXT, .max = RATE_TEXT_SIZE - 1, .normalise = normalise_rate),
    FIELD(messages_per_connection, FIELD_NUMBER, .min = 1, .max = 1000000,
	.flags = FIELD_DEFAULTED | FIELD_ENDLESS),
    FIELD(recipients_per_message, FIELD_NUMBER, .min = 1, .max = 10000,
	.flags = FIELD_DEFAULTED | FIELD_ENDLESS),
    FIELD(retry, FIELD_TEXT, .max = 511, .normalise = check_retry),
    FIELD(uncertain, FIELD_TEXT, .max = 16, .choices = uncertain),
    FIELD(transcript, FIELD_TEXT, .max = 16, .choices = transcripts),
    FIELD(bounce_sender, FIELD_TEXT, .max = MAILADDR_SIZE - 1, .normalise = normalise_mailbox),
    FIELD(from, FIELD_TEXT, .max = MAILADDR_SIZE - 1, .normalise = normalise_mailbox),
    FIELD(available, FIELD_ITEMS, .max = AVAILABLE_SIZE_MAX, .normalise = normalise_available),
    FIELD(fallback, FIELD_TEXT, .max = 100),
    FIELD(from_name, FIELD_TEXT, .max = 255, .normalise = check_user_name),
    FIELD(from_policy, FIELD_TEXT, .max = 16, .choices = from_policies),
    FIELD(reply_to, FIELD_TEXT, .max = MAILADDR_SIZE - 1, .normalise = normalise_mailbox),
    FIELD(envelope_sender, FIELD_TEXT, .max = MAILADDR_SIZE - 1, .normalise = normalise_mailbox),
    FIELD(signature_text, FIELD_TEXT, .max = SIGNATURE_BYTES, .normalise = check_lines),
    FIELD(signature_html, FIELD_TEXT, .max = SIGNATURE_BYTES, .normalise = check_html),
    FIELD(
	fallback_after, FIELD_SECONDS, .min = 1000, .max = 24 * HOUR_MS, .flags = FIELD_DEFAULTED),
    FIELD(overflow, FIELD_BOOL, .flags = 0),
    FIELD(pop3_host, FIELD_TEXT, .max = 255, .normalise = profile_normalise_host,
	.flags = FIELD_UPSTREAM),
    FIELD(
	pop3_port, FIELD_NUMBER, .min = 1, .max = 65535, .flags = FIELD_DEFAULTED | FIELD_UPSTREAM),
    FIELD(pop3_tls, FIELD_TEXT, .max = 16, .choices = pop3_tls_modes, .flags = FIELD_UPSTREAM),
    FIELD(pop3_tls_min, FIELD_TEXT, .max = 16, .choices = tls_versions, .flags = FIELD_UPSTREAM),
    FIELD(pop3_tls_verify, FIELD_TEXT, .max = 128, .normalise = normalise_verify,
	.flags = FIELD_UPSTREAM),
    FIELD(pop3_ca, FIELD_TEXT, .max = CA_SIZE_MAX, .normalise = check_ca, .flags = FIELD_UPSTREAM),
    FIELD(pop3_auth, FIELD_TEXT, .max = 32, .choices = pop3_methods, .flags = FIELD_UPSTREAM),
    FIELD(pop3_username, FIELD_TEXT, .max = 255, .normalise = check_user_name,
	.flags = FIELD_UPSTREAM),
    FIELD(pop3_password, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
    FIELD(pop3_valid, FIELD_SECONDS, .min = 1000, .max = 24 * HOUR_MS, .flags = FIELD_DEFAULTED),
    FIELD(capture, FIELD_TEXT, .max = 200, .normalise = check_capture, .flags = FIELD_UPSTREAM),
    FIELD(comment, FIELD_TEXT, .max = 1000),
    FIELD(oauth_grant, FIELD_TEXT, .max = 32, .choices = profile_oauth_grants,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_token_url, FIELD_TEXT, .max = 1023, .normalise = profile_check_url,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_device_url, FIELD_TEXT, .max = 1023, .normalise = profile_check_url,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_client_id, FIELD_TEXT, .max = 255, .normalise = profile_check_word,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_scope, FIELD_TEXT, .max = 1023, .normalise = profile_check_word,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_subject, FIELD_TEXT, .max = 255, .normalise = check_user_name,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_ca, FIELD_TEXT, .max = CA_SIZE_MAX - 1, .normalise = check_ca,
	.flags = FIELD_UPSTREAM),
    FIELD(oauth_client_secret, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
    FIELD(oauth_key, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
    FIELD(oauth_refresh_token, FIELD_TEXT, .flags = FIELD_HIDDEN | FIELD_UPSTREAM),
};

const struct table profile_table = {
    .name = "profile",
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .row_size = sizeof(struct profile),
    .extra = extra,
    .not_built = not_built,
};
