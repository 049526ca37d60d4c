/*
 * api - the parent's part of the API: how the roles are, reload, stop, our CA, the end of a backup.
 *
 * Only the method and the path of a call are compared; no body is ever looked at.
 */
#include "daemon/core/backup_name.h"
#include "daemon/core/loop.h"
#include "daemon/core/result.h"
#include "daemon/parent/backup.h"
#include "daemon/parent/parent_state.h"

#include <jansson.h>
#include <string.h>

static void
answer_error(
    struct link *link, uint32_t request_id, unsigned status, const char *code, const char *text)
{
	result_send(link, request_id, status, result_error(code, text, NULL));
}

static void
add_role(const struct family_member *member, void *ctx)
{
	json_t *role =
	    json_pack("{s:s, s:i, s:i, s:o, s:i, s:b}", "name", role_name(member->role), "index",
		(int)member->index, "pid", (int)member->pid, "since", result_time(member->since_ms),
		"restarts", (int)member->restarts, "ready", (int)member->is_ready);

	(void)json_array_append_new(ctx, role);
}

/* As the config has them, less what it excludes: "25,587,1025-5000". */
static json_t *
ports_text(const struct config_listener *listener)
{
	struct buf text;
	json_t *string;

	buf_init(&text);
	for (size_t i = 0; i < listener->port_count; i++) {
		const struct port_range *range = &listener->ports[i];

		buf_printf(&text, "%s%u", i > 0 ? "," : "", range->first);
		if (range->last > range->first)
			buf_printf(&text, "-%u", range->last);
	}
	string = json_string(text.bytes);
	buf_fini(&text);
	return string;
}

static json_t *
listeners(const struct parent *parent)
{
	static const char *const modes[] = {"none", "starttls", "implicit", "auto"};
	json_t *all = json_array();
	const struct bound_listener *bound;
	size_t count = 0;

	if (parent->sockets == NULL)
		return all;
	bound = bind_set_listeners(parent->sockets, &count);
	for (size_t i = 0; i < count; i++) {
		const struct config_listener *listener = &parent->setup.config->listeners[i];
		bool is_skipped = bound[i].skipped > 0;

		(void)json_array_append_new(
		    all, json_pack("{s:s, s:s, s:o, s:i, s:i, s:s, s:s}", "address",
			     listener->address, "tls", modes[listener->tls], "ports",
			     ports_text(listener), "bound", (int)bound[i].bound, "skipped",
			     (int)bound[i].skipped, "skipped_ports", bound[i].skipped_ports,
			     "reason", is_skipped ? strerror(bound[i].reason) : ""));
	}
	return all;
}

static void
answer_status(struct parent *parent, struct link *link, uint32_t request_id)
{
	json_t *roles = json_array();

	family_each(parent->family, add_role, roles);
	result_send(link, request_id, 200,
	    json_pack("{s:s, s:s, s:o, s:i, s:o, s:o}", "version", PACKAGE_VERSION, "hostname",
		parent->setup.config->hostname, "since", result_time(parent->started_at_ms),
		"config_generation", (int)parent->generation, "roles", roles, "listeners",
		listeners(parent)));
}

static void
answer_reload(struct parent *parent, struct link *link, uint32_t request_id)
{
	struct err err;

	if (parent_reload(parent, &err) != 0)
		answer_error(link, request_id, 422, "config", err.text);
	else
		result_send(link, request_id, 200,
		    json_pack(
			"{s:b, s:i}", "reloaded", 1, "config_generation", (int)parent->generation));
}

static void
answer_ca(struct parent *parent, struct link *link, uint32_t request_id)
{
	const struct buf *ca = &parent->setup.files.of[FILE_TLS_CA];

	if (ca->size == 0)
		answer_error(link, request_id, 404, "not_found",
		    "the config names a certificate, so postern's own CA is not in use");
	else
		result_send(
		    link, request_id, 200, json_pack("{s:s%}", "certificate", ca->bytes, ca->size));
}

/* Control has asked queue and accounts before. */
static void
answer_backup(struct parent *parent, struct link *link, uint32_t request_id, const char *path)
{
	const char *name = backup_name_of_path(path);
	struct err err;

	if (name == NULL)
		answer_error(link, request_id, 400, "invalid", BACKUP_NAME_RULE);
	else if (backup_complete(parent->setup.config->state_dir, name,
		     &parent->setup.files.of[FILE_SEAL_KEY], &err) != 0)
		answer_error(link, request_id, 503, "copy_failed", err.text);
	else
		result_send(link, request_id, 200,
		    json_pack("{s:s, s:o}", "name", name, "path",
			json_sprintf(
			    "%s/" BACKUP_DIRECTORY "/%s", parent->setup.config->state_dir, name)));
}

void
parent_answer_call(struct parent *parent, struct link *link, const struct link_message *message)
{
	const struct msg_call *call = &message->body->call;
	bool is_get = strcmp(call->method, "GET") == 0, is_post = strcmp(call->method, "POST") == 0;
	uint32_t id = message->request_id;

	if (is_get && strcmp(call->path, "/v1/status") == 0) {
		answer_status(parent, link, id);
	} else if (is_get && strcmp(call->path, "/v1/tls/ca") == 0) {
		answer_ca(parent, link, id);
	} else if (is_post && strcmp(call->path, "/v1/reload") == 0) {
		answer_reload(parent, link, id);
	} else if (is_post && strcmp(call->path, "/v1/stop") == 0) {
		result_send(link, id, 200, json_pack("{s:b}", "stopping", 1));
		parent_stop(parent);
	} else if (is_post && strncmp(call->path, "/v1/backups/", 12) == 0) {
		answer_backup(parent, link, id, call->path);
	} else {
		answer_error(link, id, 404, "not_found", "there is no such path");
	}
}
