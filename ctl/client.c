/* client - libcurl on the control socket, and words for what can be wrong with that socket. */
#include "ctl/client.h"

#include "common/xalloc.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#define CONNECT_WITHIN_S 10L
#define ANSWER_WITHIN_S (16 * 60L) /* the daemon has its own, shorter deadlines for each call */
#define ANSWER_MAX (8u << 20)

struct client {
	CURL *curl;
	struct curl_slist *headers;
	char *socket_path;
};

struct client *
client_open(const char *socket_path)
{
	struct client *client = xcalloc(1, sizeof(*client));

	client->socket_path = xstrdup(socket_path);
	client->curl = curl_easy_init();
	ensure(client->curl != NULL);
	/* No `Expect: 100-continue`: it would cost a second when nobody answers it. */
	client->headers = curl_slist_append(NULL, "Expect:");
	client->headers = curl_slist_append(client->headers, "Content-Type: application/json");
	return client;
}

void
client_close(struct client *client)
{
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	free(client->socket_path);
	free(client);
}

void
answer_fini(struct answer *answer)
{
	buf_fini(&answer->body);
}

/* Takes whole lines out of what has come. */
static void
hand_over_lines(struct answer *answer)
{
	struct buf *body = &answer->body;
	char *end;

	while (body->size > 0 && (end = memchr(body->bytes, '\n', body->size)) != NULL) {
		size_t size = (size_t)(end - body->bytes) + 1;

		*end = '\0';
		answer->on_line(body->bytes, answer->ctx);
		body->size -= size;
		memmove(body->bytes, end + 1, body->size);
	}
}

static size_t
on_bytes(char *bytes, size_t unit, size_t count, void *ctx)
{
	struct answer *answer = ctx;

	if (answer->body.size + count > ANSWER_MAX)
		return 0;
	buf_append(&answer->body, bytes, unit * count);
	if (answer->on_line != NULL)
		hand_over_lines(answer);
	return count;
}

static const char *
socket_group(const struct client *client, char *buffer, size_t size)
{
	struct stat status;
	const struct group *group;

	if (stat(client->socket_path, &status) == 0 && (group = getgrgid(status.st_gid)) != NULL)
		(void)snprintf(buffer, size, "%s", group->gr_name);
	else
		(void)snprintf(buffer, size, "that postern.conf names as admin_group");
	return buffer;
}

static int
describe_unreachable(const struct client *client, CURLcode code, struct err *err_out)
{
	long cause = 0;
	char group[256];

	if (code != CURLE_COULDNT_CONNECT)
		return err_set(err_out, "%s: no answer from posternd: %s", client->socket_path,
		    curl_easy_strerror(code));
	(void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &cause);
	switch ((int)cause) {
	case ENOENT:
		return err_set(err_out,
		    "%s: there is no such socket: posternd is not running, or its run_dir is "
		    "another one (name the socket with -s)",
		    client->socket_path);
	case ECONNREFUSED:
		return err_set(err_out, "%s: nobody listens: posternd is not running; start it",
		    client->socket_path);
	case EACCES:
	case EPERM:
		return err_set(err_out,
		    "%s: permission denied: it takes root or a member of the group %s",
		    client->socket_path, socket_group(client, group, sizeof(group)));
	default:
		return err_set(err_out, "%s: can't connect to posternd: %s", client->socket_path,
		    cause == 0 ? curl_easy_strerror(code) : strerror((int)cause));
	}
}

static void
set_options(struct client *client, const char *method, const char *url, const char *body,
    struct answer *answer)
{
	CURL *curl = client->curl;

	curl_easy_reset(curl); /* keeps the connection */
	(void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket_path);
	(void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(curl, CURLOPT_URL, url);
	(void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
	(void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_WITHIN_S);
	(void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_WITHIN_S);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	(void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (strcmp(method, "GET") == 0)
		return;
	(void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body == NULL ? "" : body);
	(void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static int
call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer_out, struct err *err_out)
{
	char *url = xasprintf("http://localhost%s", path);
	char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	CURLcode code;

	if (strlen(client->socket_path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		free(url);
		free(text);
		return err_set(
		    err_out, "%s: the name is too long for a socket", client->socket_path);
	}
	buf_init(&answer_out->body);
	set_options(client, method, url, text, answer_out);
	code = curl_easy_perform(client->curl);
	(void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer_out->status);
	free(url);
	if (text != NULL)
		explicit_bzero(text, strlen(text)); /* it may hold a password */
	free(text);
	if (code == CURLE_OK)
		return 0;
	answer_fini(answer_out);
	return describe_unreachable(client, code, err_out);
}

int
client_call(struct client *client, const char *method, const char *path, const json_t *body,
    struct answer *answer_out, struct err *err_out)
{
	*answer_out = (struct answer){0};
	return call(client, method, path, body, answer_out, err_out);
}

int
client_stream(struct client *client, const char *path, const json_t *body,
    void (*on_line)(const char *line, void *ctx), void *ctx, struct answer *answer_out,
    struct err *err_out)
{
	*answer_out = (struct answer){.on_line = on_line, .ctx = ctx};
	return call(client, "POST", path, body, answer_out, err_out);
}

static void
append_encoded(struct buf *path, const char *name)
{
	for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; at++) {
		bool is_plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') ||
				(*at >= 'a' && *at <= 'z') || *at == '-' || *at == '_';

		if (is_plain)
			buf_char(path, (char)*at);
		else
			buf_printf(path, "%%%02X", *at);
	}
}

char *
client_path(const char *const *parts)
{
	struct buf path;

	buf_init(&path);
	for (size_t i = 0; parts[i] != NULL; i++) {
		if (i % 2 == 1)
			append_encoded(&path, parts[i]);
		else
			buf_text(&path, parts[i]);
	}
	return buf_give(&path);
}
