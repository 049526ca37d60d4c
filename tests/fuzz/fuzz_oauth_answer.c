/* Answers of a token server, as a grant and an HTTP status (two bytes) and a body. */
#include "daemon/relay/oauth_answer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const unsigned statuses[] = {200, 400, 401, 302, 404, 429, 500, 0};

static void
check_visible(const char *text, size_t max)
{
	ensure(*text != '\0' && strlen(text) <= max);
	for (; *text != '\0'; text++)
		ensure(isgraph((unsigned char)*text));
}

static void
check_token(const struct oauth_request *request, const struct http_answer *answer)
{
	struct oauth_result result;
	struct oauth_failure failure;

	if (oauth_read_token(request, answer, &result, &failure) == 0) {
		ensure(answer->status == 200);
		check_visible(result.access_token, OAUTH_TOKEN_MAX);
		if (result.refresh_token != NULL)
			check_visible(result.refresh_token, OAUTH_REFRESH_TOKEN_MAX);
		ensure(result.life_s > 0 && result.refresh_life_s >= 0);
	} else {
		ensure(failure.reason[0] != '\0' && strstr(failure.reason, "hush hush") == NULL);
	}
	oauth_result_fini(&result);
}

static void
check_device(const struct oauth_request *request, const struct http_answer *answer)
{
	struct oauth_device device;
	struct oauth_failure failure;

	if (oauth_read_device(request, answer, &device, &failure) == 0) {
		check_visible(device.device_code, 1024);
		ensure(strncasecmp(device.url, "http", 4) == 0);
		ensure(device.life_s > 0 && device.interval_s > 0);
	} else {
		ensure(failure.reason[0] != '\0' && strstr(failure.reason, "hush hush") == NULL);
	}
	oauth_device_fini(&device);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct oauth_request request = {
	    .url = "https://login.example/token", .profile = "office", .secrets = {"hush hush"}};
	struct http_answer answer = {.problem = "login.example: no answer"};

	if (size < 2)
		return 0;
	request.grant = GRANT_REFRESH + bytes[0] % 4;
	answer.status = statuses[bytes[1] % 8];
	answer.body = (struct msg_bytes){bytes + 2, (uint32_t)(size - 2)};
	check_token(&request, &answer);
	check_device(&request, &answer);
	return 0;
}
