/* What an operator is told to do: it fits the reply, the provider and the profile. */
#include "daemon/relay/diagnosis.h"

#include "daemon/relay/hostlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PARTS_MAX 4

/* The name is one that is in no text. */
static struct profile
profile_of(const char *provider)
{
	return (struct profile){.name = "our-way",
	    .port = 587,
	    .tls = PROFILE_STARTTLS,
	    .auth_methods = 1,
	    .username = "kate@example.com",
	    .provider = (char *)(uintptr_t)provider};
}

static void
check_parts(const char *what, const char *advice, const char *const parts[PARTS_MAX])
{
	for (size_t i = 0; i < PARTS_MAX && parts[i] != NULL; i++)
		if (strstr(advice, parts[i]) == NULL)
			fail_msg("%s: no `%s` in: %s", what, parts[i], advice);
	/* Nothing was cut, and no sign was left. */
	if (strchr(".?", advice[strlen(advice) - 1]) == NULL)
		fail_msg("%s: it was cut: %s", what, advice);
	if (strstr(advice, "{p") != NULL)
		fail_msg("%s: %s", what, advice);
}

/* ---- replies, by the rules that are built in ---- */

struct reply_row {
	const char *provider;
	enum phase phase;
	uint16_t code;
	const char *enhanced, *text, *rule;
	enum reply_class class;
	const char *parts[PARTS_MAX];
};

#define NOT_ACCEPTED                                                                               \
	"Username and Password not accepted. For more information, go to "                         \
	"https://support.google.com/mail/?p=BadCredentials x - gsmtp"
#define SET "posternctl profile set our-way "
#define RESUME "posternctl profile resume our-way"

/* clang-format off */
static const struct reply_row replies[] = {
	{"gmail", PHASE_AUTH, 535, "5.7.8", NOT_ACCEPTED, "gmail-app-password", REPLY_AUTH_BAD,
	 {"myaccount.google.com/apppasswords", SET "--password-stdin", "whole address"}},
	{"", PHASE_AUTH, 535, "5.7.8", NOT_ACCEPTED, "gmail-app-password", REPLY_AUTH_BAD,
	 {"myaccount.google.com/apppasswords"}},
	{"gmail", PHASE_AUTH, 534, "5.7.9", "Application-specific password required. Learn more",
	 "app-password", REPLY_AUTH_BAD, {"app password", SET "--password-stdin"}},
	{"gmail", PHASE_AUTH, 534, "5.7.14", "Please log in via your web browser and then try again.",
	 "gmail-web-login", REPLY_AUTH_POLICY, {"by browser", SET "--password-stdin"}},
	{"gmail-relay", PHASE_MAIL, 550, "5.7.1", "Invalid credentials for relay [192.0.2.1]. The IP "
	 "address you've registered in your Workspace SMTP Relay service doesn't match",
	 "gmail-relay-address", REPLY_AUTH_BAD, {"public address", "SMTP relay service"}},
	{"gmail-relay", PHASE_MAIL, 550, "5.7.0", "Mail relay denied [192.0.2.7]. Invalid credentials "
	 "for relay for one of the domains in: x (as obtained from HELO and MAIL FROM)",
	 "gmail-relay-sender", REPLY_SENDER_DENIED, {"Workspace", SET "--ehlo"}},
	{"office365", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, SmtpClientAuthentication "
	 "is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
	 "m365-smtp-auth-off-tenant", REPLY_AUTH_POLICY, {"Set-CASMailbox", RESUME}},
	{"", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, SmtpClientAuthentication is "
	 "disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
	 "m365-smtp-auth-off-mailbox", REPLY_AUTH_POLICY, {"Authenticated SMTP", RESUME}},
	{"", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, user is locked by your "
	 "organization's security defaults policy. Contact your administrator.",
	 "m365-security-defaults", REPLY_AUTH_POLICY,
	 {SET "--oauth-grant device", "posternctl profile login our-way"}},
	{"", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, the request did not meet the "
	 "criteria to be authenticated successfully. Contact your administrator.",
	 "m365-conditional-access", REPLY_AUTH_POLICY, {"sign-in log", RESUME}},
	{"office365", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, basic authentication is "
	 "disabled.", "basic-auth-off", REPLY_AUTH_POLICY, {"OAuth", SET "--auth xoauth2"}},
	{"office365", PHASE_AUTH, 535, "5.7.139", "Authentication unsuccessful, the user credentials were "
	 "incorrect.", "m365-password", REPLY_AUTH_BAD, {"whole address", SET "--username"}},
	{"office365", PHASE_AUTH, 535, "5.7.3", "Authentication unsuccessful", "m365-password",
	 REPLY_AUTH_BAD, {SET "--username"}},
	{"office365", PHASE_MAIL, 530, "5.7.57", "Client not authenticated to send mail. Error: 535 5.7.3 "
	 "Authentication unsuccessful", "m365-login-wanted", REPLY_AUTH_BAD,
	 {SET "--username", "Authenticated SMTP"}},
	{"office365", PHASE_RCPT, 550, "5.7.64", "TenantAttribution; Relay Access Denied", "m365-connector",
	 REPLY_AUTH_POLICY, {"Connectors", SET "--provider office365"}},
	{"ses", PHASE_AUTH, 535, "", "Authentication Credentials Invalid", "ses-credentials",
	 REPLY_AUTH_BAD, {"SMTP credentials only", "access key", "region", SET "--username"}},
	{"ses", PHASE_AUTH, 535, "", "Account not subscribed to SES", "ses-not-subscribed",
	 REPLY_ACCOUNT_DISABLED, {"console", SET "--host email-smtp."}},
	{"", PHASE_DOT, 554, "", "Message rejected: Email address is not verified. The following identities "
	 "failed the check in region EU-WEST-1: a@example.com", "ses-not-verified", REPLY_SENDER_DENIED,
	 {"sandbox", "Identities", "posternctl profile show our-way"}},
	{"", PHASE_DOT, 554, "", "Access denied: User `arn:aws:iam::1:user/x' is not authorized to perform "
	 "`ses:SendRawEmail' on resource `arn:aws:ses:x'", "ses-policy", REPLY_SENDER_DENIED,
	 {"IAM", SET "--username"}},
	{"zoho", PHASE_AUTH, 535, "", "Authentication Failed", "zoho-login", REPLY_AUTH_BAD,
	 {"region", SET "--host smtp.zoho.eu"}},
	{"gmx", PHASE_AUTH, 535, "", "Authentication credentials invalid", "mailbox-shut-to-programs",
	 REPLY_AUTH_BAD, {"POP3 and IMAP", SET "--password-stdin"}},
	{"yahoo", PHASE_AUTH, 535, "5.7.0", "(#MBR1212) Incorrect username or password.",
	 "app-password-wanted", REPLY_AUTH_BAD, {"posternctl provider show yahoo", SET "--password-stdin"}},
	{"icloud", PHASE_AUTH, 535, "5.7.8", "Error: authentication failed: authentication failure",
	 "app-password-wanted", REPLY_AUTH_BAD, {"posternctl provider show icloud"}},
	{"sendgrid", PHASE_AUTH, 535, "", "Authentication failed: Bad username / password",
	 "smtp-credentials-wanted", REPLY_AUTH_BAD, {"posternctl provider show sendgrid"}},
	{"yahoo", PHASE_AUTH, 535, "5.7.0", "(#AUTH005) Too many bad auth attempts.", "logins-too-often",
	 REPLY_RATE_AUTH, {"wait"}},
	{"", PHASE_AUTH, 535, "5.7.8", "Error: authentication failed", "wrong-password", REPLY_AUTH_BAD,
	 {"TLS is fine", "look at username, password and auth", SET "--username", "before the @"}},
	{"hetzner", PHASE_AUTH, 535, "5.7.8", "Error: authentication failed", "wrong-password",
	 REPLY_AUTH_BAD, {"posternctl provider show hetzner"}},
	{"", PHASE_RCPT, 554, "5.7.1", "<b@example.net>: Relay access denied", "relay-denied", REPLY_POLICY,
	 {SET "--username", "this machine's address"}},
	{"", PHASE_RCPT, 550, "", "relay not permitted", "relay-denied", REPLY_POLICY, {SET "--username"}},
	{"", PHASE_MAIL, 553, "5.7.1", "<a@example.com>: Sender address rejected: not owned by user kate",
	 "sender-not-allowed", REPLY_SENDER_DENIED, {SET "--from ADDRESS --from-policy replace"}},
	{"", PHASE_EHLO, 504, "5.5.2", "<x>: Helo command rejected: need fully-qualified hostname",
	 "helo-name", REPLY_PROTOCOL, {SET "--ehlo"}},
	{"", PHASE_MAIL, 530, "5.7.0", "Must issue a STARTTLS command first", "tls-wanted",
	 REPLY_TLS_REQUIRED, {SET "--tls starttls"}},
	{"", PHASE_DOT, 550, "5.4.5", "Daily user sending quota exceeded. x - gsmtp", "daily-quota",
	 REPLY_QUOTA_DAILY, {"by itself", SET "--recipient-rate"}},
	{"", PHASE_GREETING, 421, "", "Too many connections", "too-many-connections", REPLY_RATE_CONN,
	 {SET "--connections 1"}},
	{"", PHASE_RCPT, 550, "5.1.1", "User unknown", "no-such-recipient", REPLY_BAD_RECIPIENT,
	 {"settings are right", "--to"}},
	{"", PHASE_RCPT, 421, "", "Closing", "by-phase", REPLY_TEMPORARY, {"settings are right"}},
	{"", PHASE_RCPT, 452, "4.2.2", "over quota", "mailbox-full", REPLY_MAILBOX_FULL,
	 {"settings are right", "--to"}},
};
/* clang-format on */

static void
test_replies(void **state)
{
	struct reply_rules *rules;
	struct err err;

	if (reply_rules_parse("none", "", 0, &rules, &err) != 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct reply_row *row = &replies[i];
		const struct classifier classifier = {.rules = rules, .provider = row->provider};
		const struct profile profile = profile_of(row->provider);
		struct client_end end = {.phase = row->phase};
		char advice[DIAGNOSIS_ADVICE_SIZE];

		reply_set(&end.reply, row->code, row->enhanced, "%s", row->text);
		end.verdict = classify_reply(&classifier, row->phase, &end.reply);
		assert_string_equal(end.verdict.rule, row->rule);
		assert_string_equal(
		    reply_class_name(end.verdict.class), reply_class_name(row->class));
		check_parts(row->text, diagnosis_advice(&profile, &end, advice, sizeof(advice)),
		    row->parts);
	}
	reply_rules_release(rules);
}

/* ---- encryption ---- */

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PIN "--tls-verify " FINGERPRINT

static const struct tls_row {
	const char *text;
	bool has_fingerprint;
	enum profile_tls tls;
	enum tls_version min, max;
	const char *parts[PARTS_MAX];
} tls_rows[] = {
    {"the certificate is for a.example, *.b.example, not for smtp.example.com", true,
	PROFILE_STARTTLS, TLS_VERSION_1_2, TLS_VERSION_1_3, {SET "--host a.example)", SET PIN}},
    {"the certificate is for *.b.example, c.example, not for smtp.example.com", true,
	PROFILE_STARTTLS, TLS_VERSION_1_2, TLS_VERSION_1_3,
	{"a name that its certificate has", PIN}},
    {"the certificate is for no host name, not for smtp.example.com", true, PROFILE_STARTTLS,
	TLS_VERSION_1_2, TLS_VERSION_1_3, {"Look at host", PIN}},
    {"the certificate was revoked on 2024-02-01, as its CA says", true, PROFILE_STARTTLS,
	TLS_VERSION_1_2, TLS_VERSION_1_3, {"other hands", "new certificate"}},
    {"the certificate expired on 2020-02-01", true, PROFILE_STARTTLS, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {"renew", PIN, "clock"}},
    {"the certificate is not valid before 2045-01-01", true, PROFILE_STARTTLS, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {"clock (date -u)", PIN}},
    {"the certificate is self-signed", true, PROFILE_STARTTLS, TLS_VERSION_1_2, TLS_VERSION_1_3,
	{"fingerprint", PIN, "--ca FILE"}},
    {"the certificate comes from an unknown CA, My CA", true, PROFILE_STARTTLS, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {PIN, "--ca FILE", "intermediate"}},
    {"the certificate has another fingerprint: " FINGERPRINT, true, PROFILE_STARTTLS,
	TLS_VERSION_1_2, TLS_VERSION_1_3, {"renewed", PIN}},
    {"the certificate has a key that is too weak (RSA, 1024 bits)", true, PROFILE_STARTTLS,
	TLS_VERSION_1_2, TLS_VERSION_1_3, {"2048", PIN}},
    {"the peer does not accept our certificate (x)", false, PROFILE_STARTTLS, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {SET "--client-certificate"}},
    {"TLS failed: tlsv1 alert protocol version", false, PROFILE_STARTTLS, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {"(1.2 to 1.3)", SET "--tls-min 1.0"}},
    {"TLS failed: unsupported protocol", false, PROFILE_STARTTLS, TLS_VERSION_1_1, TLS_VERSION_1_2,
	{"(1.1 to 1.2)", SET "--tls-max 1.3", SET "--tls-min 1.0"}},
    {"TLS failed: dh key too small", false, PROFILE_STARTTLS, TLS_VERSION_1_2, TLS_VERSION_1_3,
	{"too old", SET "--tls-min 1.0"}},
    {"the peer speaks no TLS here (wrong version number)", false, PROFILE_IMPLICIT, TLS_VERSION_1_2,
	TLS_VERSION_1_3, {"answers in clear", SET "--tls starttls"}},
    {"the peer closed the connection during the TLS handshake", false, PROFILE_STARTTLS,
	TLS_VERSION_1_2, TLS_VERSION_1_3, {"the encryption failed", SET "--port 587"}},
};

static void
test_encryption(void **state)
{
	for (size_t i = 0; i < sizeof(tls_rows) / sizeof(tls_rows[0]); i++) {
		const struct tls_row *row = &tls_rows[i];
		struct profile profile = profile_of("");
		struct client_end end = {.phase = PHASE_TLS, .verdict = classify_loss(PHASE_TLS)};
		char advice[DIAGNOSIS_ADVICE_SIZE];

		profile.tls = row->tls;
		profile.tls_min = row->min;
		profile.tls_max = row->max;
		reply_set(&end.reply, 0, "", "%s", row->text);
		if (row->has_fingerprint)
			memcpy(end.fingerprint, FINGERPRINT, sizeof(end.fingerprint));
		check_parts(row->text, diagnosis_advice(&profile, &end, advice, sizeof(advice)),
		    row->parts);
	}
}

/* The others stay where they are, and one certificate does for none of them. */
static void
test_one_of_several_hosts(void **state)
{
	static const struct {
		const char *hosts;
		enum phase phase;
		const char *text, *part, *other;
	} rows[] = {
	    {"mx.example;b.example;c.example", PHASE_TLS,
		"the certificate is for a.example, *.b.example, not for b.example (b.example); "
		"c.example: the certificate is for d.example, not for c.example",
		SET "--host mx.example,a.example,c.example)", PIN " (all its hosts need it then)."},
	    {"mx.example;b.example", PHASE_TLS,
		"the certificate is for MX.example, not for b.example", SET "--host MX.example)",
		PIN},
	    {"b.example;A.example;c.example", PHASE_TLS,
		"the certificate is for a.example, not for B.example",
		SET "--host a.example,c.example)", PIN},
	    /* It names itself as the one that was asked for. */
	    {"mx.example;b.example", PHASE_TLS,
		"the certificate is for x, not for y, not for b.example",
		"with all its hosts, x in place of the one)", PIN},
	    {"an-uncommonly-long-name-of-a-host.example;b.example;"
	     "another-uncommonly-long-name-of-a-host.example;yet-another-host.example;"
	     "the-last-uncommonly-long-name-of-a-host.example;and-one-more-behind-it.example",
		PHASE_TLS, "the certificate is for a.example, not for b.example",
		"with all its hosts, a.example in place of the one)", PIN},
	    {"a.example;mx.example", PHASE_NAME,
		"mx.example: there is no such name; a.example: connect: x",
		SET "--host a.example,smtp.example.com.", "resolv.conf"},
	    {"mx.example;a.example", PHASE_NAME, "mx.example: the name exists, but has no address",
		SET "--host smtp.mx.example,a.example, or", "provider"},
	    {"a.example;mx.example", PHASE_CONNECT, "mx.example:587: Network is unreachable",
		SET "--host a.example,NAME).", "routes"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const parts[PARTS_MAX] = {rows[i].part, rows[i].other};
		struct profile profile = profile_of("");
		struct client_end end = {.phase = rows[i].phase,
		    .verdict = classify_own(
			rows[i].phase == PHASE_TLS ? ATTEMPT_TLS : ATTEMPT_UNREACHABLE)};
		char advice[DIAGNOSIS_ADVICE_SIZE];

		profile.hosts = hostlist_new(rows[i].hosts);
		reply_set(&end.reply, 0, "", "%s", rows[i].text);
		if (rows[i].phase == PHASE_TLS)
			memcpy(end.fingerprint, FINGERPRINT, sizeof(end.fingerprint));
		check_parts(
		    rows[i].text, diagnosis_advice(&profile, &end, advice, sizeof(advice)), parts);
		hostlist_free(profile.hosts);
	}
}

/* A certificate's names are whatever somebody wrote into it: none of it becomes a command. */
static void
test_name_that_is_a_command(void **state)
{
	static const char *const names[] = {
	    "$(reboot)", "a;reboot", "`x`", "a|b", "--x", "*.b.example", "a\nb", "a'b", "a&b"};
	struct profile profile = profile_of("");
	struct client_end end = {
	    .phase = PHASE_TLS, .verdict = classify_own(ATTEMPT_TLS), .fingerprint = FINGERPRINT};
	char advice[DIAGNOSIS_ADVICE_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		reply_set(&end.reply, 0, "", "the certificate is for %s, not for b", names[i]);
		(void)diagnosis_advice(&profile, &end, advice, sizeof(advice));
		if (strstr(advice, names[i]) != NULL ||
		    strstr(advice, "call it by a name that its certificate has") == NULL)
			fail_msg("%s", advice);
	}
}

/* The same words, with the options of POP3. */
static void
test_certificate_of_the_pop3_server(void **state)
{
	static const char *const parts[PARTS_MAX] = {
	    "Look at pop3-host", SET "--pop3-host a.example", SET "--pop3-tls-verify " FINGERPRINT};
	struct profile profile = profile_of("");
	struct client_end end = {.phase = PHASE_POP3_TLS,
	    .verdict = classify_own(ATTEMPT_TLS),
	    .fingerprint = FINGERPRINT};
	char advice[DIAGNOSIS_ADVICE_SIZE];

	reply_set(&end.reply, 0, "", "the certificate is for a.example, not for b");
	check_parts("pop3", diagnosis_advice(&profile, &end, advice, sizeof(advice)), parts);
}

/* ---- before there is a dialogue ---- */

static const struct {
	enum phase phase;
	uint16_t port;
	enum profile_tls tls;
	const char *text;
	const char *parts[PARTS_MAX];
} reach_rows[] = {
    {PHASE_NAME, 587, PROFILE_STARTTLS, "smtp.example.com: there is no such name",
	{"name was not found", SET "--host", "resolv.conf"}},
    {PHASE_NAME, 587, PROFILE_STARTTLS, "smtp.example.com: the name exists, but has no address",
	{SET "--host smtp.smtp.example.com"}},
    {PHASE_NAME, 587, PROFILE_STARTTLS, "smtp.example.com: the name server does not answer",
	{"name was not found", "resolv.conf", "by itself"}},
    {PHASE_CONNECT, 587, PROFILE_STARTTLS, "smtp.example.com:587: Connection refused",
	{"nobody listens on port 587", SET "--port 465 --tls implicit."}},
    {PHASE_CONNECT, 465, PROFILE_IMPLICIT, "smtp.example.com:465: Connection refused",
	{"nobody listens on port 465", SET "--port 587 --tls starttls."}},
    {PHASE_CONNECT, 25, PROFILE_OPPORTUNISTIC, "smtp.example.com:25: no connection in time",
	{"let nothing out on port 25", SET "--port 587 --tls starttls, or --port 465"}},
    {PHASE_CONNECT, 587, PROFILE_STARTTLS, "smtp.example.com:587: no connection in time",
	{"blocks port 587", SET "--port 465"}},
    {PHASE_CONNECT, 587, PROFILE_STARTTLS, "smtp.example.com:587: Network is unreachable",
	{"no way to that address", SET "--host NAME"}},
    {PHASE_GREETING, 110, PROFILE_NONE, "this is a POP3 server, not one for SMTP: `+OK`",
	{"another service", SET "--port 587 --tls starttls"}},
    {PHASE_GREETING, 465, PROFILE_STARTTLS, "the upstream speaks TLS here, from the beginning",
	{SET "--tls implicit", "587"}},
    {PHASE_GREETING, 465, PROFILE_STARTTLS, "nothing came in time",
	{"no greeting", SET "--tls implicit"}},
    {PHASE_GREETING, 443, PROFILE_IMPLICIT, "nothing came in time",
	{"web server", SET "--port 587 --tls starttls"}},
    {PHASE_EHLO, 587, PROFILE_STARTTLS, "nothing came in time", {SET "--ehlo"}},
};

static void
test_reach(void **state)
{
	for (size_t i = 0; i < sizeof(reach_rows) / sizeof(reach_rows[0]); i++) {
		struct profile profile = profile_of("");
		struct client_end end = {
		    .phase = reach_rows[i].phase, .verdict = classify_own(ATTEMPT_UNREACHABLE)};
		char advice[DIAGNOSIS_ADVICE_SIZE];

		profile.port = reach_rows[i].port;
		profile.tls = reach_rows[i].tls;
		reply_set(&end.reply, 0, "", "%s", reach_rows[i].text);
		check_parts(reach_rows[i].text,
		    diagnosis_advice(&profile, &end, advice, sizeof(advice)), reach_rows[i].parts);
	}
}

/* Postfix says that where it wants a login. */
static void
test_recipient_of_who_is_not_logged_in(void **state)
{
	static const char *const parts[PARTS_MAX] = {"--to", "a login", SET "--username"};
	struct profile profile = profile_of("");
	struct client_end end = {.phase = PHASE_RCPT, .verdict = {.class = REPLY_BAD_RECIPIENT}};
	char advice[DIAGNOSIS_ADVICE_SIZE];

	profile.auth_methods = 0;
	reply_set(&end.reply, 554, "5.7.1", "Recipient address rejected: Access denied");
	check_parts("denied", diagnosis_advice(&profile, &end, advice, sizeof(advice)), parts);
}

/* Nobody keeps a test message. */
static void
test_of_a_test(void **state)
{
	const struct verdict later = {
	    .outcome = ATTEMPT_ATTEMPTED, .fate = FATE_DEFERRED, .class = REPLY_TEMPORARY};
	struct client_end end = {.phase = PHASE_RCPT, .verdict = later};
	struct profile profile = profile_of("");
	char advice[DIAGNOSIS_ADVICE_SIZE];

	reply_set(&end.reply, 450, "4.2.0", "Later");
	assert_non_null(strstr(diagnosis_advice(&profile, &end, advice, sizeof(advice)),
	    "postern tries again by itself"));
	profile.is_tested = true;
	assert_non_null(strstr(
	    diagnosis_advice(&profile, &end, advice, sizeof(advice)), "a test message is not"));
}

static void
test_no_method(void **state)
{
	static const struct {
		const char *text;
		const char *parts[PARTS_MAX];
	} rows[] = {
	    {"the upstream does not offer AUTH without STARTTLS", {SET "--tls starttls."}},
	    {"the upstream does not offer AUTH", {SET "--port 587 --tls starttls", "--auth none"}},
	    {"the upstream offers no AUTH method that the profile allows, but PLAIN",
		{SET "--auth auto"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct profile profile = profile_of("");
		struct client_end end = {
		    .phase = PHASE_AUTH, .verdict = classify_own(ATTEMPT_MISCONFIGURED)};
		char advice[DIAGNOSIS_ADVICE_SIZE];

		reply_set(&end.reply, 0, "", "%s", rows[i].text);
		check_parts(rows[i].text, diagnosis_advice(&profile, &end, advice, sizeof(advice)),
		    rows[i].parts);
	}
}

/* A rule's advice on passwords is none for a profile that has tokens. */
static void
test_token_that_is_refused(void **state)
{
	struct profile profile = profile_of("gmail");
	struct client_end end = {.phase = PHASE_AUTH};
	char advice[DIAGNOSIS_ADVICE_SIZE];

	profile.token_source = (struct token_source *)(void *)&profile; /* only that it is there */
	end.verdict = classify_own(ATTEMPT_AUTH_REFUSED);
	end.verdict.advice = "an app password";
	reply_set(&end.reply, 535, "5.7.8", "no");
	(void)diagnosis_advice(&profile, &end, advice, sizeof(advice));
	assert_null(strstr(advice, "app password"));
	assert_non_null(strstr(advice, "token was just made"));
}

/* A rule of an operator's may have any text. */
static void
test_signs_in_advice(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"{profile}", "our-way"},
	    {"set {profile} and {provider}", "set our-way and acme"},
	    {"{ {x} {profile", "{ {x} {profile"},
	    {"{{profile}}", "{our-way}"},
	};
	const struct profile profile = profile_of("acme");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct client_end end = {.phase = PHASE_MAIL, .verdict = {.advice = rows[i].text}};
		char advice[40];

		assert_string_equal(
		    diagnosis_advice(&profile, &end, advice, sizeof(advice)), rows[i].expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_reach),
	    cmocka_unit_test(test_encryption),
	    cmocka_unit_test(test_one_of_several_hosts),
	    cmocka_unit_test(test_name_that_is_a_command),
	    cmocka_unit_test(test_certificate_of_the_pop3_server),
	    cmocka_unit_test(test_recipient_of_who_is_not_logged_in),
	    cmocka_unit_test(test_no_method),
	    cmocka_unit_test(test_of_a_test),
	    cmocka_unit_test(test_token_that_is_refused),
	    cmocka_unit_test(test_signs_in_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
