/*
 * http - evhttp on the control socket, with the limits that it lacks.
 *
 * A connection is known from the moment its bufferevent is made (on_new_connection), long before
 * evhttp shows it to anyone. Until its first request it is watched through a reference to the
 * bufferevent; from then on evhttp says when it closes.
 */
#include "daemon/control/http.h"

#include "common/list.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define HEADERS_MAX (16 * 1024)
#define BODY_HARD_MAX (4 * HTTP_BODY_MAX) /* evhttp's; between the two the error is JSON */
#define READ_TIMEOUT_S 10
#define REQUEST_WITHIN_MS 30000 /* from the connection, or the reply before, to a whole request */
#define WRITE_WITHIN_MS 30000
#define STREAM_TIMEOUT_S                                                                           \
	(15 * 60)           /* from one line to the next; the owner of the answer has its own */
#define ACCEPT_AGAIN_MS 100 /* after an error, or while the table is full */

struct http_connection {
	struct list link;
	struct http_server *server;
	struct bufferevent *bufferevent;
	struct evhttp_connection *evhttp; /* NULL until the first request */
	struct http_request *request;     /* being answered, or NULL */
	struct timer *deadline;
	bool is_writing;
};

struct http_request {
	struct http_connection *connection; /* NULL: the client is gone */
	struct evhttp_request *evhttp;
	char *target;
	char *body;
	size_t body_size;
	const char *method;
	bool is_streaming;
	bool is_orphan; /* evhttp's request is ours */
};

struct http_server {
	struct loop *loop;
	struct evhttp *evhttp;
	struct evhttp_bound_socket *bound;
	struct timer *accept_again;
	struct timer *idle; /* on_idle runs in a later turn */
	struct list connections;
	unsigned connection_count;
	bool is_draining;
	http_handler on_request;
	void *ctx;
	void (*on_idle)(void *ctx);
	void *idle_ctx;
};

static const struct {
	enum evhttp_cmd_type type;
	const char *name;
} methods[] = {
    {EVHTTP_REQ_GET, "GET"},
    {EVHTTP_REQ_POST, "POST"},
    {EVHTTP_REQ_PUT, "PUT"},
    {EVHTTP_REQ_PATCH, "PATCH"},
    {EVHTTP_REQ_DELETE, "DELETE"},
    {EVHTTP_REQ_HEAD, "HEAD"},
    {EVHTTP_REQ_OPTIONS, "OPTIONS"},
    {EVHTTP_REQ_TRACE, "TRACE"},
    {EVHTTP_REQ_CONNECT, "CONNECT"},
};

static void
accept_enable(struct http_server *server)
{
	if (server->bound != NULL && server->connection_count < CONNECTIONS_MAX)
		(void)evconnlistener_enable(evhttp_bound_socket_get_listener(server->bound));
}

static void
accept_disable(struct http_server *server)
{
	if (server->bound != NULL)
		(void)evconnlistener_disable(evhttp_bound_socket_get_listener(server->bound));
}

static void
on_idle_timer(void *ctx)
{
	struct http_server *server = ctx;

	if (server->on_idle != NULL)
		server->on_idle(server->idle_ctx);
	server->on_idle = NULL;
}

/* A request whose client left while it was being answered is let go by evhttp, to be freed here. */
static void
request_lose_client(struct http_request *request)
{
	request->connection = NULL;
	request->is_orphan = evhttp_request_get_connection(request->evhttp) == NULL;
}

/* The connection is gone, or is about to be. */
static void
connection_forget(struct http_connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->request != NULL)
		request_lose_client(connection->request);
	list_remove(&connection->link);
	timer_free(connection->deadline);
	free(connection);
	server->connection_count--;
	if (!server->is_draining)
		accept_enable(server);
	else if (server->connection_count == 0)
		timer_set(server->idle, 0);
}

static void
on_connection_closed(struct evhttp_connection *evhttp, void *ctx)
{
	connection_forget(ctx);
}

/* Whether the client left before its first request: evhttp tells nobody, but its callbacks are gone
 * from the bufferevent. */
static bool
connection_is_closed(const struct http_connection *connection)
{
	bufferevent_event_cb on_event = NULL;

	if (connection->evhttp != NULL)
		return false;
	bufferevent_getcb(connection->bufferevent, NULL, NULL, &on_event, NULL);
	return on_event == NULL;
}

/* Ends a connection that evhttp has not shown yet, and tells it so by a timeout: then it lets go of
 * it too, unless it has done so already. */
static void
connection_abandon(struct http_connection *connection)
{
	struct bufferevent *bufferevent = connection->bufferevent;
	bool is_closed = connection_is_closed(connection);

	connection_forget(connection);
	if (!is_closed)
		bufferevent_trigger_event(bufferevent, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
	(void)bufferevent_decref(bufferevent);
}

static void
connection_end(struct http_connection *connection)
{
	if (connection->evhttp == NULL)
		connection_abandon(connection);
	else
		evhttp_connection_free(connection->evhttp); /* calls on_connection_closed */
}

static void
on_deadline(void *ctx)
{
	connection_end(ctx);
}

static void
on_accept_again(void *ctx)
{
	struct http_server *server = ctx;

	LIST_EACH_SAFE (&server->connections, at, next) {
		struct http_connection *connection = LIST_ENTRY(at, struct http_connection, link);

		if (connection_is_closed(connection))
			connection_end(connection);
	}
	accept_enable(server);
	if (server->connection_count >= CONNECTIONS_MAX)
		timer_set(server->accept_again, ACCEPT_AGAIN_MS);
}

/* Out of file descriptors: an enabled listener would spin. */
static void
on_accept_error(struct evconnlistener *listener, void *ctx)
{
	struct http_server *server = ctx;

	log_problem(LOG_WARNING, "control socket: can't accept a connection: %s",
	    evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	accept_disable(server);
	timer_set(server->accept_again, ACCEPT_AGAIN_MS);
}

static struct bufferevent *
on_new_connection(struct event_base *base, void *ctx)
{
	struct http_server *server = ctx;
	struct http_connection *connection = xcalloc(1, sizeof(*connection));

	connection->server = server;
	connection->bufferevent = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	ensure(connection->bufferevent != NULL);
	bufferevent_incref(connection->bufferevent);
	connection->deadline = timer_new(server->loop, on_deadline, connection);
	timer_set(connection->deadline, REQUEST_WITHIN_MS);
	list_append(&server->connections, &connection->link);
	if (++server->connection_count >= CONNECTIONS_MAX) {
		accept_disable(server);
		timer_set(server->accept_again, ACCEPT_AGAIN_MS);
	}
	return connection->bufferevent;
}

static struct http_connection *
connection_find(struct http_server *server, struct bufferevent *bufferevent)
{
	LIST_EACH (&server->connections, at) {
		struct http_connection *connection = LIST_ENTRY(at, struct http_connection, link);

		if (connection->bufferevent == bufferevent)
			return connection;
	}
	return NULL;
}

/* evhttp knows a Unix socket's client only as "localhost". */
static void
log_caller(const struct http_connection *connection, const struct http_request *request)
{
	struct ucred caller = {.uid = (uid_t)-1};
	socklen_t size = sizeof(caller);

	if (!log_is_on(LOG_DEBUG))
		return;
	(void)getsockopt(
	    bufferevent_getfd(connection->bufferevent), SOL_SOCKET, SO_PEERCRED, &caller, &size);
	log_trace("control: %s %s from uid %d, pid %d", request->method, request->target,
	    (int)caller.uid, (int)caller.pid);
}

static const char *
method_name(enum evhttp_cmd_type type)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].type == type)
			return methods[i].name;
	return "";
}

static struct http_request *
request_new(struct http_connection *connection, struct evhttp_request *evhttp)
{
	struct http_request *request = xcalloc(1, sizeof(*request));
	struct evbuffer *body = evhttp_request_get_input_buffer(evhttp);

	request->connection = connection;
	request->evhttp = evhttp;
	request->method = method_name(evhttp_request_get_command(evhttp));
	request->target = xstrdup(evhttp_request_get_uri(evhttp));
	request->body_size = evbuffer_get_length(body);
	request->body = xmalloc(request->body_size + 1);
	(void)evbuffer_copyout(body, request->body, request->body_size);
	connection->request = request;
	return request;
}

/* From its first request on, evhttp tells when the connection closes. */
static void
connection_adopt(struct http_connection *connection, struct evhttp_connection *evhttp)
{
	if (connection->evhttp != NULL)
		return;
	connection->evhttp = evhttp;
	evhttp_connection_set_closecb(evhttp, on_connection_closed, connection);
	(void)bufferevent_decref(connection->bufferevent);
}

static void
on_evhttp_request(struct evhttp_request *evhttp, void *ctx)
{
	struct http_server *server = ctx;
	struct evhttp_connection *evhttp_connection = evhttp_request_get_connection(evhttp);
	struct http_connection *connection =
	    connection_find(server, evhttp_connection_get_bufferevent(evhttp_connection));
	struct http_request *request;

	ensure(connection != NULL);
	connection_adopt(connection, evhttp_connection);
	timer_stop(connection->deadline); /* the owner of the answer has its own */
	request = request_new(connection, evhttp);
	log_caller(connection, request);
	server->on_request(request, server->ctx);
}

struct http_server *
http_open(struct loop *loop, http_handler on_request, void *ctx)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	ev_uint16_t allowed = 0;

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		allowed |= (ev_uint16_t)methods[i].type;
	server->loop = loop;
	server->on_request = on_request;
	server->ctx = ctx;
	list_init(&server->connections);
	server->accept_again = timer_new(loop, on_accept_again, server);
	server->idle = timer_new(loop, on_idle_timer, server);
	server->evhttp = evhttp_new(loop_base(loop));
	ensure(server->evhttp != NULL);
	evhttp_set_allowed_methods(server->evhttp, allowed);
	evhttp_set_max_headers_size(server->evhttp, HEADERS_MAX);
	evhttp_set_max_body_size(server->evhttp, BODY_HARD_MAX);
	evhttp_set_timeout(server->evhttp, READ_TIMEOUT_S);
	evhttp_set_bevcb(server->evhttp, on_new_connection, server);
	evhttp_set_gencb(server->evhttp, on_evhttp_request, server);
	return server;
}

static void
stop_listening(struct http_server *server)
{
	timer_stop(server->accept_again);
	if (server->bound != NULL)
		evhttp_del_accept_socket(server->evhttp, server->bound);
	server->bound = NULL;
}

int
http_listen(struct http_server *server, int fd, struct err *err_out)
{
	struct evconnlistener *listener;

	stop_listening(server);
	(void)evutil_make_socket_nonblocking(fd);
	listener = evconnlistener_new(loop_base(server->loop), NULL, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (listener == NULL) {
		(void)close(fd);
		return err_set(err_out, "control socket: can't listen on it");
	}
	server->bound = evhttp_bind_listener(server->evhttp, listener);
	ensure(server->bound != NULL);
	evconnlistener_set_error_cb(listener, on_accept_error);
	return 0;
}

void
http_drain(struct http_server *server, void (*on_idle)(void *ctx), void *ctx)
{
	server->is_draining = true;
	server->on_idle = on_idle;
	server->idle_ctx = ctx;
	stop_listening(server);
	LIST_EACH_SAFE (&server->connections, at, next) {
		struct http_connection *connection = LIST_ENTRY(at, struct http_connection, link);

		if (connection->request == NULL && !connection->is_writing)
			connection_end(connection);
	}
	if (server->connection_count == 0)
		timer_set(server->idle, 0);
}

void
http_close(struct http_server *server)
{
	server->is_draining = true;
	server->on_idle = NULL;
	stop_listening(server);
	LIST_EACH_SAFE (&server->connections, at, next)
		connection_end(LIST_ENTRY(at, struct http_connection, link));
	evhttp_free(server->evhttp);
	timer_free(server->accept_again);
	timer_free(server->idle);
	free(server);
}

const char *
http_method(const struct http_request *request)
{
	return request->method;
}

const char *
http_target(const struct http_request *request)
{
	return request->target;
}

struct msg_bytes
http_body(const struct http_request *request)
{
	return (struct msg_bytes){(const uint8_t *)request->body, (uint32_t)request->body_size};
}

void
http_set_header(struct http_request *request, const char *name, const char *value)
{
	if (request->connection != NULL)
		(void)evhttp_add_header(
		    evhttp_request_get_output_headers(request->evhttp), name, value);
}

/* The reply is written; evhttp closes the connection itself if it is not kept. */
static void
on_written(struct evhttp_request *evhttp, void *ctx)
{
	struct http_connection *connection = ctx;

	connection->is_writing = false;
	timer_set(connection->deadline, connection->server->is_draining ? 0 : REQUEST_WITHIN_MS);
}

static void
send_reply(struct http_connection *connection, struct evhttp_request *evhttp, unsigned status,
    const char *content_type, struct msg_bytes body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(evhttp);
	struct evbuffer *bytes = evbuffer_new();
	struct evbuffer *unread = bufferevent_get_input(connection->bufferevent);

	ensure(bytes != NULL);
	(void)evbuffer_add(bytes, body.at, body.size);
	if (status != HTTP_NOCONTENT)
		(void)evhttp_add_header(headers, "Content-Type", content_type);
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	if (connection->server->is_draining || evbuffer_get_length(unread) > 0)
		(void)evhttp_add_header(headers, "Connection", "close");
	connection->is_writing = true;
	timer_set(connection->deadline, WRITE_WITHIN_MS);
	evhttp_request_set_on_complete_cb(evhttp, on_written, connection);
	evhttp_send_reply(evhttp, (int)status, NULL, bytes);
	evbuffer_free(bytes);
}

static void
send_chunk(struct evhttp_request *evhttp, struct msg_bytes bytes, const char *end)
{
	struct evbuffer *chunk = evbuffer_new();

	ensure(chunk != NULL);
	(void)evbuffer_add(chunk, bytes.at, bytes.size);
	(void)evbuffer_add(chunk, end, strlen(end));
	evhttp_send_reply_chunk(evhttp, chunk);
	evbuffer_free(chunk);
}

/* evhttp takes it for a client that is slow if it says nothing for a while. */
static void
begin_stream(struct http_request *request, const char *content_type)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request->evhttp);

	request->is_streaming = true;
	(void)evhttp_add_header(headers, "Content-Type", content_type);
	(void)evhttp_add_header(headers, "Cache-Control", "no-store");
	(void)evhttp_add_header(headers, "Connection", "close");
	evhttp_connection_set_timeout(request->connection->evhttp, STREAM_TIMEOUT_S);
	evhttp_send_reply_start(request->evhttp, HTTP_OK, NULL);
}

void
http_stream(struct http_request *request, const char *content_type, struct msg_bytes line)
{
	if (request->connection == NULL)
		return;
	if (!request->is_streaming)
		begin_stream(request, content_type);
	send_chunk(request->evhttp, line, "\n");
}

static void
end_stream(struct http_connection *connection, struct evhttp_request *evhttp, struct msg_bytes body)
{
	connection->is_writing = true;
	timer_set(connection->deadline, WRITE_WITHIN_MS);
	evhttp_request_set_on_complete_cb(evhttp, on_written, connection);
	send_chunk(evhttp, body, "");
	evhttp_send_reply_end(evhttp);
}

void
http_reply(
    struct http_request *request, unsigned status, const char *content_type, struct msg_bytes body)
{
	if (request->connection != NULL) {
		request->connection->request = NULL;
		if (request->is_streaming)
			end_stream(request->connection, request->evhttp, body);
		else
			send_reply(
			    request->connection, request->evhttp, status, content_type, body);
	} else if (request->is_orphan) {
		evhttp_request_free(request->evhttp);
	}
	free(request->target);
	free(request->body);
	free(request);
}
