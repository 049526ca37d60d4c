/* http - libcurl's multi interface, its sockets and its clock on our loop. */
#include "daemon/relay/http.h"

#include "common/buf.h"
#include "common/list.h"
#include "common/netaddr.h"
#include "common/url.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000L
#define HEADERS_MAX (32u * 1024)
#define RETRY_AFTER_MAX_S 3600

struct http {
	struct loop *loop;
	struct dns *dns;
	CURLM *multi;
	struct timer *clock;
	struct list calls;
	struct curl_slist *headers;
	struct msg_bytes cas;
};

struct http_call {
	struct list link;
	struct http *http;
	char *address; /* the URL */
	struct url url;
	struct buf form, ca, body;
	size_t header_bytes;
	struct dns_query *query;
	struct curl_slist *resolve;
	CURL *easy; /* NULL until the name is resolved */
	struct timer *soon;
	char problem[CURL_ERROR_SIZE + URL_HOST_SIZE + 64];
	char words[CURL_ERROR_SIZE]; /* libcurl's */
	const char *limit;           /* that the answer was over; NULL: none */
	http_done_fn on_done;
	void *ctx;
};

/* ---- the end of a call ---- */

static void
wipe(struct buf *buf)
{
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->capacity);
	buf_fini(buf);
}

static void
drop_easy(struct http_call *call)
{
	if (call->easy == NULL)
		return;
	(void)curl_multi_remove_handle(call->http->multi, call->easy);
	curl_easy_cleanup(call->easy);
	call->easy = NULL;
}

static void
free_call(void *object)
{
	struct http_call *call = object;

	curl_slist_free_all(call->resolve);
	timer_free(call->soon);
	wipe(&call->form);
	wipe(&call->body);
	buf_fini(&call->ca);
	free(call->address);
	free(call);
}

void
http_cancel(struct http_call *call)
{
	if (call->query != NULL)
		dns_cancel(call->query);
	drop_easy(call);
	timer_stop(call->soon);
	list_remove(&call->link);
	loop_free_later(call->http->loop, free_call, call);
}

static void
finish(struct http_call *call, unsigned status, int64_t retry_after_ms)
{
	const struct http_answer answer = {
	    .status = status,
	    .body = {(const uint8_t *)call->body.bytes, (uint32_t)call->body.size},
	    .retry_after_ms = retry_after_ms,
	    .problem = call->problem,
	};
	http_done_fn on_done = call->on_done;
	void *ctx = call->ctx;

	http_cancel(call); /* freed at the end of the turn */
	on_done(&answer, ctx);
}

static void
on_soon(void *ctx)
{
	finish(ctx, 0, 0);
}

/* In a later turn. */
static void
fail(struct http_call *call, const char *why)
{
	(void)snprintf(call->problem, sizeof(call->problem), "%.255s: %.300s", call->url.host, why);
	timer_set(call->soon, 0);
}

/* ---- libcurl ---- */

static void
finish_easy(struct http_call *call, CURLcode code)
{
	long status = 0;
	curl_off_t retry_after_s = 0;

	if (code == CURLE_OK) {
		(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
		if (retry_after_s < 0 || retry_after_s > RETRY_AFTER_MAX_S)
			retry_after_s = RETRY_AFTER_MAX_S;
	}
	if (status < 100 || status > 999)
		status = 0;
	if (status == 0)
		(void)snprintf(call->problem, sizeof(call->problem), "%s: %s", call->url.host,
		    call->limit != NULL      ? call->limit
		    : call->words[0] != '\0' ? call->words
					     : curl_easy_strerror(code));
	finish(call, (unsigned)status, (int64_t)retry_after_s * 1000);
}

static void
take_finished(struct http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
		struct http_call *call;
		CURLcode code = message->data.result;

		ensure(message->msg == CURLMSG_DONE);
		ensure(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call) ==
		       CURLE_OK);
		finish_easy(call, code);
	}
}

static void
act(struct http *http, curl_socket_t fd, int what)
{
	int running;

	(void)curl_multi_socket_action(http->multi, fd, what, &running);
	take_finished(http);
}

static void
on_ready(int fd, short what, void *ctx)
{
	act(ctx, fd,
	    (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void
on_clock(void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_timeout(CURLM *multi, long ms, void *ctx)
{
	struct http *http = ctx;

	if (ms < 0)
		timer_stop(http->clock);
	else
		timer_set(http->clock, ms);
	return 0;
}

/* libcurl says what it waits for at a socket; the event is kept with it. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *kept)
{
	struct http *http = ctx;
	short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
			       (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
	struct event *event = kept;

	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		event = event_new(loop_base(http->loop), fd, events, on_ready, http);
		ensure(event != NULL);
		(void)event_add(event, NULL);
	}
	(void)curl_multi_assign(http->multi, fd, event);
	return 0;
}

static size_t
on_body(char *bytes, size_t unit, size_t count, void *ctx)
{
	struct http_call *call = ctx;

	if (unit * count > HTTP_ANSWER_MAX - call->body.size) {
		call->limit = "the answer has more than 64 KiB";
		return 0;
	}
	buf_append(&call->body, bytes, unit * count);
	return count;
}

static size_t
on_header(char *bytes, size_t unit, size_t count, void *ctx)
{
	struct http_call *call = ctx;

	call->header_bytes += unit * count;
	if (call->header_bytes <= HEADERS_MAX)
		return count;
	call->limit = "the answer's header has no end";
	return 0;
}

static void
set(CURL *easy, CURLoption option, long value)
{
	ensure(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

static void
set_at(CURL *easy, CURLoption option, const void *value)
{
	ensure(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

static void
set_cas(struct http_call *call)
{
	struct curl_blob blob = {
	    .data = call->ca.bytes, .len = call->ca.size, .flags = CURL_BLOB_NOCOPY};

	set_at(call->easy, CURLOPT_CAINFO, NULL);
	set_at(call->easy, CURLOPT_CAPATH, NULL);
	set_at(call->easy, CURLOPT_CAINFO_BLOB, &blob);
	set(call->easy, CURLOPT_SSL_VERIFYPEER, 1);
	set(call->easy, CURLOPT_SSL_VERIFYHOST, 2);
	set(call->easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
}

static void
set_limits(struct http_call *call)
{
	CURL *easy = call->easy;

	set(easy, CURLOPT_NOSIGNAL, 1); /* the sandbox knows no signals */
	set(easy, CURLOPT_FOLLOWLOCATION, 0);
	set(easy, CURLOPT_FORBID_REUSE, 1);
	set(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	set(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	set(easy, CURLOPT_TIMEOUT_MS, HTTP_TIMEOUT_MS);
#if LIBCURL_VERSION_NUM >= 0x075500
	set_at(easy, CURLOPT_PROTOCOLS_STR, call->url.is_https ? "https" : "http");
#else
	set(easy, CURLOPT_PROTOCOLS, call->url.is_https ? CURLPROTO_HTTPS : CURLPROTO_HTTP);
#endif
	set_at(easy, CURLOPT_PROXY, "");
	set_at(easy, CURLOPT_NOPROXY, "*");
}

static void
begin(struct http_call *call)
{
	CURL *easy = curl_easy_init();

	ensure(easy != NULL);
	call->easy = easy;
	set_limits(call);
	if (call->url.is_https)
		set_cas(call);
	set_at(easy, CURLOPT_PRIVATE, call);
	set_at(easy, CURLOPT_ERRORBUFFER, call->words);
	set_at(easy, CURLOPT_URL, call->address);
	set_at(easy, CURLOPT_RESOLVE, call->resolve);
	set_at(easy, CURLOPT_HTTPHEADER, call->http->headers);
	set(easy, CURLOPT_POSTFIELDSIZE, (long)call->form.size);
	set_at(easy, CURLOPT_POSTFIELDS, call->form.bytes);
	ensure(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK);
	set_at(easy, CURLOPT_WRITEDATA, call);
	ensure(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK);
	set_at(easy, CURLOPT_HEADERDATA, call);
	ensure(curl_multi_add_handle(call->http->multi, easy) == CURLM_OK);
}

/* ---- names ---- */

/* `host:port:address,address`, so that libcurl asks nobody. */
static void
keep_addresses(struct http_call *call, const struct dns_answer *answer)
{
	char text[NETADDR_TEXT_SIZE];
	struct netaddr address;
	struct buf line;
	char separator = ':';

	buf_init(&line);
	buf_printf(&line, "%s:%u", call->url.host, call->url.port);
	for (size_t i = 0; i < answer->count; i++) {
		if (!netaddr_from_sockaddr(
			(const struct sockaddr *)&answer->addresses[i], &address, NULL))
			continue;
		buf_printf(&line, netaddr_is_ipv4(&address) ? "%c%s" : "%c[%s]", separator,
		    netaddr_format(&address, text));
		separator = ',';
	}
	call->resolve = curl_slist_append(NULL, line.bytes);
	ensure(call->resolve != NULL);
	buf_fini(&line);
}

static void
on_addresses(const struct dns_answer *answer, void *ctx)
{
	struct http_call *call = ctx;

	call->query = NULL;
	if (answer->count == 0) {
		fail(call, answer->problem);
		return;
	}
	keep_addresses(call, answer);
	begin(call);
}

/* ---- for others ---- */

struct http_call *
http_post(struct http *http, const char *url, struct msg_bytes form, struct msg_bytes ca,
    http_done_fn on_done, void *ctx)
{
	struct http_call *call = xcalloc(1, sizeof(*call));
	struct netaddr literal;
	struct err err;

	call->http = http;
	call->address = xstrdup(url);
	call->on_done = on_done;
	call->ctx = ctx;
	call->soon = timer_new(http->loop, on_soon, call);
	buf_init(&call->form);
	buf_init(&call->ca);
	buf_init(&call->body);
	buf_append(&call->form, form.at, form.size);
	if (ca.size == 0)
		ca = http->cas;
	buf_append(&call->ca, ca.at, ca.size);
	list_append(&http->calls, &call->link);
	if (url_parse(url, &call->url, &err) != 0)
		fail(call, err.text);
	else if (call->url.is_https && call->ca.size == 0)
		fail(call, "there are no CA certificates to verify it with");
	else if (netaddr_parse(call->url.host, &literal))
		begin(call);
	else
		call->query =
		    dns_resolve(http->dns, call->url.host, call->url.port, on_addresses, call);
	return call;
}

void
http_set_cas(struct http *http, struct msg_bytes pem)
{
	http->cas = pem;
}

struct http *
http_new(struct loop *loop, struct dns *dns, struct err *err_out)
{
	struct http *http;

	/* libcurl would write the keys of its sessions there. */
	(void)unsetenv("SSLKEYLOGFILE");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)err_set(err_out, "libcurl can't start");
		return NULL;
	}
	http = xcalloc(1, sizeof(*http));
	http->loop = loop;
	http->dns = dns;
	list_init(&http->calls);
	http->clock = timer_new(loop, on_clock, http);
	http->headers = curl_slist_append(NULL, "Accept: application/json");
	http->headers = curl_slist_append(http->headers, "Expect:");
	http->multi = curl_multi_init();
	ensure(http->headers != NULL && http->multi != NULL);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	(void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	return http;
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	LIST_EACH_SAFE (&http->calls, at, next)
		http_cancel(LIST_ENTRY(at, struct http_call, link));
	(void)curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	timer_free(http->clock);
	free(http);
	curl_global_cleanup();
}
