/* client - a connection's bytes to its session and back, from accept to close. */
#include "daemon/smtpd/client_private.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#define FINISH_MS 5000 /* for the last reply to leave */
#define TURN_AWAY_MS 1000

/* ---- the end ---- */

static void
client_free(void *object)
{
	struct client *client = object;

	if (client->session != NULL)
		session_free(client->session);
	client_cancel_question(client);
	timer_free(client->deadline);
	timer_free(client->no_answer);
	tls_release(client->context);
	config_release(client->config);
	free(client);
}

/* The connection is gone, or finishes by itself. */
static void
leave(struct client *client)
{
	struct client_house *house = client->house;

	client->is_over = true;
	timer_stop(client->deadline);
	admission_end(client);
	list_remove(&client->link);
	loop_free_later(house->role->loop, client_free, client);
	house->on_gone(house->ctx);
}

static void
log_end_of(struct client *client, enum log_level level, enum log_event event, const char *reason)
{
	struct log_line line;

	if (!log_begin(&line, level, event, 0))
		return;
	if (client->session != NULL && session_login(client->session) != NULL)
		log_text(&line, KEY_USER, session_login(client->session));
	log_text(&line, KEY_CLIENT, conn_peer_text(client->conn));
	log_number(&line, KEY_LISTENER, client->port);
	if (client->session != NULL)
		log_number(&line, KEY_COUNT, session_messages(client->session));
	log_text(&line, KEY_REASON, reason);
	log_end(&line);
}

/* ---- bytes ---- */

/* Reading rests while the session uses nothing. */
static void
set_paused(struct client *client, bool is_paused)
{
	if (client->is_paused == is_paused)
		return;
	client->is_paused = is_paused;
	if (is_paused)
		conn_pause(client->conn);
	else
		conn_resume(client->conn);
}

/* TLS begins when STARTTLS is out of the input, for what is in there is taken for the
 * handshake. */
void
client_pump(struct client *client)
{
	struct evbuffer *input = conn_input(client->conn);
	size_t size = 0, used = 1;

	while (!client->is_over && used > 0 && (size = evbuffer_get_length(input)) > 0) {
		used = session_input(client->session, evbuffer_pullup(input, -1), size);
		if (!client->is_over)
			(void)evbuffer_drain(input, used);
	}
	if (client->is_over && used == size && session_has_quit(client->session))
		conn_forgo_end(client->conn);
	if (client->is_over)
		return;
	set_paused(client, used == 0);
	if (client->is_tls_due)
		conn_start_tls_server(client->conn, client->context);
	client->is_tls_due = false;
}

static void
port_write(void *ctx, const void *bytes, size_t size)
{
	struct client *client = ctx;

	if (!client->is_over)
		conn_write(client->conn, bytes, size);
}

static void
port_start_tls(void *ctx)
{
	((struct client *)ctx)->is_tls_due = true;
}

void
client_dismiss(struct client *client, const char *reason)
{
	if (client->is_over)
		return;
	log_end_of(client, LOG_DEBUG, EVENT_DISCONNECTED, reason);
	conn_finish(client->conn, FINISH_MS);
	leave(client);
}

static void
port_finish(void *ctx)
{
	client_dismiss(ctx, "ended by us");
}

static bool
port_tls_binding(void *ctx, struct tls_binding *binding_out)
{
	return conn_tls_binding(((struct client *)ctx)->conn, binding_out);
}

static void
port_set_deadline(void *ctx, int64_t after_ms)
{
	struct client *client = ctx;

	if (after_ms == 0)
		timer_stop(client->deadline);
	else
		timer_set(client->deadline, after_ms);
}

static int64_t
port_now_ms(void *ctx)
{
	return loop_now_ms(((struct client *)ctx)->house->role->loop);
}

static int64_t
port_wall_ms(void *ctx)
{
	return loop_wall_ms(((struct client *)ctx)->house->role->loop);
}

static const struct session_ports ports = {
    .write = port_write,
    .start_tls = port_start_tls,
    .finish = port_finish,
    .tls_binding = port_tls_binding,
    .set_deadline = port_set_deadline,
    .now_ms = port_now_ms,
    .wall_ms = port_wall_ms,
    .sasl_step = client_sasl_step,
    .sasl_abort = client_sasl_abort,
    .grant_find = client_grant_find,
    .grant_get = client_grant_get,
    .alert = client_alert,
    .abuse = client_abuse,
    .readiness = client_readiness,
    .user_limit = client_user_limit,
    .message_open = client_message_open,
    .message_send = client_message_send,
    .message_commit = client_message_commit,
    .message_abort = client_message_abort,
    .refused = client_refused,
};

/* ---- the connection ---- */

void
client_greet(struct client *client, const char *tls_version)
{
	struct session_setup setup = {
	    .config = client->config,
	    .ports = &ports,
	    .ctx = client,
	    .client = conn_peer_text(client->conn),
	    .address = client->address,
	    .listener_port = client->port,
	    .is_loopback = netaddr_is_loopback(&client->address),
	    .offers_tls = client->context != NULL,
	    .tls_version = tls_version,
	    .is_refused = config_refuses(client->config, client->address.bytes),
	    .trusted_login = config_trusted_user(client->config, client->address.bytes),
	    .trusted_user_id = client->trusted_user_id,
	};

	client->session = session_open(&setup);
	if (client->house->role->is_draining)
		session_drain(client->session);
}

void
client_secure(struct client *client)
{
	conn_set_deadline(client->conn, client->config->limits.tls_timeout_ms);
	conn_start_tls_server(client->conn, client->context);
}

static void
on_input(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	client->is_silent_since_tls = false;
	if (client->awaits != LISTENER_NONE)
		opening_input(client);
	else if (client->session != NULL && !client->is_over)
		client_pump(client);
}

static void
log_secured(const struct client *client, const struct conn *conn, enum log_level level)
{
	struct log_line line;

	if (!log_begin(&line, level, EVENT_TLS, 0))
		return;
	log_text(&line, KEY_CLIENT, conn_peer_text(conn));
	log_number(&line, KEY_LISTENER, client->port);
	log_text(&line, KEY_TLS, conn_tls_version(conn));
	log_text(&line, KEY_REASON, conn_tls_cipher(conn));
	log_end(&line);
}

/* Below 1.2 only a listener takes it that was told to: whoever keeps it is told what still needs
 * it, once in an alert's interval. */
static void
note_old_version(const struct client *client, const struct conn *conn)
{
	char address[NETADDR_TEXT_SIZE];
	struct err detail;

	log_secured(client, conn, LOG_INFO);
	(void)err_set(&detail, "%s at port %u, which takes versions below 1.2",
	    conn_tls_version(conn), client->port);
	role_alert(client->house->role, "legacy-tls", NULL, NULL,
	    netaddr_format(&client->address, address), detail.text);
}

static void
on_secured(struct conn *conn, void *ctx)
{
	struct client *client = ctx;

	if (conn_has_old_tls(conn))
		note_old_version(client, conn);
	else
		log_secured(client, conn, LOG_DEBUG);
	client->is_silent_since_tls = true;
	conn_set_deadline(conn, 0);
	if (client->session == NULL)
		client_greet(client, conn_tls_version(conn));
	else
		session_on_secured(client->session, conn_tls_version(conn));
}

/* Node.js and others close the socket without an alert. */
static void
log_left_handshake(struct client *client, const char *detail)
{
	struct err words;

	(void)err_set(&words,
	    "%s, as clients do that don't trust our certificate: have them trust its CA%s", detail,
	    client->config->tls.pair_count == 0 ? " (posternctl tls ca)" : "");
	log_end_of(client, LOG_INFO, EVENT_TLS, words.text);
}

static void
on_closed(struct conn *conn, enum conn_end end, const char *detail, void *ctx)
{
	struct client *client = ctx;

	if (end == CONN_CERTIFICATE_REJECTED || end == CONN_TLS_FAILED)
		log_end_of(client, LOG_INFO, EVENT_TLS, detail);
	else if (end == CONN_TLS_LEFT)
		log_left_handshake(client, detail);
	else if (end == CONN_PEER_CLOSED && client->is_silent_since_tls)
		/* GnuTLS's clients look at it behind the handshake, and send no alert. */
		log_end_of(client, LOG_INFO, EVENT_TLS,
		    "the peer went away right behind the handshake, as those do that do not "
		    "accept our certificate");
	else
		log_end_of(client, LOG_DEBUG, EVENT_DISCONNECTED, detail);
	leave(client);
}

static void
on_deadline(void *ctx)
{
	struct client *client = ctx;

	if (client->is_over)
		return;
	if (client->awaits != LISTENER_NONE) {
		opening_over(client);
		return;
	}
	session_on_deadline(client->session);
	client_pump(client);
}

static void
log_connected(const struct client *client)
{
	struct log_line line;

	if (!log_begin(&line, LOG_DEBUG, EVENT_CONNECTED, 0))
		return;
	log_text(&line, KEY_CLIENT, conn_peer_text(client->conn));
	log_number(&line, KEY_LISTENER, client->port);
	log_end(&line);
}

/* What has come in meanwhile waits in the input. */
void
client_begin(struct client *client)
{
	set_paused(client, false);
	if (client->door == LISTENER_IMPLICIT ||
	    (client->door == LISTENER_AUTO && client->context)) {
		opening_begin(client, client->door);
		opening_input(client);
	} else {
		client_greet(client, NULL);
		client_pump(client);
	}
}

/* A handshake only to say no would cost what the limit is to save. */
void
client_turn_away(struct client *client, const char *line)
{
	log_end_of(client, LOG_DEBUG, EVENT_DISCONNECTED, "turned away");
	if (client->door != LISTENER_IMPLICIT)
		conn_write(client->conn, line, strlen(line));
	conn_finish(client->conn, TURN_AWAY_MS);
	leave(client);
}

void
client_open(
    struct client_house *house, const struct listener_guest *guest, const struct client_door *door)
{
	static const struct conn_callbacks callbacks = {
	    .on_input = on_input, .on_secured = on_secured, .on_closed = on_closed};
	struct client *client = xcalloc(1, sizeof(*client));
	struct loop *loop = house->role->loop;

	client->house = house;
	client->config = config_hold(house->role->config);
	client->context = door->context == NULL ? NULL : tls_hold(door->context);
	client->deadline = timer_new(loop, on_deadline, client);
	client->no_answer = timer_new(loop, client_on_no_answer, client);
	list_append(&house->clients, &client->link);
	client->number = ++house->last_number;
	client->door = door->tls;
	client->port = guest->port;
	(void)netaddr_from_sockaddr((const struct sockaddr *)&guest->peer, &client->address, NULL);
	client->conn = conn_take(loop, guest->fd, &guest->peer, &callbacks, client);
	log_connected(client);
	set_paused(client, true); /* who says all at once and closes his side is answered, too */
	admission_ask(client);
}

void
client_drain_all(struct client_house *house)
{
	LIST_EACH_SAFE (&house->clients, at, next) {
		struct client *client = LIST_ENTRY(at, struct client, link);

		if (client->session != NULL) {
			session_drain(client->session);
		} else {
			conn_close(client->conn);
			leave(client);
		}
	}
}

void
client_close_all(struct client_house *house)
{
	LIST_EACH_SAFE (&house->clients, at, next) {
		struct client *client = LIST_ENTRY(at, struct client, link);

		log_end_of(client, LOG_DEBUG, EVENT_DISCONNECTED, "the daemon stops");
		conn_close(client->conn);
		leave(client);
	}
}
