/* Addresses of token servers: what is taken, and what is found in them. */
#include "common/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *text;
	const char *expected; /* scheme host port, or a part of the error */
} rows[] = {
    {"https://oauth2.googleapis.com/token", "https oauth2.googleapis.com 443"},
    {"HTTPS://login.example", "https login.example 443"},
    {"https://login.example:8443/a/b?c=d", "https login.example 8443"},
    {"https://login.example?c=d", "https login.example 443"},
    {"https://192.0.2.1/t", "https 192.0.2.1 443"},
    {"https://[2001:db8::1]:1/t", "https 2001:db8::1 1"},
    {"http://127.0.0.1:8080/token", "http 127.0.0.1 8080"},
    {"http://[::1]/token", "http ::1 80"},
    {"http://127.9.9.9/token", "http 127.9.9.9 80"},
    {"http://localhost/token", "http:// is allowed to"},
    {"http://login.example/token", "http:// is allowed to"},
    {"http://192.0.2.1/token", "http:// is allowed to"},
    {"", "must begin with https://"},
    {"ftp://login.example/", "must begin with https://"},
    {"https//login.example/", "must begin with https://"},
    {"file:///etc/passwd", "must begin with https://"},
    {"https://", "its host must be"},
    {"https:///token", "its host must be"},
    {"https://:443/", "its host must be"},
    {"https://login..example/", "its host must be"},
    {"https://0x7f000001/", "its host must be"},
    {"https://2130706433/", "its host must be"},
    {"https://127.1/", "its host must be"},
    {"https://l\xc3\xb6gin.example/", "printable ASCII"},
    {"https://[::1/", "no ]"},
    {"https://[127.0.0.1]/", "its host must be"},
    {"https://[::ffff:127.0.0.1]/", "its host must be"},
    {"https://login.example:/", "port"},
    {"https://login.example:0/", "port"},
    {"https://login.example:65536/", "port"},
    {"https://login.example:44a/", "port"},
    {"https://[::1]443/", "port"},
    {"https://user@login.example/", "without blanks"},
    {"https://login.example#@evil.example/", "without blanks"},
    {"https://login.example\\@evil.example/", "without blanks"},
    {"https://login.example/a b", "without blanks"},
    {"https://login.example/\r\nHost: x", "without blanks"},
};

static void
test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char found[600];
		struct url url;
		struct err err;

		if (url_parse(rows[i].text, &url, &err) == 0)
			(void)snprintf(found, sizeof(found), "%s %s %u",
			    url.is_https ? "https" : "http", url.host, url.port);
		else
			(void)snprintf(found, sizeof(found), "%s", err.text);
		if (strstr(found, rows[i].expected) == NULL)
			fail_msg("%s: %s", rows[i].text, found);
	}
}

static void
test_length(void **state)
{
	char text[URL_SIZE + 1] = "https://login.example/";
	struct url url;
	struct err err;

	memset(text + strlen(text), 'a', sizeof(text) - 1 - strlen(text));
	text[URL_SIZE] = '\0';
	assert_int_equal(url_parse(text, &url, &err), -1);
	text[URL_SIZE - 1] = '\0';
	assert_int_equal(url_parse(text, &url, &err), 0);
	(void)snprintf(text, sizeof(text), "https://%0255d.example/", 0);
	assert_int_equal(url_parse(text, &url, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
