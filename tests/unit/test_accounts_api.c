/* The API of lists, users, profiles and alerts: what is taken, what is refused and how. */
#include "accounts_fixture.h"

#include "daemon/accounts/password.h"
#include "daemon/accounts/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct fixture fixture;

static int
set_up(void **state)
{
	fixture_open(&fixture);
	return 0;
}

static int
tear_down(void **state)
{
	fixture_close(&fixture);
	return 0;
}

/* One after the other, on one database. */
struct row {
	const char *method, *path, *body;
	unsigned status;
	const char *says; /* a part of the answer */
};

static const struct row rows[] = {
    /* lists */
    {"GET", "/v1/lists", NULL, 200, "[]"},
    {"POST", "/v1/lists", "{\"name\":\"Shop\"}", 201, "\"name\": \"Shop\""},
    {"POST", "/v1/lists", "{\"name\":\"shop\"}", 409, "\"code\": \"exists\""},
    {"POST", "/v1/lists", "{}", 400, "a list needs a name"},
    {"POST", "/v1/lists", "{\"name\":\"a b\"}", 400, "only letters, digits"},
    {"POST", "/v1/lists", "{\"name\":7}", 400, "must be text"},
    {"POST", "/v1/lists", "{\"name\":\"x\",\"color\":1}", 400,
	"allowed are: name, unauthorized, profile, alert_to, note"},
    {"POST", "/v1/lists", "{\"name\":\"x\",\"alert_to\":\"a@b.example\"}", 400, "not built yet"},
    {"POST", "/v1/lists", "{\"name\":\"x\",\"profile\":\"none\"}", 400, "no profile none"},
    {"POST", "/v1/lists", "{\"name\":\"x\",\"unauthorized\":\"drop\"}", 400, "block, alert"},
    {"POST", "/v1/lists", "{\"name\":\"x\"", 400, "\"code\": \"invalid_json\""},
    {"POST", "/v1/lists", "{\"name\":\"x\\u0000\"}", 400, "has the character"},
    {"POST", "/v1/lists", "[]", 400, "must be a JSON object"},
    {"GET", "/v1/lists/SHOP", NULL, 200, "\"users\": 0"},
    {"GET", "/v1/lists/%53hop", NULL, 200, "\"name\": \"Shop\""},
    {"GET", "/v1/lists/nothing", NULL, 404, "there is no list nothing"},
    {"GET", "/v1/lists/%zz", NULL, 400, "can't be read"},
    {"GET", "/v1/lists/%00", NULL, 400, "can't be read"},
    {"PATCH", "/v1/lists/Shop", "{\"unauthorized\":\"ALERT\"}", 200, "\"alert\""},
    {"PATCH", "/v1/lists/Shop", "{\"unauthorized\":null}", 200, "\"unauthorized\": null"},
    {"PATCH", "/v1/lists/Shop", "{\"name\":\"Other\"}", 400, "name: can't be changed"},
    {"PUT", "/v1/lists/Shop", "{}", 405, "method_not_allowed"},
    {"GET", "/v1/nouns", NULL, 404, "no such path"},
    {"GET", "/", NULL, 404, "no such path"},
    /* users */
    {"POST", "/v1/users", "{\"login\":\"billing\",\"list\":\"shop\",\"password\":\"pencil\"}", 201,
	"\"list\": \"Shop\""},
    {"POST", "/v1/users", "{\"login\":\"Billing\",\"list\":\"shop\"}", 409, "exists"},
    {"POST", "/v1/users", "{\"login\":\"u\"}", 400, "belongs to a list"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"no\"}", 400, "list add no"},
    {"POST", "/v1/users", "{\"list\":\"Shop\"}", 400, "needs a login"},
    {"POST", "/v1/users", "{\"login\":\"u v\",\"list\":\"Shop\"}", 400, "\"field\": \"login\""},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"password\":\"\"}", 400, "1 to"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"password\":7}", 400, "be text"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"priority\":6}", 400, "1 to 5"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"priority\":1,\"priority_max\":3}",
	400, "1 is the highest"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"verifier\":\"x\"}", 400,
	"no field verifier"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"credential\":9}", 400,
	"no field credential"},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"domains\":\"a@b.example\"}", 400,
	"\"field\": \"domains\""},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"senders\":\"b.example\"}", 400,
	"\"field\": \"senders\""},
    {"POST", "/v1/users", "{\"login\":\"u\",\"list\":\"Shop\",\"senders\":[1]}", 400, "texts"},
    {"PATCH", "/v1/users/billing",
	"{\"domains\":\" B.example ; *.b\\u00fccher.example,\",\"senders\":[\"A@C.example\"]}", 200,
	"\"domains\": [\"b.example\", \"*.xn--bcher-kva.example\"]"},
    {"GET", "/v1/users/billing", NULL, 200, "\"senders\": [\"a@c.example\"]"},
    {"PATCH", "/v1/users/billing", "{\"senders\":\" ; \"}", 400, "separators but no item"},
    {"PATCH", "/v1/users/billing", "{\"domains\":[\"\",\" \"]}", 400, "\"field\": \"domains\""},
    {"PATCH", "/v1/users/billing", "{\"domains\":\" \"}", 400, "separators but no item"},
    {"GET", "/v1/users/billing", NULL, 200, "\"senders\": [\"a@c.example\"]"},
    {"PATCH", "/v1/users/billing", "{\"domains\":\"\"}", 200, "\"domains\": []"},
    {"PATCH", "/v1/users/billing", "{\"senders\":\"\"}", 200,
	"\"warning\": \"billing may now send as anybody\""},
    {"PATCH", "/v1/users/billing", "{\"senders\":\"a@c.example\"}", 200, "a@c.example"},
    {"PATCH", "/v1/users/billing", "{\"senders\":\"a@c.example;*\"}", 200, "as anybody"},
    {"PATCH", "/v1/users/billing", "{\"domains\":\"\",\"senders\":\"\"}", 200, "\"senders\": []"},
    {"PATCH", "/v1/users/billing", "{\"priority\":\"2\",\"stamp_priority\":\"yes\"}", 200,
	"\"stamp_priority\": true"},
    {"PATCH", "/v1/users/billing", "{\"active\":\"maybe\"}", 400, "yes or no"},
    {"PATCH", "/v1/users/billing", "{\"check\":\"header\"}", 200, "\"check\": \"header\""},
    {"PATCH", "/v1/users/billing", "{\"password\":\"x\"}", 400, "reset-password"},
    {"GET", "/v1/users?list=SHOP", NULL, 200, "billing"},
    {"GET", "/v1/users?list=none", NULL, 404, "\"field\": \"list\""},
    {"GET", "/v1/users?profile=none", NULL, 404, "there is no profile none"},
    {"GET", "/v1/users?profile=none&list=Shop", NULL, 400, "not both"},
    {"GET", "/v1/lists?profile=none", NULL, 404, "\"field\": \"profile\""},
    {"GET", "/v1/users?after=billing", NULL, 200, "[]"},
    {"GET", "/v1/users?limit=x", NULL, 400, "whole number"},
    {"DELETE", "/v1/lists/Shop", NULL, 409, "in use by the user billing"},
    {"POST", "/v1/users/billing/reset-password", "{\"password\":\"pen\"}", 200, "\"pen\""},
    {"POST", "/v1/users/billing/reset-password", "{\"login\":\"pen\"}", 400, "password"},
    {"POST", "/v1/users/nobody/reset-password", NULL, 404, "no user nobody"},
    /* profiles */
    {"POST", "/v1/profiles", "{\"name\":\"office\",\"host\":\"Mail.Example.com\",\"port\":587}",
	201, "\"default\": true"},
    {"GET", "/v1/profiles/office", NULL, 200, "\"tls\": \"starttls\""},
    {"GET", "/v1/profiles/office", NULL, 200, "\"host\": \"mail.example.com\""},
    {"GET", "/v1/profiles/office", NULL, 200, "\"tls_verify\": \"yes\""},
    {"PATCH", "/v1/profiles/office", "{\"tls\":\"implicit\"}", 200, "\"port\": 587"},
    {"POST", "/v1/profiles", "{\"name\":\"p\",\"host\":\"h.example\",\"tls\":\"implicit\"}", 201,
	"\"port\": 465"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"default\": false"},
    {"PATCH", "/v1/profiles/p", "{\"tls\":null}", 200, "\"tls\": \"opportunistic\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"tls_verify\": \"no\""},
    {"PATCH", "/v1/profiles/p", "{\"timeout\":\"90s\",\"dot_timeout\":600}", 200,
	"\"timeout\": 90"},
    {"PATCH", "/v1/profiles/p", "{\"timeout\":\"2x\"}", 400, "duration"},
    {"PATCH", "/v1/profiles/p", "{\"timeout\":0}", 400, "from 1 to 3600 seconds"},
    {"PATCH", "/v1/profiles/p", "{\"connections\":0}", 400, "from 1 to 1000"},
    {"PATCH", "/v1/profiles/p", "{\"port\":70000}", 400, "65535"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"[2001:DB8::1]\"}", 200, "2001:db8::1"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"[mail.example]\"}", 400, "no IP address"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"256.1.1.1\"}", 400, "256.1.1.1 is no IP address"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"1.2.3\"}", 400, "1.2.3 is no IP address"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"a b\"}", 400, "\"field\": \"host\""},
    {"PATCH", "/v1/profiles/p", "{\"host\":\" B.example, [::1] ;a.example;\"}", 200,
	"\"host\": \"b.example;::1;a.example\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"hosts\": [\"b.example\", \"::1\", \"a.example\"]"},
    {"PATCH", "/v1/profiles/p", "{\"host\":[\"c.example\",\"d.example\"]}", 200,
	"\"host\": \"c.example;d.example\""},
    {"PATCH", "/v1/profiles/p", "{\"host\":[\"c.example\",1]}", 400, "an array of texts"},
    {"PATCH", "/v1/profiles/p", "{\"ehlo\":[\"c.example\"]}", 400, "ehlo: must be text"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"a.example;A.example\"}", 400, "is there twice"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"a.example:587\"}", 400, "a setting of its own"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"[::1]:587\"}", 400, "a setting of its own"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\";\"}", 400, "no host"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"a;b;c;d;e;f;g;h;i\"}", 400, "at most 8"},
    {"PATCH", "/v1/profiles/p", "{\"host\":null}", 400, "needs a host"},
    {"PATCH", "/v1/profiles/p", "{\"tls_verify\":\"12:34\"}", 400, "fingerprint"},
    {"PATCH", "/v1/profiles/p",
	"{\"tls_verify\":\"SHA256:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
	"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\"}",
	200, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
    {"PATCH", "/v1/profiles/p", "{\"ca\":\"hello\"}", 400, "no certificate"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":\"kerberos\"}", 400, "none, auto, plain"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":\"scram-sha-256\"}", 400, "needs a user name"},
    {"PATCH", "/v1/profiles/p", "{\"auth_worked\":\"plain\"}", 400, "can't be changed"},
    {"PATCH", "/v1/profiles/p", "{\"auth_in_clear\":\"maybe\"}", 400, "must be yes or no"},
    {"PATCH", "/v1/profiles/p", "{\"tls_max\":\"1.4\"}", 400, "1.0, 1.1, 1.2, 1.3"},
    {"PATCH", "/v1/profiles/p", "{\"tls_min\":\"1.3\",\"tls_max\":\"1.2\"}", 400,
	"is below tls_min"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":\"plain\"}", 400, "needs a user name"},
    {"PATCH", "/v1/profiles/p", "{\"username\":\"u\"}", 400, "\"field\": \"password\""},
    {"PATCH", "/v1/profiles/p", "{\"password\":\"x\"}", 400, "\"field\": \"username\""},
    {"PATCH", "/v1/profiles/p", "{\"fallback\":\"q\"}", 400, "there is no profile q"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":\"10%\"}", 400, "needs a rate"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":10,\"rate\":\"5/m\"}", 400, "needs a rate"},
    {"PATCH", "/v1/profiles/p", "{\"rate\":\"500/h 10/s\"}", 200, "\"rate\": \"10/s 500/h\""},
    {"PATCH", "/v1/profiles/p", "{\"rate\":\"10\"}", 400, "N/h"},
    {"PATCH", "/v1/profiles/p", "{\"recipient_rate\":\"7/5m\"}", 200, "7/5m"},
    {"PATCH", "/v1/profiles/p", "{\"spread\":true}", 200, "\"spread\": true"},
    {"PATCH", "/v1/profiles/p", "{\"recipient_rate\":null,\"rate\":\"none\"}", 400,
	"spread: needs a rate"},
    {"PATCH", "/v1/profiles/p", "{\"spread\":\"no\"}", 200, "\"spread\": false"},
    {"PATCH", "/v1/profiles/p", "{\"connection_rate\":\"20/min\"}", 400, "N/m"},
    {"PATCH", "/v1/profiles/p", "{\"connection_rate\":\"100/h 20/m\"}", 200, "\"20/m 100/h\""},
    {"PATCH", "/v1/profiles/p", "{\"connection_rate\":null}", 200, "\"connection_rate\": null"},
    {"PATCH", "/v1/profiles/p", "{\"messages_per_connection\":1000001}", 400, "1 to 1000000"},
    {"PATCH", "/v1/profiles/p", "{\"messages_per_connection\":5}", 200,
	"\"messages_per_connection\": 5"},
    {"PATCH", "/v1/profiles/p", "{\"messages_per_connection\":\"0\"}", 200,
	"\"messages_per_connection\": 0"},
    {"PATCH", "/v1/profiles/p", "{\"messages_per_connection\":-1}", 400,
	"0 (no limit), or a whole number from 1 to 1000000"},
    {"PATCH", "/v1/profiles/p", "{\"connections\":0}", 400,
	"must be a whole number from 1 to 1000"},
    {"PATCH", "/v1/profiles/p", "{\"messages_per_connection\":null}", 200,
	"\"messages_per_connection\": 100"},
    {"PATCH", "/v1/profiles/p", "{\"recipients_per_message\":-1}", 400, "1 to 10000"},
    {"PATCH", "/v1/profiles/p", "{\"recipients_per_message\":35}", 200,
	"\"recipients_per_message\": 35"},
    {"PATCH", "/v1/profiles/p", "{\"recipients_per_message\":\"\"}", 200,
	"\"recipients_per_message\": 0"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":\"1M\"}", 200, "\"bandwidth\": 1048576"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":1024}", 200, "\"bandwidth\": 1024"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":\"0\"}", 200, "\"bandwidth\": 0"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":1023}", 400, "from 1K to 1T"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":\"fast\"}", 400, "from 1K to 1T"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":-1}", 400, "from 1K to 1T"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":\"99999999T\"}", 400, "from 1K to 1T"},
    {"PATCH", "/v1/profiles/p", "{\"bandwidth\":\"0x10\"}", 400, "from 1K to 1T"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":\"10%\"}", 200, "\"reserve\": 10"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":90}", 200, "\"reserve\": 90"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":\"91%\"}", 400, "from 0% to 90%"},
    {"PATCH", "/v1/profiles/p", "{\"reserve\":\"%\"}", 400, "from 0% to 90%"},
    {"PATCH", "/v1/profiles/p", "{\"retry\":\"1m 1h\"}", 200, "\"retry\": \"1m 1h\""},
    {"PATCH", "/v1/profiles/p", "{\"retry\":\"1m 8d\"}", 400, "100ms"},
    {"PATCH", "/v1/profiles/p", "{\"uncertain\":\"hold\"}", 200, "\"uncertain\": \"hold\""},
    {"PATCH", "/v1/profiles/p", "{\"uncertain\":\"drop\"}", 400, "retry, hold"},
    {"PATCH", "/v1/profiles/p", "{\"transcript\":\"always\"}", 200, "\"transcript\": \"always\""},
    {"PATCH", "/v1/profiles/p", "{\"bounce_sender\":\"b@h.example\"}", 200, "b@h.example"},
    {"PATCH", "/v1/profiles/p", "{\"bounce_sender\":\"b\"}", 400, "\"field\": \"bounce_sender\""},
    {"PATCH", "/v1/profiles/p", "{\"paused\":true}", 400, "can't be changed"},
    {"PATCH", "/v1/profiles/p", "{\"username\":\"u\",\"password\":\"hush\"}", 200,
	"\"auth\": \"auto\""},
    {"GET", "/v1/profiles/p", NULL, 200, "\"has_password\": true"},
    {"PATCH", "/v1/profiles/p", "{\"tls_verify\":null}", 200, "\"tls_verify\": \"yes\""},
    {"PATCH", "/v1/profiles/p", "{\"username\":null,\"password\":null}", 200,
	"\"has_password\": false"},
    {"POST", "/v1/profiles", "{\"name\":\"trap\",\"capture\":\"trap\"}", 201, "\"port\": null"},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"../x\"}", 400, "dot"},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"a/b\"}", 400, "capture_dir"},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"a\",\"host\":\"h\"}", 400,
	"\"field\": \"capture\""},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"capture\":\"a\",\"tls\":\"none\"}", 400,
	"no such setting"},
    {"POST", "/v1/profiles", "{\"name\":\"q\"}", 400, "needs a host"},
    {"POST", "/v1/profiles", "{\"name\":\"q\",\"provider\":\"gmail\"}", 400,
	"/providers.conf nor the file that the option providers"},
    {"POST", "/v1/profiles/trap/default", NULL, 200, "\"default\": true"},
    {"GET", "/v1/profiles/office", NULL, 200, "\"default\": false"},
    {"PATCH", "/v1/profiles/trap", "{\"default\":false}", 400, "another profile"},
    {"POST", "/v1/profiles/trap/pause", NULL, 200, "\"state\": \"paused\""},
    {"POST", "/v1/profiles/trap/resume", NULL, 200, "\"state\": \"ok\""},
    {"POST", "/v1/profiles/none/resume", NULL, 404, "no profile none"},
    {"PATCH", "/v1/users/billing", "{\"profile\":\"OFFICE\"}", 200, "\"profile\": \"office\""},
    {"DELETE", "/v1/profiles/office", NULL, 409, "in use by the user billing"},
    {"PATCH", "/v1/users/billing", "{\"profile\":null}", 200, "\"profile\": null"},
    {"PATCH", "/v1/lists/Shop", "{\"profile\":\"office\"}", 200, "\"profile\": \"office\""},
    {"DELETE", "/v1/profiles/office", NULL, 409, "in use by the list Shop"},
    {"PATCH", "/v1/lists/Shop", "{\"profile\":\"\"}", 200, "\"profile\": null"},
    {"DELETE", "/v1/profiles/office", NULL, 200, "office"},
    {"DELETE", "/v1/profiles/trap", NULL, 409,
	"trap is the default profile, and the only way out for the user billing: make another"},
    {"DELETE", "/v1/profiles/p", NULL, 200, "\"p\""},
    {"DELETE", "/v1/profiles/trap", NULL, 409, "add another as the default first"},
    {"DELETE", "/v1/users/billing", NULL, 200, "billing"},
    {"DELETE", "/v1/profiles/trap", NULL, 200, "trap"},
    {"DELETE", "/v1/users/billing", NULL, 404, "no user billing"},
    {"DELETE", "/v1/lists/Shop", NULL, 200, "Shop"},
    /* clients */
    {"GET", "/v1/clients", NULL, 200, "[]"},
    {"GET", "/v1/clients?limit=x", NULL, 400, "limit"},
    {"POST", "/v1/clients/192.0.2.1/forgive", NULL, 404, "nothing is held against 192.0.2.1"},
    {"POST", "/v1/clients/2001:db8::%2F64/forgive", NULL, 404, "2001:db8::/64"},
    {"POST", "/v1/clients/shop/forgive", NULL, 400, "not an IP address"},

    /* alerts */
    {"GET", "/v1/alerts", NULL, 200, "[]"},
    {"POST", "/v1/alerts/1/ack", NULL, 404, "no alert 1"},
    {"POST", "/v1/alerts/x/ack", NULL, 404, "no alert x"},
    {"POST", "/v1/alerts/ack", NULL, 200, "\"count\": 0"},
};

static void
check_rows(const struct row *all, size_t count)
{
	for (const struct row *row = all; row < all + count; row++) {
		json_t *json = fixture_call(&fixture, row->method, row->path, row->body);
		char *text = json_dumps(json, 0);

		if (fixture.status != row->status || strstr(text, row->says) == NULL)
			fail_msg("%s %s %s: %u %s, not %u %s", row->method, row->path,
			    row->body == NULL ? "" : row->body, fixture.status, text, row->status,
			    row->says);
		free(text);
		json_decref(json);
	}
}

static void
test_rows(void **state)
{
	check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

#define OAUTH                                                                                      \
	"\"oauth_grant\":\"client\",\"oauth_token_url\":\"https://t.example/\","                   \
	"\"oauth_client_id\":\"c\",\"oauth_client_secret\":\"s\",\"oauth_scope\":\"x\""

/* What belongs to a setting goes with it, and so does a password that nothing uses. */
static const struct row parting_rows[] = {
    {"POST", "/v1/profiles",
	"{\"name\":\"p\",\"host\":\"h\",\"username\":\"u\",\"password\":\"hush\","
	"\"tls\":\"starttls\"}",
	201, "\"has_password\": true"},
    {"PATCH", "/v1/profiles/p", "{" OAUTH ",\"password\":\"hush\"}", 400, "has no use"},
    {"PATCH", "/v1/profiles/p", "{" OAUTH ",\"password\":\"\"}", 200, "\"has_password\": false"},
    {"PATCH", "/v1/profiles/p", "{\"oauth_grant\":\"\",\"password\":\"hush\"}", 200,
	"\"has_password\": true"},
    {"PATCH", "/v1/profiles/p", "{" OAUTH "}", 200,
	"\"notes\": [\"the password was taken away: access tokens take its place\"]"},
    {"PATCH", "/v1/profiles/p", "{\"oauth_grant\":null,\"password\":\"hush\"}", 200,
	"\"has_password\": true"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":\"none\"}", 200, "\"has_password\": false"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"username\": \"u\""},
    {"PATCH", "/v1/profiles/p", "{\"auth\":null}", 400, "needs a password"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":null,\"password\":\"hush\"}", 200,
	"\"has_password\": true"},
    {"PATCH", "/v1/profiles/p", "{\"username\":\"\"}", 200, "nothing logs in with it any more"},
    {"GET", "/v1/profiles/p", NULL, 200, "\"has_password\": false"},
    /* POP3 has use for it */
    {"PATCH", "/v1/profiles/p",
	"{\"pop3_host\":\"pop\",\"pop3_tls\":\"stls\",\"username\":\"u\",\"password\":\"x\"}", 200,
	"\"pop3_port\": 110"},
    {"PATCH", "/v1/profiles/p", "{\"auth\":\"none\"}", 200, "\"has_password\": true"},
    {"PATCH", "/v1/profiles/p",
	"{\"pop3_auth\":\"login\",\"pop3_username\":\"v\",\"pop3_password\":\"y\"}", 200,
	"\"has_pop3_password\": true"},
    {"PATCH", "/v1/profiles/p", "{\"pop3_host\":\"\",\"pop3_tls\":\"stls\"}", 400,
	"of no use without"},
    {"PATCH", "/v1/profiles/p", "{\"pop3_auth\":\"none\"}", 200, "password for POP3 was taken"},
    {"PATCH", "/v1/profiles/p", "{\"pop3_host\":\"\"}", 200, "\"pop3_tls\": null"},
    /* a capture has no upstream */
    {"PATCH", "/v1/profiles/p", "{\"capture\":\"box\"}", 400, "\"field\": \"capture\""},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"\",\"capture\":\"box\"}", 200, "\"tls\": null"},
    {"PATCH", "/v1/profiles/p", "{\"capture\":\"\",\"host\":\"h\"}", 200,
	"\"tls\": \"opportunistic\""},
    /* what the network sees */
    {"PATCH", "/v1/profiles/p",
	"{\"tls\":\"none\",\"username\":\"u\",\"password\":\"x\",\"auth\":null}", 200,
	"\"notes\": [\"the upstream has no TLS: mail goes over the network in clear, and only "
	"methods"},
    {"PATCH", "/v1/profiles/p", "{\"auth_in_clear\":true}", 200,
	"the password and the mail go over the network in clear"},
    {"PATCH", "/v1/profiles/p", "{\"comment\":\"x\"}", 200, "\"name\": \"p\", \"oauth_ca\""},
    /* a kept password for another server */
    {"PATCH", "/v1/profiles/p", "{\"host\":\"other.example\",\"port\":26}", 200,
	"\"the stored password goes to other.example port 26 from now on\"]"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"h\",\"port\":null,\"password\":\"x\"}", 200,
	"go over the network in clear\"]"},
    {"PATCH", "/v1/profiles/p", "{\"tls\":\"starttls\",\"tls_verify\":\"no\"}", 200,
	"\"notes\": [\"nobody looks at the upstream's certificate: who stands in between gets the "
	"password"},
    {"PATCH", "/v1/profiles/p", "{" OAUTH ",\"tls\":\"none\"}", 200,
	"the access token and the mail go over the network"},
    {"PATCH", "/v1/profiles/p", "{\"auth_in_clear\":\"no\"}", 200,
	"no method hides an access token"},
    {"PATCH", "/v1/profiles/p",
	"{\"pop3_host\":\"pop\",\"pop3_tls\":\"none\",\"pop3_auth\":\"login\",\"pop3_password\":"
	"\"x\"}",
	200, "the POP3 server has no TLS"},
    {"PATCH", "/v1/profiles/p", "{\"host\":\"127.0.0.1\",\"pop3_host\":\"\"}", 200,
	"\"name\": \"p\", \"oauth_ca\""},
};

static void
test_what_belongs_together_goes_together(void **state)
{
	check_rows(parting_rows, sizeof(parting_rows) / sizeof(parting_rows[0]));
}

/* One answer of DELETE with so much mail waiting. */
static void
check_removal(struct msg_waiting waiting, const char *path, unsigned status, const char *says)
{
	fixture.waiting = waiting;
	check_rows(
	    &(struct row){.method = "DELETE", .path = path, .status = status, .says = says}, 1);
}

static void
test_profile_that_mail_waits_for_is_not_removed(void **state)
{
	static const struct msg_waiting none = {.is_known = true};

	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"keep\",\"host\":\"h\"}");
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"p\",\"host\":\"h\"}");
	check_removal((struct msg_waiting){.is_known = true, .messages = 1}, "/v1/profiles/p", 409,
	    "\"message\": \"1 message waits for p, and would go through another profile at once, "
	    "if "
	    "there is one for it: hold or remove it first if it must not (queue hold --profile p, "
	    "queue rm --profile p); profile rm p --anyway removes it then\"");
	check_removal((struct msg_waiting){.is_known = true, .messages = 1}, "/v1/profiles/P", 409,
	    "\"code\": \"mail_waits\", \"field\": \"anyway\"");
	/* Counted so far: that is enough to refuse. */
	check_removal((struct msg_waiting){.messages = 2}, "/v1/profiles/p?anyway=0", 409,
	    "2 messages wait for p");
	/* Nobody knows. */
	check_removal((struct msg_waiting){0}, "/v1/profiles/p", 503, "can't be said just now");
	/* Another that bore its name when queue was asked. */
	check_removal((struct msg_waiting){.is_known = true, .profile_id = 4711}, "/v1/profiles/p",
	    503, "can't be said just now");
	check_removal(none, "/v1/profiles/p?anyway=please", 400, "\"field\": \"anyway\"");
	check_removal((struct msg_waiting){.is_known = true, .messages = 1},
	    "/v1/profiles/p?anyway=1", 200, "\"name\": \"p\"");
	check_removal(none, "/v1/profiles/p", 404, "no profile p");
	check_removal(none, "/v1/profiles/keep", 200, "\"name\": \"keep\"");
}

/* While queue is asked somebody else gives the profile a use, or takes it away. */
static void
use_profile(struct fixture *fixture_)
{
	struct msg_call call = {.method = "PATCH", .path = "/v1/users/u"};
	static const char body[] = "{\"profile\":\"p\"}";

	call.body = (struct msg_bytes){(const uint8_t *)body, (uint32_t)strlen(body)};
	api_call(fixture_->api, fixture_->control.near, 0, &call);
}

static void
take_profile_away(struct fixture *fixture_)
{
	api_call(fixture_->api, fixture_->control.near, 0,
	    &(struct msg_call){.method = "DELETE", .path = "/v1/profiles/p?anyway=1"});
}

static void
test_removal_looks_again_behind_the_answer(void **state)
{
	static const struct msg_waiting none = {.is_known = true};

	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"l\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users", "{\"login\":\"u\",\"list\":\"l\"}");
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"keep\",\"host\":\"h\"}");
	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"p\",\"host\":\"h\"}");
	fixture.on_asked = use_profile;
	check_removal(none, "/v1/profiles/p", 409, "in use by the user u");
	fixture.on_asked = NULL;
	fixture_must(&fixture, 200, "PATCH", "/v1/users/u", "{\"profile\":null}");
	fixture.on_asked = take_profile_away;
	check_removal(none, "/v1/profiles/p", 404, "no profile p");
}

static void
on_no_answer(const union message *answer, void *ctx)
{
	assert_null(answer);
	*(bool *)ctx = true;
}

static void
note_asked(struct fixture *fixture_)
{
	fixture_->status = 1;
}

static void
test_removal_while_queue_is_away(void **state)
{
	struct msg_call call = {.method = "DELETE", .path = "/v1/profiles/p"};
	bool has_ended = false;

	fixture_must(&fixture, 201, "POST", "/v1/profiles", "{\"name\":\"p\",\"host\":\"h\"}");
	fixture.parts.queue = NULL;
	check_rows(
	    &(struct row){"DELETE", "/v1/profiles/p", NULL, 503, "can't be said just now"}, 1);
	fixture.parts.queue = fixture.queue.near;
	/* It never answers, and accounts ends meanwhile. */
	fixture.is_mute = true;
	fixture.on_asked = note_asked;
	fixture.status = 0;
	(void)link_request(fixture.control.far, MSG_CALL, &call, 20000, on_no_answer, &has_ended);
	for (int turn = 0; turn < 1000 && fixture.status == 0; turn++)
		loop_turn(fixture.loop, 10);
	assert_int_equal(fixture.status, 1);
	fixture_restart(&fixture);
	for (int turn = 0; turn < 1000 && !has_ended; turn++)
		loop_turn(fixture.loop, 10);
	assert_true(has_ended);
	fixture_must(&fixture, 200, "GET", "/v1/profiles/p", NULL);
}

static void
test_new_user_gets_all_a_client_asks_for(void **state)
{
	json_t *user;
	char *text;

	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"l\"}");
	user = fixture_call(&fixture, "POST", "/v1/users", "{\"login\":\"u\",\"list\":\"l\"}");
	assert_int_equal(fixture.status, 201);
	assert_int_equal(strlen(json_string_value(json_object_get(user, "password"))), 23);
	assert_string_equal(
	    json_string_value(json_object_get(user, "server")), "relay.example.com");
	text = json_dumps(json_object_get(user, "ports"), 0);
	assert_string_equal(text, "[\"587\", \"1025-5000\", \"465\"]");
	free(text);
	text = json_dumps(json_object_get(user, "encryption"), 0);
	assert_string_equal(text, "[\"starttls\", \"starttls\", \"implicit\"]");
	free(text);
	json_decref(user);

	user = fixture_call(&fixture, "GET", "/v1/users/u", NULL);
	assert_null(json_object_get(user, "password"));
	assert_null(json_object_get(user, "verifier"));
	json_decref(user);
}

static void
test_rows_outlive_a_restart(void **state)
{
	json_t *user;

	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"l\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users",
	    "{\"login\":\"u\",\"list\":\"l\",\"domains\":\"a.example\",\"note\":\"hi\"}");
	fixture_restart(&fixture);
	user = fixture_call(&fixture, "GET", "/v1/users/u", NULL);
	assert_int_equal(fixture.status, 200);
	assert_string_equal(json_string_value(json_object_get(user, "note")), "hi");
	json_decref(user);
}

static void
test_ids_are_never_used_again(void **state)
{
	json_t *first, *second;

	first = fixture_call(&fixture, "POST", "/v1/lists", "{\"name\":\"l\"}");
	fixture_must(&fixture, 200, "DELETE", "/v1/lists/l", NULL);
	fixture_restart(&fixture);
	second = fixture_call(&fixture, "POST", "/v1/lists", "{\"name\":\"l\"}");
	assert_string_not_equal(json_string_value(json_object_get(first, "id")),
	    json_string_value(json_object_get(second, "id")));
	json_decref(first);
	json_decref(second);
}

static void
test_broken_database_is_503(void **state)
{
	struct err err;

	assert_true(db_run(fixture.parts.db, "DROP TABLE user", NULL, 0, NULL, NULL, &err) >= 0);
	fixture_must(&fixture, 503, "GET", "/v1/users", NULL);
	fixture_must(&fixture, 503, "GET", "/v1/users/u", NULL);
}

struct tally {
	unsigned answered, busy;
};

static void
count_result(const union message *message, void *ctx)
{
	struct tally *tally = ctx;
	json_t *json;

	assert_non_null(message);
	tally->answered++;
	if (message->result.status != 503)
		return;
	json =
	    json_loadb((const char *)message->result.body.at, message->result.body.size, 0, NULL);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(json, "error"), "code")), "busy");
	json_decref(json);
	tally->busy++;
}

static void
test_too_many_derivations_are_refused(void **state)
{
	struct msg_call call = {.method = "POST", .path = "/v1/users/u/reset-password"};
	struct tally tally = {0};

	fixture_must(&fixture, 201, "POST", "/v1/lists", "{\"name\":\"l\"}");
	fixture_must(&fixture, 201, "POST", "/v1/users", "{\"login\":\"u\",\"list\":\"l\"}");
	/* One thread and four that wait: of twenty at once some must be refused. */
	for (int i = 0; i < 20; i++)
		(void)link_request(
		    fixture.control.far, MSG_CALL, &call, 20000, count_result, &tally);
	for (int turn = 0; turn < 2000 && tally.answered < 20; turn++)
		loop_turn(fixture.loop, 10);
	assert_int_equal(tally.answered, 20);
	assert_true(tally.busy > 0 && tally.busy < 20);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_rows),
	    TEST(test_what_belongs_together_goes_together),
	    TEST(test_profile_that_mail_waits_for_is_not_removed),
	    TEST(test_removal_looks_again_behind_the_answer),
	    TEST(test_removal_while_queue_is_away),
	    TEST(test_new_user_gets_all_a_client_asks_for),
	    TEST(test_rows_outlive_a_restart),
	    TEST(test_ids_are_never_used_again),
	    TEST(test_broken_database_is_503),
	    TEST(test_too_many_derivations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
