/* The files with providers: what is taken, what is refused with file, line and key; and the one that
 * comes along. */
#include "common/buf.h"
#include "common/xalloc.h"
#include "daemon/accounts/presets.h"
#include "daemon/config/providers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HOST "host = \"h.example\"; title = \"H\";"

static const struct {
	const char *text, *says; /* NULL: taken */
} rows[] = {
    {"", NULL},
    {"a = { " HOST " };", NULL},
    {"a = { " HOST " port = 587; tls = \"starttls\"; tls_min = \"1.2\"; auth = \"xoauth2\"; };",
	NULL},
    {"a = { " HOST " rate = \"30/m\"; recipient_rate = \"10000/d\"; connections = 3; };", NULL},
    {"a = { " HOST
     " hints = [ \"one\", \"two\" ]; aliases = [ \"*.b\" ]; username = \"apikey\"; };",
	NULL},
    {"a = { " HOST " oauth_token_url = \"https://t.example/\"; oauth_scope = \"a b\"; };", NULL},
    {"a = { " HOST " oauth_token_url = \"http://127.0.0.1:1/\"; };", NULL},
    {"a = { host = \"192.0.2.1\"; title = \"H\"; }; b = { host = \"2001:db8::1\"; title = \"H\"; "
     "};",
	NULL},
    {"a = { host = \"h.{region}.example\"; title = \"H\"; regions = [\"x\", \"y\"]; region = "
     "\"y\"; };",
	NULL},
    {"a = 1;", "f:1: a: must be a group"},
    {"\na = {", "f:2: syntax error"},
    {"@include \"/etc/passwd\"", "f:1: "},
    {"A = { " HOST " };", "lower-case letters"},
    {"a_b = { " HOST " };", "lower-case letters"},
    {"a = { title = \"H\"; };", "f:1: a.host: is missing"},
    {"a = { host = \"h\"; };", "f:1: a.title: is missing"},
    {"a = {\n" HOST "\nhots = \"x\"; };",
	"f:3: a.hots: unknown key; a provider may have host port"},
    {"a = { " HOST "\nport = 65536; };", "f:2: a.port: must be a whole number from 1 to 65535"},
    {"a = { " HOST " port = \"25\"; };", "a.port: must be a whole number"},
    {"a = { " HOST " tls = \"ssl\"; };", "a.tls: must be one of none, opportunistic, starttls"},
    {"a = { " HOST " tls = 1; };", "a.tls: must be one of"},
    {"a = { " HOST " tls_min = \"1.4\"; };", "a.tls_min: must be one of 1.0"},
    {"a = { " HOST " auth = \"gssapi\"; };", "a.auth: must be one of none, auto"},
    {"a = { " HOST " rate = \"often\"; };", "a.rate: "},
    {"a = { " HOST " connections = 0; };", "a.connections: must be"},
    {"a = { " HOST " username = \"\"; };", "a.username: must be text of 1 to 255"},
    {"a = { " HOST " oauth_token_url = \"http://t.example/\"; };", "must begin with https://"},
    {"a = { " HOST " hints = \"one\"; };", "a.hints: must be up to 100 texts in brackets"},
    {"a = { " HOST " hints = [ 1 ]; };", "a.hints: must be text"},
    {"a = { host = \"h..example\"; title = \"H\"; };", "a.host: "},
    {"a = { host = \"h.{region}\"; title = \"H\"; };", "a.regions: belong to a host"},
    {"a = { " HOST " regions = [\"x\"]; };", "a.regions: belong to a host"},
    {"a = { host = \"{region}.e\"; title = \"H\"; regions = [\"x\"]; region = \"z\"; };",
	"a.region: must be one of regions"},
};

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct providers providers;
		struct err err = {""};
		int rc = providers_parse("f", rows[i].text, strlen(rows[i].text), &providers, &err);

		if ((rc == 0) != (rows[i].says == NULL) ||
		    (rc != 0 && strstr(err.text, rows[i].says) == NULL))
			fail_msg("%s\n%s", rows[i].text, err.text);
		if (rc == 0)
			providers_fini(&providers);
	}
}

static void
test_no_text(void **state)
{
	struct providers providers;
	struct err err;

	assert_int_equal(providers_parse("f", "a\0b", 3, &providers, &err), -1);
	assert_int_equal(providers_parse("f", NULL, 0, &providers, &err), 0);
	assert_int_equal(providers.count, 0);
	providers_fini(&providers);
}

static struct providers
parsed(const char *text)
{
	struct providers providers;
	struct err err;

	if (providers_parse("f", text, strlen(text), &providers, &err) != 0)
		fail_msg("%s", err.text);
	return providers;
}

static void
test_own_ones_replace_those_of_the_same_name(void **state)
{
	struct providers all = parsed("a = { " HOST " port = 25; }; b = { " HOST " };");
	struct providers own = parsed("c = { " HOST " }; a = { host = \"mine\"; title = \"M\"; };");

	providers_add(&all, &own);
	assert_int_equal(all.count, 3);
	assert_int_equal(own.count, 0);
	assert_string_equal(providers_find(&all, "A")->title, "M");
	assert_int_equal(providers_find(&all, "a")->value_count, 1);
	assert_non_null(providers_find(&all, "c"));
	assert_null(providers_find(&all, "d"));
	providers_fini(&all);
}

/* ---- what comes along ---- */

static char *
read_shipped(void)
{
	const char *srcdir = getenv("srcdir");
	char *path = xasprintf("%s/conf/providers.conf", srcdir == NULL ? "." : srcdir);
	FILE *file = fopen(path, "r");
	struct buf text;
	char bytes[4096];
	size_t got;

	if (file == NULL)
		fail_msg("%s can't be read", path);
	buf_init(&text);
	while ((got = fread(bytes, 1, sizeof(bytes), file)) > 0)
		buf_append(&text, bytes, got);
	(void)fclose(file);
	free(path);
	return buf_give(&text);
}

/* Each is complete: with a user name and a password nothing more is needed. */
/* Whether it takes no passwords. */
static bool
wants_tokens(const struct provider *provider)
{
	for (size_t i = 0; i < provider->value_count; i++)
		if (strcmp(provider->values[i].field, "auth") == 0 &&
		    strcmp(provider->values[i].text, "xoauth2") == 0)
			return true;
	return false;
}

static void
log_in_with_tokens(struct profile *profile)
{
	free(profile->password);
	profile->password = NULL;
	profile->oauth_grant = xstrdup("device");
	profile->oauth_client_id = xstrdup("id");
}

static void
check_shipped(const struct presets *presets, const struct provider *provider)
{
	struct profile profile = {
	    .name = xstrdup("p"),
	    .provider = xstrdup(provider->name),
	    .username = xstrdup("u"),
	    .password = xstrdup("sealed"),
	};
	struct refusal refusal;

	if (wants_tokens(provider))
		log_in_with_tokens(&profile);
	if (provider->regions.count > 0 && provider->region == NULL)
		profile.host = xstrdup(provider->regions.items[0]);
	if (presets_apply(presets, &profile, &refusal) == 0) {
		profile_apply_defaults(&profile);
		if (profile_check(&profile, &refusal) != 0)
			fail_msg("%s: %s", provider->name, refusal.why.text);
		assert_null(strchr(profile.host, '{'));
		assert_true(profile.port > 0);
		/* No password goes in clear. */
		assert_string_not_equal(profile.tls, "none");
		assert_string_not_equal(profile.tls, "opportunistic");
		assert_string_equal(profile.tls_verify, "yes");
	} else if (strstr(refusal.why.text, "auth: ") == NULL) {
		fail_msg("%s: %s", provider->name, refusal.why.text);
	}
	assert_true(provider->hints.count > 0);
	table_row_fini(&profile_table, &profile);
}

static void
test_hosts_tell_whose_they_are(void **state)
{
	static const struct {
		const char *host, *name;
	} hosts[] = {
	    {"smtp.gmail.com", "gmail"},
	    {"SMTP.Gmail.com.", "gmail"},
	    {"smtp.googlemail.com", "gmail"},
	    {"xsmtp.gmail.com", NULL},
	    {"smtp.office365.com", "office365"},
	    {"email-smtp.eu-west-1.amazonaws.com", "ses"},
	    {"email-smtp.xx-new-9.amazonaws.com", "ses"},
	    {"email-smtp.amazonaws.com", NULL},
	    {"email-smtp..amazonaws.com", NULL},
	    {"email-smtp-fips.us-east-1.amazonaws.com", "ses"},
	    {"smtp.zoho.com.au", "zoho"},
	    {"smtppro.zoho.eu", "zoho"},
	    {"mail.example.com", NULL},
	    {"smtp.gmail.com;smtp.googlemail.com.", "gmail"},
	    {"email-smtp.eu-west-1.amazonaws.com;email-smtp-fips.us-east-1.amazonaws.com", "ses"},
	    {"smtp.gmail.com;mail.example.com", NULL},
	    {"mail.example.com;smtp.gmail.com", NULL},
	    {"smtp.gmail.com;smtp.office365.com", NULL},
	    {";", NULL},
	    {"smtp.gmail.com;;smtp.gmail.com", NULL},
	    {"", NULL},
	    {".", NULL},
	};
	char *text = read_shipped();
	struct providers providers = parsed(text);

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		const struct provider *found = providers_find_hosts(&providers, hosts[i].host);
		const char *name = found == NULL ? "nobody" : found->name;

		if (strcmp(name, hosts[i].name == NULL ? "nobody" : hosts[i].name) != 0)
			fail_msg("%s is %s's", hosts[i].host, name);
	}
	providers_fini(&providers);
	free(text);
}

static void
test_shipped_file(void **state)
{
	static const char *const promised[] = {"gmail", "gmail-relay", "office365", "outlook",
	    "ses", "sendgrid", "mailgun", "mailgun-eu", "yahoo", "icloud", "zoho", "fastmail",
	    "ionos", "godaddy", "brevo", "postmark", "mailjet", "smtp2go"};
	char *text = read_shipped();
	struct presets presets = {.providers = parsed(text)};

	for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++)
		if (providers_find(&presets.providers, promised[i]) == NULL)
			fail_msg("there is no %s", promised[i]);
	for (size_t i = 0; i < presets.providers.count; i++)
		check_shipped(&presets, &presets.providers.items[i]);
	presets_fini(&presets);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_no_text),
	    cmocka_unit_test(test_own_ones_replace_those_of_the_same_name),
	    cmocka_unit_test(test_shipped_file),
	    cmocka_unit_test(test_hosts_tell_whose_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
