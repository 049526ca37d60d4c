/* oauth_answer - JSON, bounded, into a token or a reason. */
#include "daemon/relay/oauth_answer.h"

#include "common/buf.h"
#include "common/url.h"
#include "common/utf8.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16
#define ERROR_MAX 64
#define DESCRIPTION_MAX 240
#define LIFE_DEFAULT_S 3600 /* where the server says nothing */
#define LIFE_MAX_S (7 * 86400)
#define REFRESH_LIFE_MAX_S (INT64_C(10) * 365 * 86400)
#define CODE_MAX 1024
#define CODE_LIFE_MAX_S 3600
#define INTERVAL_DEFAULT_S 5 /* RFC 8628 3.2 */
#define INTERVAL_MAX_S 120
#define SECRET_MIN 4 /* shorter ones stand in words that nobody means */

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* ---- JSON ---- */

/* The parser calls itself for each level. */
static bool
is_shallow(const char *at, size_t size)
{
	bool is_text = false;
	int depth = 0;

	for (size_t i = 0; i < size; i++) {
		if (is_text && at[i] == '\\')
			i++;
		else if (at[i] == '"')
			is_text = !is_text;
		else if (!is_text && (at[i] == '{' || at[i] == '[') && ++depth > DEPTH_MAX)
			return false;
		else if (!is_text && (at[i] == '}' || at[i] == ']'))
			depth--;
	}
	return true;
}

/* An object, or NULL. */
static json_t *
parse(struct msg_bytes body)
{
	json_t *json = NULL;

	if (body.size > 0 && is_shallow((const char *)body.at, body.size))
		json = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* Visible ASCII (RFC 6749 appendix A), so that it can stand in a header or a SASL message. */
static bool
is_token(const char *text, size_t max)
{
	if (*text == '\0' || strlen(text) > max)
		return false;
	for (; *text != '\0'; text++)
		if (!isgraph((unsigned char)*text))
			return false;
	return true;
}

/* A number, also as a text of digits, as some servers have it. -1: it is neither. */
static int64_t
seconds_of(const json_t *object, const char *name, int64_t otherwise, int64_t max)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	int64_t seconds = -1;

	if (value == NULL || json_is_null(value))
		return otherwise;
	if (json_is_integer(value))
		seconds = json_integer_value(value);
	else if (json_is_real(value) && json_real_value(value) >= 1 &&
		 json_real_value(value) < (double)max)
		seconds = (int64_t)json_real_value(value);
	else if (text != NULL && *text != '\0' && strlen(text) < 12 &&
		 strspn(text, "0123456789") == strlen(text))
		seconds = strtoll(text, NULL, 10);
	return seconds < max ? seconds : max;
}

/* ---- reasons ---- */

static void
hide(char *text, const char *secret)
{
	size_t size = secret != NULL ? strlen(secret) : 0;

	if (size < SECRET_MIN)
		return;
	for (; (text = strstr(text, secret)) != NULL; text += size)
		memset(text, '*', size);
}

static void
append_foreign(struct buf *out, const struct oauth_request *request, const char *text, size_t max)
{
	char *copy = xstrdup(text);

	for (size_t i = 0; i < sizeof(request->secrets) / sizeof(request->secrets[0]); i++)
		hide(copy, request->secrets[i]);
	utf8_append_clean(out, copy, utf8_cut(copy, strlen(copy), max));
	free(copy);
}

static void
append_login(struct buf *out, const struct oauth_request *request)
{
	if (request->grant == GRANT_DEVICE)
		buf_printf(out, ": posternctl profile login %s.", request->profile);
	else
		buf_printf(out,
		    ", and enter the new refresh token: posternctl profile set %s "
		    "--oauth-refresh-token-stdin.",
		    request->profile);
}

static int fail(struct oauth_failure *failure, const struct oauth_request *request,
    enum oauth_verdict verdict, const char *format, ...) __attribute__((format(printf, 4, 5)));

static int
fail(struct oauth_failure *failure, const struct oauth_request *request, enum oauth_verdict verdict,
    const char *format, ...)
{
	struct url url;
	char what[OAUTH_REASON_SIZE - 150];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	failure->verdict = verdict;
	if (url_parse(request->url, &url, NULL) != 0)
		url.host[0] = '\0';
	(void)snprintf(
	    failure->reason, sizeof(failure->reason), "token server %.100s: %s", url.host, what);
	return -1;
}

/* RFC 6749 5.2 */
static int
fail_error(struct oauth_failure *failure, const struct oauth_request *request, const json_t *json)
{
	const char *error = text_of(json, "error");
	const char *description = text_of(json, "error_description");
	struct oauth_meaning meaning = oauth_error_meaning(request->grant, error, description);
	size_t length = strlen(meaning.advice);
	struct buf words;
	int rc;

	buf_init(&words);
	append_foreign(&words, request, error, ERROR_MAX);
	if (*description != '\0') {
		buf_text(&words, ": ");
		append_foreign(&words, request, description, DESCRIPTION_MAX);
	}
	if (length > 0)
		buf_printf(&words, ". %s", meaning.advice);
	if (meaning.needs_login && length > 0 && meaning.advice[length - 1] != '.')
		append_login(&words, request);
	rc = fail(failure, request, meaning.verdict, "%s", words.bytes);
	buf_fini(&words);
	return rc;
}

static int
fail_status(struct oauth_failure *failure, const struct oauth_request *request, unsigned status)
{
	if (status >= 300 && status < 400)
		return fail(failure, request, OAUTH_REFUSED,
		    "HTTP status %u: it points elsewhere, which is not followed. Look at the "
		    "URL (--oauth-token-url, --oauth-device-url).",
		    status);
	if (status == 404 || status == 405 || status == 410)
		return fail(failure, request, OAUTH_REFUSED,
		    "HTTP status %u: there is no token service at this place. Look at the URL "
		    "(--oauth-token-url, --oauth-device-url).",
		    status);
	return fail(failure, request, OAUTH_LATER, "HTTP status %u", status);
}

/* The JSON of a good answer, or NULL and a failure. */
static json_t *
read_good(const struct oauth_request *request, const struct http_answer *answer,
    struct oauth_failure *failure_out)
{
	unsigned status = answer->status;
	json_t *json;

	*failure_out = (struct oauth_failure){.retry_after_ms = answer->retry_after_ms};
	if (status == 0) {
		failure_out->verdict = OAUTH_LATER;
		(void)snprintf(failure_out->reason, sizeof(failure_out->reason), "token server %s",
		    answer->problem);
		return NULL;
	}
	json = parse(answer->body);
	if (status == 429 || status == 408 || status >= 500)
		(void)fail(failure_out, request, OAUTH_LATER, "HTTP status %u", status);
	else if (status == 200 && json != NULL && *text_of(json, "error") == '\0')
		return json;
	else if (*text_of(json, "error") != '\0')
		(void)fail_error(failure_out, request, json);
	else if (status == 200)
		(void)fail(failure_out, request, OAUTH_LATER, "the answer is not a JSON object");
	else
		(void)fail_status(failure_out, request, status);
	json_decref(json);
	return NULL;
}

/* ---- tokens ---- */

static int
check_token(const struct oauth_request *request, const json_t *json,
    const struct oauth_result *result, struct oauth_failure *failure_out)
{
	const json_t *refresh = json_object_get(json, "refresh_token");

	if (!is_token(text_of(json, "access_token"), OAUTH_TOKEN_MAX))
		return fail(failure_out, request, OAUTH_LATER,
		    "the answer has no access_token that can be used");
	if (strcasecmp(text_of(json, "token_type"), "Bearer") != 0)
		return fail(failure_out, request, OAUTH_REFUSED,
		    "its tokens are not of type Bearer: no mail server could be logged in to with "
		    "them");
	if (result->life_s < 1)
		return fail(failure_out, request, OAUTH_LATER, "expires_in makes no sense");
	if (refresh != NULL && !json_is_null(refresh) &&
	    !is_token(text_of(json, "refresh_token"), OAUTH_REFRESH_TOKEN_MAX))
		return fail(
		    failure_out, request, OAUTH_LATER, "the answer's refresh_token can't be used");
	return 0;
}

int
oauth_read_token(const struct oauth_request *request, const struct http_answer *answer,
    struct oauth_result *result_out, struct oauth_failure *failure_out)
{
	json_t *json = read_good(request, answer, failure_out);
	const char *refresh = text_of(json, "refresh_token");

	*result_out = (struct oauth_result){0};
	if (json == NULL)
		return -1;
	result_out->life_s = seconds_of(json, "expires_in", LIFE_DEFAULT_S, LIFE_MAX_S);
	result_out->refresh_life_s =
	    seconds_of(json, "refresh_token_expires_in", 0, REFRESH_LIFE_MAX_S);
	if (result_out->refresh_life_s < 0)
		result_out->refresh_life_s = 0;
	if (check_token(request, json, result_out, failure_out) != 0) {
		json_decref(json);
		return -1;
	}
	result_out->access_token = xstrdup(text_of(json, "access_token"));
	result_out->refresh_token = *refresh != '\0' ? xstrdup(refresh) : NULL;
	json_decref(json);
	return 0;
}

void
oauth_result_fini(struct oauth_result *result)
{
	wipe(result->access_token);
	wipe(result->refresh_token);
	*result = (struct oauth_result){0};
}

/* ---- the login of a device ---- */

/* Google has verification_url. A person is to open it: it must be one. */
static const char *
url_of(const json_t *json, const char *name, const char *old_name)
{
	const char *text = text_of(json, name);
	struct url url;

	if (*text == '\0')
		text = text_of(json, old_name);
	return *text != '\0' && url_parse(text, &url, NULL) == 0 ? text : NULL;
}

/* Shown to a person, who types it. */
static bool
is_user_code(const char *text)
{
	if (*text == '\0' || strlen(text) > 64)
		return false;
	for (; *text != '\0'; text++)
		if (!isprint((unsigned char)*text))
			return false;
	return true;
}

static int
take_device(const struct oauth_request *request, const json_t *json, struct oauth_device *device,
    struct oauth_failure *failure_out)
{
	const char *url = url_of(json, "verification_uri", "verification_url");
	const char *complete = url_of(json, "verification_uri_complete", "");

	device->life_s = seconds_of(json, "expires_in", -1, CODE_LIFE_MAX_S);
	device->interval_s = seconds_of(json, "interval", INTERVAL_DEFAULT_S, INTERVAL_MAX_S);
	if (!is_token(text_of(json, "device_code"), CODE_MAX) ||
	    !is_user_code(text_of(json, "user_code")) || url == NULL || device->life_s < 1 ||
	    device->interval_s < 0)
		return fail(failure_out, request, OAUTH_LATER,
		    "the answer is not the beginning of a device's login (device_code, user_code, "
		    "verification_uri, expires_in). Look at --oauth-device-url");
	if (device->interval_s == 0)
		device->interval_s = 1;
	device->device_code = xstrdup(text_of(json, "device_code"));
	device->user_code = xstrdup(text_of(json, "user_code"));
	device->url = xstrdup(url);
	device->url_complete = complete != NULL ? xstrdup(complete) : NULL;
	return 0;
}

int
oauth_read_device(const struct oauth_request *request, const struct http_answer *answer,
    struct oauth_device *device_out, struct oauth_failure *failure_out)
{
	json_t *json = read_good(request, answer, failure_out);
	int rc;

	*device_out = (struct oauth_device){0};
	if (json == NULL)
		return -1;
	rc = take_device(request, json, device_out, failure_out);
	json_decref(json);
	return rc;
}

void
oauth_device_fini(struct oauth_device *device)
{
	wipe(device->device_code);
	wipe(device->user_code);
	free(device->url);
	free(device->url_complete);
	*device = (struct oauth_device){0};
}
