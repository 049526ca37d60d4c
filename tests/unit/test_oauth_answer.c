/* What a token server says: a token, a code for a person, or a reason in words. */
#include "daemon/relay/oauth_answer.h"

#include "common/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct http_answer
answer_of(unsigned status, const char *body)
{
	return (struct http_answer){.status = status,
	    .body = {(const uint8_t *)body, (uint32_t)strlen(body)},
	    .problem = "login.example: connection refused"};
}

static struct oauth_request
request_of(enum oauth_grant grant)
{
	return (struct oauth_request){.grant = grant,
	    .url = "https://login.example/token",
	    .profile = "office",
	    .secrets = {"app-secret", "refresh-1"}};
}

/* `token/refresh life refresh_life`, or `later|refused|pending|slow: reason`. */
static char *
read_token(enum oauth_grant grant, unsigned status, const char *body)
{
	static const char *const verdicts[] = {"pending", "slow", "later", "refused"};
	struct oauth_request request = request_of(grant);
	struct http_answer answer = answer_of(status, body);
	struct oauth_result result;
	struct oauth_failure failure;
	char *text;

	if (oauth_read_token(&request, &answer, &result, &failure) == 0)
		text = xasprintf("%s/%s %lld %lld", result.access_token,
		    result.refresh_token != NULL ? result.refresh_token : "",
		    (long long)result.life_s, (long long)result.refresh_life_s);
	else
		text = xasprintf("%s: %s", verdicts[failure.verdict], failure.reason);
	oauth_result_fini(&result);
	return text;
}

struct row {
	enum oauth_grant grant;
	unsigned status;
	const char *body;
	const char *expected; /* a part, or all of it if it begins with = */
};

static const struct row rows[] = {
    {GRANT_REFRESH, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":3599}",
	"=a/ 3599 0"},
    {GRANT_REFRESH, 200,
	"{\"access_token\":\"a\",\"token_type\":\"bearer\",\"expires_in\":\"3599\","
	"\"refresh_token\":\"r\",\"refresh_token_expires_in\":86400,\"scope\":\"x\"}",
	"=a/r 3599 86400"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}", "=a/ 3600 0"},
    {GRANT_CLIENT, 200,
	"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":99999999999}",
	"=a/ 604800 0"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":3599.5}",
	"=a/ 3599 0"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"refresh_token\":null}",
	"=a/ 3600 0"},
    /* what makes no sense passes, or is the server's fault for long */
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":0}",
	"later: token server login.example: expires_in"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":\"x\"}",
	"later: token server login.example: expires_in"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":-5}",
	"later: token server login.example: expires_in"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":{}}",
	"later: token server login.example: expires_in"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"token_type\":\"mac\"}", "refused: "},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\"}", "refused: "},
    {GRANT_CLIENT, 200, "{\"access_token\":\"\",\"token_type\":\"Bearer\"}", "no access_token"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\\u0001b\",\"token_type\":\"Bearer\"}",
	"no access_token"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a b\",\"token_type\":\"Bearer\"}", "no access_token"},
    {GRANT_CLIENT, 200, "{\"access_token\":5,\"token_type\":\"Bearer\"}", "no access_token"},
    {GRANT_CLIENT, 200,
	"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"refresh_token\":\"\\n\"}",
	"later: token server login.example: the answer's refresh_token"},
    {GRANT_CLIENT, 200, "{\"access_token\":\"a\",\"access_token\":\"b\"}", "not a JSON object"},
    {GRANT_CLIENT, 200, "[\"access_token\"]", "not a JSON object"},
    {GRANT_CLIENT, 200, "<html>welcome</html>", "later: token server login.example: the answer"},
    {GRANT_CLIENT, 200, "", "not a JSON object"},
    {GRANT_CLIENT, 200, "[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]", "not a JSON object"},
    {GRANT_CLIENT, 200, "{\"a\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\",\"error\":\"invalid_client\"}",
	"refused: token server login.example: invalid_client"},
    /* it passes */
    {GRANT_REFRESH, 500, "{\"error\":\"invalid_grant\"}",
	"=later: token server login.example: HTTP status 500"},
    {GRANT_REFRESH, 503, "oops", "later: token server login.example: HTTP status 503"},
    {GRANT_REFRESH, 429, "{}", "later: token server login.example: HTTP status 429"},
    {GRANT_REFRESH, 0, "", "later: token server login.example: connection refused"},
    {GRANT_REFRESH, 403, "<html>", "later: token server login.example: HTTP status 403"},
    {GRANT_REFRESH, 400, "{\"error\":\"temporarily_unavailable\"}", "later: "},
    {GRANT_REFRESH, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS90033: A transient error\"}",
	"later: "},
    {GRANT_REFRESH, 400, "{\"error\":\"slow_down\"}", "later: "},
    /* it doesn't */
    {GRANT_REFRESH, 302, "", "refused: token server login.example: HTTP status 302: it points"},
    {GRANT_REFRESH, 404, "<html>", "refused: token server login.example: HTTP status 404: there"},
    {GRANT_REFRESH, 400, "{\"error\":\"invalid_grant\"}",
	"log in again, and enter the new refresh token: posternctl profile set office"},
    {GRANT_DEVICE, 400, "{\"error\":\"invalid_grant\"}",
	"log in again: posternctl profile login office."},
    {GRANT_DEVICE, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS700082: The refresh token has "
	"expired due to inactivity.\"}",
	"not used for too long: log in again: posternctl profile login office."},
    {GRANT_DEVICE, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS7000825: some other one\"}",
	"of no use any more"},
    {GRANT_CLIENT, 401,
	"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
	"secret provided.\"}",
	"enter the secret's value, not its ID"},
    {GRANT_CLIENT, 401,
	"{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000222: expired\"}",
	"The client secret has expired"},
    {GRANT_CLIENT, 400,
	"{\"error\":\"unauthorized_client\",\"error_description\":\"AADSTS700016: not found\"}",
	"The tenant does not know the application"},
    {GRANT_CLIENT, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS65001: no consent\"}",
	"Give the application SMTP.SendAsApp"},
    {GRANT_REFRESH, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS65001: no consent\"}",
	"admin consent for SMTP.Send"},
    {GRANT_CLIENT, 400,
	"{\"error\":\"invalid_scope\",\"error_description\":\"AADSTS1002012: scope\"}",
	"https://outlook.office365.com/.default"},
    {GRANT_SERVICE_ACCOUNT, 401,
	"{\"error\":\"unauthorized_client\",\"error_description\":\"Client is unauthorized\"}",
	"domain-wide delegation"},
    {GRANT_SERVICE_ACCOUNT, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT Signature.\"}",
	"The key of the service account"},
    {GRANT_SERVICE_ACCOUNT, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid email or User ID\"}",
	"There is no such user"},
    {GRANT_SERVICE_ACCOUNT, 400,
	"{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: check your iat and "
	"exp\"}",
	"clock is wrong"},
    {GRANT_CLIENT, 400, "{\"error\":\"consent_required\"}", "grant admin consent"},
    {GRANT_CLIENT, 400, "{\"error\":\"something_new\"}", "refused: "},
    {GRANT_CLIENT, 200, "{\"error\":\"invalid_client\"}", "refused: "},
    /* of a device */
    {GRANT_DEVICE, 400, "{\"error\":\"authorization_pending\"}", "pending: "},
    {GRANT_DEVICE, 400, "{\"error\":\"slow_down\"}", "slow: "},
    {GRANT_DEVICE, 400, "{\"error\":\"expired_token\"}", "refused: "},
    {GRANT_DEVICE, 400, "{\"error\":\"access_denied\"}", "declined in the browser"},
    {GRANT_DEVICE, 400, "{\"error\":\"authorization_declined\"}", "declined in the browser"},
};

static void
test_token(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *expected = rows[i].expected;
		char *found = read_token(rows[i].grant, rows[i].status, rows[i].body);
		bool is_good = expected[0] == '=' ? strcmp(found, expected + 1) == 0
						  : strstr(found, expected) != NULL;

		if (!is_good)
			fail_msg("%u %s: %s", rows[i].status, rows[i].body, found);
		free(found);
	}
}

/* A server that repeats what it was told, or writes to terminals. */
static void
test_words_are_cleaned(void **state)
{
	char *found = read_token(GRANT_REFRESH, 400,
	    "{\"error\":\"app-secret\",\"error_description\":\"refresh-1 is\\u001b[2J bad: "
	    "app-secret, abc\"}");

	assert_null(strstr(found, "app-secret"));
	assert_null(strstr(found, "refresh-1"));
	assert_null(strchr(found, '\x1b'));
	assert_non_null(strstr(found, "bad: **********, abc"));
	free(found);
}

static void
test_words_are_cut(void **state)
{
	char body[20000] = "{\"error\":\"", *found;

	memset(body + strlen(body), 'e', 5000);
	strcat(body, "\",\"error_description\":\"");
	memset(body + strlen(body), 'd', 9000);
	strcat(body, "\"}");
	found = read_token(GRANT_REFRESH, 400, body);
	assert_true(strlen(found) < 700);
	free(found);
}

static void
test_token_sizes(void **state)
{
	static char body[2 * OAUTH_TOKEN_MAX];
	char *found;

	for (unsigned over = 0; over < 2; over++) {
		size_t start;

		strcpy(body, "{\"token_type\":\"Bearer\",\"access_token\":\"");
		start = strlen(body);
		memset(body + start, 't', OAUTH_TOKEN_MAX + over);
		strcpy(body + start + OAUTH_TOKEN_MAX + over, "\"}");
		found = read_token(GRANT_CLIENT, 200, body);
		assert_int_equal(found[0], over ? 'l' : 't');
		free(found);
	}
}

/* ---- the login of a device ---- */

static char *
read_device(const char *body)
{
	struct oauth_request request = request_of(GRANT_DEVICE);
	struct http_answer answer = answer_of(200, body);
	struct oauth_device device;
	struct oauth_failure failure;
	char *text;

	if (oauth_read_device(&request, &answer, &device, &failure) == 0)
		text = xasprintf("%s %s %s %s %lld %lld", device.device_code, device.user_code,
		    device.url, device.url_complete != NULL ? device.url_complete : "-",
		    (long long)device.life_s, (long long)device.interval_s);
	else
		text = xstrdup(failure.reason);
	oauth_device_fini(&device);
	return text;
}

static void
test_device(void **state)
{
	static const struct {
		const char *body, *expected;
	} devices[] = {
	    {"{\"device_code\":\"d\",\"user_code\":\"AB CD\",\"verification_uri\":"
	     "\"https://m.example/d\",\"expires_in\":900,\"interval\":5}",
		"d AB CD https://m.example/d - 900 5"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_url\":"
	     "\"https://g.example/d\",\"expires_in\":\"1800\",\"verification_uri_complete\":"
	     "\"https://g.example/d?c=A\"}",
		"d A https://g.example/d https://g.example/d?c=A 1800 5"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":"
	     "\"https://m.example/d\",\"expires_in\":999999,\"interval\":0}",
		"d A https://m.example/d - 3600 1"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":"
	     "\"javascript:alert(1)\",\"expires_in\":900}",
		"not the beginning"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\\u001b[2J\",\"verification_uri\":"
	     "\"https://m.example/d\",\"expires_in\":900}",
		"not the beginning"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":"
	     "\"https://m.example/d\"}",
		"not the beginning"},
	    {"{\"device_code\":\"d\",\"user_code\":\"A\",\"verification_uri\":"
	     "\"https://m.example/d\",\"expires_in\":900,\"interval\":-1}",
		"not the beginning"},
	    {"{\"user_code\":\"A\",\"verification_uri\":\"https://m.example/d\",\"expires_in\":9}",
		"not the beginning"},
	};

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		char *found = read_device(devices[i].body);

		if (strstr(found, devices[i].expected) == NULL)
			fail_msg("%s: %s", devices[i].body, found);
		free(found);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_words_are_cleaned),
	    cmocka_unit_test(test_words_are_cut),
	    cmocka_unit_test(test_token_sizes),
	    cmocka_unit_test(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
