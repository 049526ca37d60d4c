/* The config: what is wrong is refused with its place and what is allowed, the rest is taken. */
#include "daemon/config/config.h"

#include "common/netaddr.h"
#include "daemon/config/table.h"
#include "tests/lib/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LISTENER(body) "listeners = ( { " body " } );"
#define TRUSTED(body) "trusted = ( { " body " } );"

static const struct {
	const char *text, *expected;
} wrong[] = {
    /* what any option can have wrong */
    {"hostnam = \"x\";", "config:1: hostnam: unknown option; here there may be hostname state_dir"},
    {"\nlimits = {\n\tx = 1;\n};", "config:3: limits.x: unknown option; here there may be message"},
    {LISTENER("port = \"25\";"), "listeners.port: unknown option; here there may be address ports"},
    {"queue = \"fast\";", "config:1: queue: must be a group of options"},
    {"hostname", "config:1: syntax error"},
    {"drain = \"1s\"; drain = \"2s\";", "config:1: duplicate setting name"},
    {"@include \"/etc/passwd\"\n", "cannot open include file"},

    {"hostname = 5;", "hostname: must be a host name"},
    {"hostname = \"\";", "hostname: \"\" must be a host name"},
    {"hostname = \"a b\";", "hostname: \"a b\" must be a host name"},
    {"hostname = \"-a.example\";", "must be a host name"},
    {"hostname = \"a..example\";", "must be a host name"},
    {"hostname = \"a.example.\";", "must be a host name"},
    {"state_dir = \"var\";", "state_dir: \"var\" must be an absolute path of at most 1000 bytes"},
    {"state_dir = true;", "state_dir: must be an absolute path"},
    {"run_dir = \"\";", "run_dir: \"\" must be an absolute path of at most 90 bytes"},
    {"run_dir = \"/12345678901234567890123456789012345678901234567890"
     "1234567890123456789012345678901234567890\";",
	"must be an absolute path of at most 90 bytes"},
    {"capture_dir = \"./x\";", "capture_dir: \"./x\" must be an absolute path"},
    {"capture_dir = \"/a\\nb\";", "must be an absolute path"},
    {"providers = \"providers.conf\";", "providers: \"providers.conf\" must be an absolute path"},
    {"user = \"\";", "user: \"\" must be the name of an account"},
    {"user = \"Root!\";", "must be the name of an account"},
    {"user = 7;", "user: must be the name of an account"},
    {"net_user = \"-x\";", "net_user: \"-x\" must be the name of an account"},
    {"net_user = \"postern\";", "net_user: must be another account than user"},
    {"user = \"postern-net\";", "net_user: must be another account than user"},
    {"admin_group = \"a b\";", "admin_group: \"a b\" must be the name of an account"},
    {"smtpd_processes = -1;", "smtpd_processes: \"-1\" must be a number from 0 to 64"},
    {"smtpd_processes = 65;", "must be a number from 0 to 64"},
    {"smtpd_processes = 1.5;", "smtpd_processes: must be a number from 0 to 64"},
    {"smtpd_processes = \"2\";", "smtpd_processes: must be a number from 0 to 64"},

    {"listeners = ();", "listeners: must be a list of 1 to 100 groups"},
    {"listeners = 25;", "listeners: must be a list of 1 to 100 groups"},
    {"listeners = { ports = \"25\"; };", "listeners: must be a list of 1 to 100 groups"},
    {"listeners = ( 25 );", "listeners: must be a list of 1 to 100 groups"},
    {LISTENER(""), "listeners.ports is missing: it must be ports from 1 to 65535 and ranges"},
    {LISTENER("ports = 25;"), "listeners.ports: must be ports from 1 to 65535"},
    {LISTENER("ports = \"\";"), "listeners.ports: \"\" must be ports"},
    {LISTENER("ports = \"0\";"), "\"0\" must be ports"},
    {LISTENER("ports = \"65536\";"), "\"65536\" must be ports"},
    {LISTENER("ports = \"30-20\";"), "\"30-20\" must be ports"},
    {LISTENER("ports = \"25,\";"), "\"25,\" must be ports"},
    {LISTENER("ports = \"25 587\";"), "\"25 587\" must be ports"},
    {LISTENER("ports = \"smtp\";"), "\"smtp\" must be ports"},
    {LISTENER("ports = \"99999999999999999999999\";"), "must be ports"},
    {LISTENER("ports = \"25\"; exclude = \"x\";"), "listeners.exclude: \"x\" must be ports"},
    {LISTENER("ports = \"25\"; exclude = \"20-30\";"), "listeners.exclude: leaves no port"},
    {LISTENER("ports = \"25\"; address = \"localhost\";"),
	"listeners.address: \"localhost\" must be \"*\", an IPv4 or an IPv6 address"},
    {LISTENER("ports = \"25\"; tls = \"yes\";"),
	"listeners.tls: \"yes\" must be none | starttls | implicit | auto"},
    {LISTENER("ports = \"25\"; min_version = \"3\";"),
	"listeners.min_version: \"3\" must be 1.0 |"},
    {"listeners = ( { ports = \"25\"; tls = \"none\";\nmin_version = \"1.2\"; } );",
	"config:2: listeners.min_version: has no effect beside tls = \"none\""},
    {LISTENER("ports = \"25\"; required = 1;"), "listeners.required: must be true or false"},
    {"listeners = ( { ports = \"25-30\"; },\n{ ports = \"29-40\"; } );",
	"config:2: listeners.ports: port 29 of * belongs to an earlier listener"},

    {"tls = { certificate = \"cert.pem\"; };", "tls.certificate: \"cert.pem\" must be an absolute"},
    {"tls = { key = \"key.pem\"; };", "tls.key: \"key.pem\" must be an absolute path"},
    {"tls = { key = \"/key.pem\"; };", "tls: certificate and key must be given together"},
    {"tls = { certificate = \"/c.pem\"; };", "tls: certificate and key must be given together"},
    {"tls = { min_version = \"TLS1.2\"; };", "tls.min_version: \"TLS1.2\" must be 1.2 | 1.3"},
    {"tls = { min_version = 1.2; };", "tls.min_version: must be 1.2 | 1.3"},
    {"tls = { min_version = \"1.1\"; };", "tls.min_version: \"1.1\" must be 1.2 | 1.3"},
    {"tls = { certificates = (); };", "tls.certificates: must be a list of 1 to 99 groups"},
    {"tls = { certificates = ( { key = \"/k\"; } ); };",
	"tls.certificates: needs both certificate and key"},
    {"tls = { certificates = ( { certificate = \"/c\"; } ); };",
	"tls.certificates: needs both certificate and key"},
    {"tls = { certificates = ( { certificate = \"c\"; key = \"/k\"; } ); };",
	"tls.certificates.certificate: \"c\" must be an absolute path"},
    {"tls = { certificates = ( { certificate = \"/c\"; key = 1; } ); };",
	"tls.certificates.key: must be an absolute path"},
    {"tls = { certificates = ( { name = \"x\"; } ); };",
	"tls.certificates.name: unknown option; here there may be certificate key"},
    {"tls = { ticket_rotation = \"0\"; };", "tls.ticket_rotation: \"0\" must be a duration"},
    {"tls = { auto_wait = \"0\"; };", "tls.auto_wait: \"0\" must be a duration from \"10ms\" to"},
    {"tls = { implicit_wait = \"2m\"; };", "tls.implicit_wait: \"2m\" must be a duration"},

    {"auth = { mechanisms = \"\"; };",
	"auth.mechanisms: \"\" must be one or more of SCRAM-SHA-256-PLUS | SCRAM-SHA-256 | "
	"LOGIN | PLAIN | CRAM-MD5"},
    {"auth = { mechanisms = \"PLAIN PLAIN\"; };", "each once"},
    {"auth = { mechanisms = \"DIGEST\"; };", "auth.mechanisms: \"DIGEST\" must be one or more of"},
    {"auth = { mechanisms = \"PLAIN NTLM\"; };",
	"auth.mechanisms: NTLM is not available in this version"},
    {"auth = { mechanisms = \"scram-sha-1-plus\"; };",
	"auth.mechanisms: SCRAM-SHA-1-PLUS is not available in this version"},
    {"auth = { legacy_line = \"yes\"; };", "auth.legacy_line: must be true or false"},
    {"auth = { mechanisms = \"SCRAM-SHA-256-PLUS CRAM-MD5\";\nlegacy_line = true; };",
	"config:2: auth.legacy_line: true needs LOGIN or PLAIN among auth.mechanisms"},
    {"auth = { after_helo = 1; };", "auth.after_helo: must be true or false"},
    {"auth = { without_tls = \"sometimes\"; };",
	"auth.without_tls: \"sometimes\" must be never | loopback | always"},
    {"auth = { without_tls = false; };", "auth.without_tls: must be never | loopback | always"},

    {"trusted = { network = \"::1\"; };", "trusted: must be a list of 0 to 1000 groups"},
    {TRUSTED("network = \"::1\";"), "trusted: needs both network and user"},
    {TRUSTED("user = \"a\";"), "trusted: needs both network and user"},
    {TRUSTED("user = \"\"; network = \"::1\";"), "trusted.user: \"\" must be a text of 1 to 255"},
    {TRUSTED("user = \"a\"; network = \"10.0.0.0/33\";"), "trusted.network: \"10.0.0.0/33\" must"},
    {TRUSTED("user = \"a\"; network = \"10.0.0.1/8\";"), "no bits set behind the prefix"},
    {"trusted = ( { user = \"a\";\nnetwork = \"0.0.0.0/0\"; } );",
	"config:2: trusted.network: 0.0.0.0/0 would let anybody on the internet send without a "
	"login; "
	"name the network of the devices, at least /8 for IPv4, at least /32 for IPv6"},
    {TRUSTED("user = \"a\"; network = \"::/0\";"), "::/0 would let anybody on the internet"},
    {TRUSTED("user = \"a\"; network = \"::ffff:0:0/96\";"), "::ffff:0:0/96 would let anybody"},
    {TRUSTED("user = \"a\"; network = \"::ffff:0.0.0.0/96\";"), "0.0.0.0/96 would let anybody"},
    {TRUSTED("user = \"a\"; network = \"::/80\";"), "::/80 would let anybody on the internet"},
    {TRUSTED("user = \"a\"; network = \"128.0.0.0/1\";"), "128.0.0.0/1 would let much of the"},
    {TRUSTED("user = \"a\"; network = \"10.0.0.0/7\";"), "10.0.0.0/7 would let much of the"},
    {TRUSTED("user = \"a\"; network = \"::ffff:10.0.0.0/103\";"), "/103 would let much of the"},
    {TRUSTED("user = \"a\"; network = \"2000::/3\";"), "2000::/3 would let much of the internet"},
    {TRUSTED("user = \"a\"; network = \"2001:db8::/31\";"), "2001:db8::/31 would let much of the"},
    {TRUSTED("user = \"a\"; network = \"lan\";"), "trusted.network: \"lan\" must be an address or"},
    {TRUSTED("user = \"a\"; network = \"2001:db8::/\";"), "must be an address or a network"},
    {TRUSTED("user = \"a\"; network = \"2001:db8::/129\";"), "must be an address or a network"},

    {"limits = { message_size = 50; };",
	"limits.message_size: must be a size from \"1K\" to \"4G\""},
    {"limits = { message_size = \"50\"; };", "must be a size from"},
    {"limits = { message_size = \"50m\"; };", "must be a size from"},
    {"limits = { message_size = \"-1M\"; };", "must be a size from"},
    {"limits = { message_size = \"5G\"; };", "must be a size from"},
    {"limits = { message_size = \"99999999999T\"; };", "must be a size from"},
    {"limits = { recipients = 0; };", "limits.recipients: \"0\" must be a number from 1 to 10000"},
    {"limits = { recipients = 99999999999; };", "must be a number from 1 to 10000"},
    {"limits = { connections = 0; };", "limits.connections: \"0\" must be a number"},
    {"limits = { connections_per_client = true; };",
	"limits.connections_per_client: must be a number from 0 to 1000000"},
    {"limits = { connections_per_user = -1; };",
	"limits.connections_per_user: \"-1\" must be a number"},
    {"limits = { header_size = \"1K\"; };",
	"limits.header_size: \"1K\" must be a size from \"4K\""},
    {"limits = { header_fields = 9; };", "limits.header_fields: \"9\" must be a number from 10"},
    {"limits = { header_line_length = \"997B\"; };",
	"limits.header_line_length: \"997B\" must be a size from \"998B\" to \"1M\""},
    {"limits = { line_length = \"0B\"; };", "limits.line_length: \"0B\" must be a size from"},
    {"limits = { received_headers = 0; };", "limits.received_headers: \"0\" must be a number"},
    {"limits = { command_timeout = \"0\"; };", "limits.command_timeout: \"0\" must be a duration"},
    {"limits = { command_timeout = 300; };",
	"limits.command_timeout: must be a duration from \"1s\" to \"1h\" (units ms s m h d)"},
    {"limits = { data_timeout = \"5 m\"; };", "limits.data_timeout: \"5 m\" must be a duration"},
    {"limits = { data_rate = \"-1\"; };", "limits.data_rate: \"-1\" must be a size from \"0B\""},
    {"limits = { tls_timeout = \"2h\"; };", "limits.tls_timeout: \"2h\" must be a duration"},
    {"limits = { session_time = \"1s\"; };",
	"limits.session_time: \"1s\" must be a duration from \"1m\" to \"30d\""},
    {"limits = { idle_commands = 0; };", "limits.idle_commands: \"0\" must be a number"},
    {"limits = { guesses = -1; };", "limits.guesses: \"-1\" must be a number from 0 to 100000"},
    {"limits = { guess_window = \"0\"; };", "limits.guess_window: \"0\" must be a duration"},
    {"limits = { shut_out = \"31d\"; };", "limits.shut_out: \"31d\" must be a duration"},
    {"limits = { auth_failures = 0; };", "limits.auth_failures: \"0\" must be a number"},
    {"limits = { errors = true; };", "limits.errors: must be a number from 1 to 10000"},
    {"limits = { free_space = \"10%\"; };",
	"limits.free_space: \"10%\" must be a size from \"0B\""},
    {"limits = { user_messages = 100; };", "limits.user_messages: must be none, or one or both of"},
    {"limits = { user_messages = \"100\"; };",
	"limits.user_messages: \"100\" must be none, or one or both of N/h and N/d"},
    {"limits = { user_recipients = \"\"; };", "limits.user_recipients: \"\" must be none, or"},
    {"limits = { over_limit = \"alert\"; };", "limits.over_limit: \"alert\" must be refuse | hold"},

    {"queue = { lifetime = \"5w\"; };", "queue.lifetime: \"5w\" must be a duration from \"1s\""},
    {"queue = { reserve = 64; };", "queue.reserve: must be a size from \"0B\" to \"1T\""},
    {"queue = { reserve = \"10%\"; };", "queue.reserve: \"10%\" must be a size from \"0B\""},
    {"queue = { lifetime = \"91d\"; };", "must be a duration from \"1s\" to \"90d\""},
    {"queue = { retry = \"\"; };", "queue.retry: \"\" must be durations from \"100ms\" to \"7d\""},
    {"queue = { retry = \"1m,2m\"; };", "queue.retry: \"1m,2m\" must be durations"},
    {"queue = { retry = \"1m 0s\"; };", "queue.retry: \"1m 0s\" must be durations"},
    {"queue = { retry = \"1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s 1s "
     "1s 1s 1s 1s 1s 1s 1s 1s 1s\"; };",
	"1 to 32 with blanks"},
    {"queue = { delay_warning = \"91d\"; };",
	"queue.delay_warning: \"91d\" must be a duration from"},
    {"queue = { on_expiry = \"drop\"; };", "queue.on_expiry: \"drop\" must be hold | bounce"},
    {"queue = { notices = \"5/m\"; };",
	"queue.notices: \"5/m\" must be none, or one or both of N/h"},
    {"queue = { notice_profile = \"\"; };", "queue.notice_profile: \"\" must be"},
    {"queue = { bounce = \"yes\"; };", "queue.bounce: must be true or false"},
    {"queue = { hold_max = \"a month\"; };", "queue.hold_max: \"a month\" must be a duration from"},
    {"queue = { hold_max = \"366d\"; };", "must be a duration from \"0ms\" to \"365d\""},
    {"history = { keep = \"401d\"; };", "must be a duration from \"0ms\" to \"400d\""},
    {"history = { keep = \"for ever\"; };", "history.keep: \"for ever\" must be a duration"},
    {"history = { stats_keep = \"1y\"; };", "history.stats_keep: \"1y\" must be a duration"},
    {"queue = { lower_share = 51; };", "queue.lower_share: \"51\" must be a number from 0 to 50"},
    {"queue = { memory = \"1K\"; };", "queue.memory: \"1K\" must be a size from \"1M\" to \"64G\""},

    {"sender_authorization = \"allow\";", "sender_authorization: \"allow\" must be block | alert"},
    {"refused = \"lan\";", "refused: \"lan\" must be addresses and networks, as"},
    {"refused = \"192.0.2.0/24,192.0.3.0/24\";", "refused: \"192.0.2.0/24,192.0.3.0/24\" must be"},
    {"refused = \"192.0.2.1/24\";", "refused: \"192.0.2.1/24\" must be addresses and networks"},
    {"refused = \"192.0.2.0/24 0.0.0.0/0\";",
	"config:1: refused: a network of all of IPv4 would refuse every client of it"},
    {"refused = \"::/0\";", "refused: a network of all of IPv4 would refuse every client"},
    {"refused = \"::ffff:0:0/96\";", "refused: a network of all of IPv4 would refuse every"},
    {"drop_headers = \"Bcc: X\";", "drop_headers: \"Bcc: X\" must be names of header fields"},
    {"drop_headers = \"Received From\";",
	"drop_headers: \"Received From\" must be names of header fields with blanks between them, "
	"at most 100, none of them Received, From or Sender"},
    {"drop_headers = \"Bcc sender\";", "none of them Received, From or Sender"},
    {"drop_headers = ( \"Bcc\" );", "drop_headers: must be names of header fields"},
    {"alerts = { interval = \"0\"; };", "alerts.interval: \"0\" must be a duration"},
    {"alerts = { to = \"a@b.example\"; };", "config:1: alerts.to is not available in this version"},
    {"alerts = { webhook = \"https://x\"; };", "alerts.webhook is not available in this version"},
    {"signature = { text = \"\"; };",
	"signature.text: \"\" must be UTF-8 text of 1 to 65536 bytes"},
    {"signature = { text = \"a\\x07\"; };", "must be UTF-8 text"},
    {"signature = { text = \"a\xff\"; };", "must be UTF-8 text"},
    {"signature = {\n html = \"<body>x\"; };",
	"config:2: signature.html: must be what stands inside of a page's body, without <body"},
    {"control = {\n http = \"127.0.0.1:8025\"; };", "config:2: control.http is not available in"},
    {"log = { target = \"file\"; };", "log.target: \"file\" must be stderr | syslog | journal"},
    {"log = { level = \"loud\"; };", "log.level: \"loud\" must be error | warning | info | debug"},
    {"drain = \"2h\";", "drain: \"2h\" must be a duration from \"1s\" to \"1h\""},
};

static void
test_wrong(void **state)
{
	struct config *config;
	struct err err;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (config_parse(wrong[i].text, strlen(wrong[i].text), &config, &err) == 0)
			fail_msg("taken: %s", wrong[i].text);
		if (strncmp(err.text, "config:", 7) != 0 && strncmp(err.text, "/dev", 4) != 0)
			fail_msg("no place: %s", err.text);
		if (strstr(err.text, wrong[i].expected) == NULL)
			fail_msg("%s: said %s", wrong[i].text, err.text);
	}
}

/* Every option has a row above that names it. */
static void
test_all_have_wrong_values(void **state)
{
	for (const struct option *option = options; option->path != NULL; option++) {
		size_t found = 0;

		for (size_t i = 0; i < COUNT(wrong); i++)
			found += strstr(wrong[i].expected, option->path) != NULL;
		if (found == 0)
			fail_msg("%s: no row with a wrong value", option->path);
	}
}

static struct config *
parse(const char *text)
{
	struct config *config = NULL;
	struct err err = {""};

	if (config_parse(text, strlen(text), &config, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return config;
}

static void
test_defaults(void **state)
{
	struct config *config = parse("");

	assert_true(strlen(config->hostname) > 0);
	assert_string_equal(config->user, "postern");
	assert_string_equal(config->net_user, "postern-net");
	assert_string_equal(config->run_dir, "/run/postern");
	assert_string_equal(
	    config->auth.mechanisms, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 LOGIN PLAIN");
	assert_int_equal(config->auth.without_tls, AUTH_CLEAR_LOOPBACK);
	assert_false(config->auth.legacy_line);
	assert_false(config->auth.after_helo);
	assert_null(config->tls.certificate);
	assert_int_equal(config->tls.min_version, TLS_VERSION_1_2);
	assert_int_equal(config->tls.auto_wait_ms, 300);
	assert_int_equal(config->tls.implicit_wait_ms, 3000);
	assert_int_equal(config->trusted_count, 0);
	assert_int_equal(config->listener_count, 2);
	assert_int_equal(config->listeners[0].port_count, 2);
	assert_int_equal(config->listeners[1].ports[0].first, 465);
	assert_int_equal(config->listeners[1].tls, LISTENER_IMPLICIT);
	assert_int_equal(config->limits.message_size_bytes, 50 << 20);
	assert_int_equal(config->limits.data_rate_bytes, 100);
	assert_int_equal(config->limits.tls_timeout_ms, 30000);
	assert_int_equal(config->limits.session_time_ms, 3600000);
	assert_int_equal(config->limits.idle_commands, 100);
	assert_true(cap_is_none(&config->limits.user_messages));
	assert_int_equal(config->limits.over_limit, OVER_LIMIT_REFUSE);
	assert_int_equal(config->queue.retry_count, 7);
	assert_int_equal(config->queue.retry_ms[6], 3600000);
	assert_int_equal(config->queue.lifetime_ms, INT64_C(5) * 86400000);
	assert_int_equal(config->queue.hold_max_ms, INT64_C(30) * 86400000);
	assert_int_equal(config->history.keep_ms, INT64_C(30) * 86400000);
	assert_int_equal(config->history.stats_keep_ms, INT64_C(365) * 86400000);
	assert_true(config->queue.has_bounces);
	assert_string_equal(config->drop_headers[1], "Resent-Bcc");
	assert_null(config->drop_headers[3]);
	assert_int_equal(config->drain_ms, 90000);
	assert_in_range(config_smtpd_processes(config), 1, SMTPD_PROCESSES_MAX);
	config_release(config);
}

static void
test_blame(void **state)
{
	static const struct {
		const char *path, *expected;
	} rows[] = {
	    {"tls.key", "config:2: tls.key: why"},
	    {"user", "config:1: user: why"},
	    {"net_user", "config: net_user: why"},
	};
	struct config *config =
	    parse("user = \"a\"; tls = { certificate = \"/c\";\n key = \"/k\"; };");

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct err err = {"why"};

		assert_int_equal(config_blame(config, rows[i].path, &err), -1);
		assert_string_equal(err.text, rows[i].expected);
	}
	config_release(config);
}

static void
test_values(void **state)
{
	struct config *config = parse(
	    "hostname = \"relay.example.com\"; smtpd_processes = 3; drop_headers = \"\";"
	    "tls = { min_version = \"1.3\"; certificate = \"/c\"; key = \"/k\"; };"
	    "auth = { mechanisms = \" plain cram-md5 scram-sha-256 \"; without_tls = \"always\";"
	    "  legacy_line = true; after_helo = true; };"
	    "limits = { message_size = \"64K\"; free_space = \"0\"; command_timeout = \"90s\";"
	    "  data_rate = \"1K\"; tls_timeout = \"5s\"; session_time = \"1d\"; idle_commands = 7;"
	    "  user_messages = \"5/h\"; user_recipients = \"50/d 20/h\"; over_limit = \"hold\"; };"
	    "queue = { retry = \"300ms 1d\"; bounce = false; reserve = \"0\"; };"
	    "sender_authorization = \"alert\"; log = { level = \"debug\"; target = \"stderr\"; };");

	assert_string_equal(config->hostname, "relay.example.com");
	assert_int_equal(config_smtpd_processes(config), 3);
	assert_null(config->drop_headers[0]);
	assert_string_equal(config->tls.key, "/k");
	assert_int_equal(config->listeners[0].min_version, TLS_VERSION_1_3);
	assert_string_equal(config->auth.mechanisms, "PLAIN CRAM-MD5 SCRAM-SHA-256");
	assert_true(config->auth.legacy_line);
	assert_true(config->auth.after_helo);
	assert_int_equal(config->auth.without_tls, AUTH_CLEAR_ALWAYS);
	assert_int_equal(config->limits.message_size_bytes, 65536);
	assert_int_equal(config->limits.free_space_bytes, 0);
	assert_int_equal(config->limits.user_messages.per_hour, 5);
	assert_int_equal(config->limits.user_recipients.per_day, 50);
	assert_int_equal(config->limits.over_limit, OVER_LIMIT_HOLD);
	assert_int_equal(config->limits.command_timeout_ms, 90000);
	assert_int_equal(config->limits.data_rate_bytes, 1024);
	assert_int_equal(config->limits.session_time_ms, 86400000);
	assert_int_equal(config->limits.idle_commands, 7);
	assert_int_equal(config->queue.retry_count, 2);
	assert_int_equal(config->queue.retry_ms[0], 300);
	assert_false(config->queue.has_bounces);
	assert_int_equal(config->queue.reserve_bytes, 0);
	assert_int_equal(config->sender_authorization, UNAUTHORIZED_ALERT);
	assert_int_equal(config->log.level, LOG_DEBUG);
	assert_int_equal(config->log.target, LOG_TARGET_STDERR);
	config_release(config);
}

static void
test_listeners(void **state)
{
	struct config *config =
	    parse("listeners = ("
		  "{ ports = \" 1025 - 5000 , 25,587\"; exclude = \"1433,3306\"; },"
		  "{ address = \"::1\"; ports = \"465\"; tls = \"implicit\";"
		  "  min_version = \"1.3\"; required = true; } );");
	const struct config_listener *listener = config->listeners;
	static const struct port_range expected[] = {
	    {25, 25}, {587, 587}, {1025, 1432}, {1434, 3305}, {3307, 5000}};

	assert_int_equal(config->listener_count, 2);
	assert_string_equal(listener->address, "*");
	assert_int_equal(listener->tls, LISTENER_STARTTLS);
	assert_false(listener->is_required);
	assert_int_equal(listener->port_count, COUNT(expected));
	assert_memory_equal(listener->ports, expected, sizeof(expected));
	listener++;
	assert_string_equal(listener->address, "::1");
	assert_int_equal(listener->min_version, TLS_VERSION_1_3);
	assert_true(listener->is_required);
	config_release(config);
}

/* In the order of the file; tls.certificate is always the first. */
static void
test_certificates(void **state)
{
	struct config *config =
	    parse("tls = { certificates = ( { certificate = \"/b\"; key = \"/bk\"; },\n"
		  "{ certificate = \"/c\"; key = \"/ck\"; } );"
		  "certificate = \"/a\"; key = \"/ak\"; };");
	struct err err;

	assert_int_equal(config->tls.pair_count, 3);
	assert_string_equal(config->tls.pairs[0].certificate, "/a");
	assert_string_equal(config->tls.pairs[1].key, "/bk");
	assert_string_equal(config->tls.pairs[2].certificate, "/c");
	(void)err_set(&err, "why");
	(void)config_blame_pair(config, &config->tls.pairs[2], "key", &err);
	assert_string_equal(err.text, "config:2: tls.certificates.key: why");
	(void)err_set(&err, "why");
	(void)config_blame_pair(config, &config->tls.pairs[0], "key", &err);
	assert_string_equal(err.text, "config:2: tls.key: why");
	config_release(config);
}

static void
test_trusted(void **state)
{
	static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127};
	static const uint8_t documentation[16] = {0x20, 0x01, 0x0d, 0xb8};
	struct config *config =
	    parse("trusted = ( { network = \"127.0.0.0/8\"; user = \"local\"; },"
		  "{ network = \"2001:db8::/32\"; user = \"lan\"; },"
		  "{ network = \"192.0.2.1\"; user = \"one\"; } );");
	const struct config_trusted *trusted = config->trusted;

	assert_int_equal(config->trusted_count, 3);
	assert_memory_equal(trusted[0].address, loopback, 16);
	assert_int_equal(trusted[0].prefix_bits, 104);
	assert_string_equal(trusted[0].user, "local");
	assert_memory_equal(trusted[1].address, documentation, 16);
	assert_int_equal(trusted[1].prefix_bits, 32);
	assert_int_equal(trusted[2].prefix_bits, 128);
	config_release(config);
}

static void
test_longest_trusted_network_decides(void **state)
{
	static const struct {
		const char *address, *user;
	} rows[] = {
	    {"192.0.2.1", "one"},
	    {"192.0.2.2", "lan"},
	    {"192.0.3.1", "wide"},
	    {"198.51.100.1", NULL},
	    {"2001:db8::1", "six"},
	    {"2001:db9::1", NULL},
	};
	struct config *config =
	    parse("trusted = ( { network = \"192.0.0.0/16\"; user = \"wide\"; },"
		  "{ network = \"192.0.2.1\"; user = \"one\"; },"
		  "{ network = \"192.0.2.0/24\"; user = \"lan\"; },"
		  "{ network = \"192.0.2.0/24\"; user = \"later\"; },"
		  "{ network = \"2001:db8::/32\"; user = \"six\"; } );");

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct netaddr address;
		const char *user;

		assert_true(netaddr_parse(rows[i].address, &address));
		user = config_trusted_user(config, address.bytes);
		if (rows[i].user == NULL)
			assert_null(user);
		else
			assert_string_equal(user, rows[i].user);
	}
	config_release(config);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *address;
		bool is_refused;
	} rows[] = {
	    {"192.0.2.1", true},
	    {"192.0.3.1", false},
	    {"198.51.100.7", true},
	    {"198.51.100.8", false},
	    {"2001:db8::1", true},
	    {"2001:db9::1", false},
	};
	struct config *config = parse("refused = \" 192.0.2.0/24 198.51.100.7\t2001:db8::/32 \";");
	struct config *none = parse("");

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct netaddr address;

		assert_true(netaddr_parse(rows[i].address, &address));
		assert_int_equal(config_refuses(config, address.bytes), rows[i].is_refused);
		assert_false(config_refuses(none, address.bytes));
	}
	config_release(config);
	config_release(none);
}

static void
test_reload(void **state)
{
	struct config *now = parse(""),
		      *same = parse("drain = \"3s\"; hostname = \"other.example\";");
	struct config *other = parse("state_dir = \"/x\"; smtpd_processes = 7;");
	struct err err;

	assert_int_equal(config_check_reload(now, same, &err), 0);
	assert_int_equal(config_check_reload(now, other, &err), -1);
	assert_string_equal(
	    err.text, "state_dir, smtpd_processes can only change with a restart of posternd");
	config_release(now);
	config_release(same);
	config_release(other);
}

static void
write_file(const char *directory, const char *name, const char *text)
{
	char path[200];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* What config_load() writes out with includes resolved is what a role reads. */
static void
test_load(void **state)
{
	char directory[SCRATCH_SIZE], path[200], command[250];
	struct config *config, *again;
	struct err err = {""};
	char *text;

	assert_true(scratch_make(directory, "config"));
	(void)snprintf(path, sizeof(path), "%s/postern.conf", directory);
	write_file(
	    directory, "postern.conf", "hostname = \"a.example\";\n@include \"more.conf\"\n");
	write_file(directory, "more.conf", "\n# a \"quoted\" text\nuser = \"u\";\n");
	assert_int_equal(config_load(path, &config, &text, &err), 0);
	again = parse(text);
	assert_string_equal(again->hostname, "a.example");
	assert_string_equal(again->user, "u");
	config_release(config);
	config_release(again);
	free(text);

	write_file(directory, "more.conf", "\nuser = \"u\";\ndrain = 5;\n");
	assert_int_equal(config_load(path, &config, NULL, &err), -1);
	assert_non_null(strstr(err.text, "more.conf:3: drain: must be a duration"));
	write_file(directory, "postern.conf", "drain = 5;");
	assert_int_equal(config_load(path, &config, NULL, &err), -1);
	assert_non_null(strstr(err.text, "/postern.conf:1: drain: must be a duration"));
	assert_int_equal(config_load("/nowhere/x", &config, NULL, &err), -1);
	assert_string_equal(
	    err.text, "/nowhere/x: cannot open the config: No such file or directory");
	assert_int_equal(config_load(directory, &config, NULL, &err), -1);
	assert_non_null(strstr(err.text, "is a directory"));
	/* A signature of its own file; roles get the text. */
	write_file(directory, "postern.conf",
	    "hostname = \"a.example\";\nsignature = { text = \"@sig.txt\";\nhtml = \"@none\"; };");
	write_file(directory, "sig.txt", "@home,\n\"us\"\n");
	assert_int_equal(config_load(path, &config, NULL, &err), -1);
	assert_non_null(strstr(err.text, "/postern.conf:3: signature.html: cannot read /"));
	assert_non_null(strstr(err.text, "/none: No such file"));
	write_file(directory, "postern.conf",
	    "hostname = \"a.example\";\nsignature = { text = \"@sig.txt\"; };");
	assert_int_equal(config_load(path, &config, &text, &err), 0);
	assert_string_equal(config->signature.text, "@home,\n\"us\"\n");
	config_release(config);
	config = parse(text);
	assert_string_equal(config->signature.text, "@home,\n\"us\"\n");
	config_release(config);
	free(text);
	(void)snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wrong),
	    cmocka_unit_test(test_all_have_wrong_values),
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_blame),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_listeners),
	    cmocka_unit_test(test_certificates),
	    cmocka_unit_test(test_trusted),
	    cmocka_unit_test(test_longest_trusted_network_decides),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
