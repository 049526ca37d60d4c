/* config - holding, releasing and comparing snapshots. */
#include "daemon/config/config.h"

#include "common/buf.h"
#include "common/netaddr.h"
#include "daemon/config/table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct config *
config_hold(const struct config *config)
{
	struct config *counted = (struct config *)config;

	counted->references++;
	return counted;
}

static void
free_lists(struct config *config)
{
	for (size_t i = 0; i < config->listener_count; i++) {
		free(config->listeners[i].address);
		free(config->listeners[i].ports);
	}
	free(config->listeners);
	for (size_t i = 0; i < config->trusted_count; i++) {
		free(config->trusted[i].network);
		free(config->trusted[i].user);
	}
	free(config->trusted);
	for (char **name = config->drop_headers; name != NULL && *name != NULL; name++)
		free(*name);
	free(config->drop_headers);
	free(config->refused.items);
}

static void
free_places(struct config *config)
{
	for (size_t i = 0; i < config->place_count; i++)
		free(config->places[i].file);
	free(config->places);
	free(config->file);
}

void
config_release(const struct config *config)
{
	struct config *counted = (struct config *)config;

	if (counted == NULL)
		return;
	ensure(counted->references > 0);
	if (--counted->references > 0)
		return;
	free_lists(counted);
	free_places(counted);
	free(counted->hostname);
	free(counted->state_dir);
	free(counted->run_dir);
	free(counted->capture_dir);
	free(counted->user);
	free(counted->net_user);
	free(counted->admin_group);
	free(counted->tls.certificate);
	free(counted->tls.key);
	for (size_t i = 0; i < counted->tls.pair_count; i++) {
		free(counted->tls.pairs[i].certificate);
		free(counted->tls.pairs[i].key);
		free(counted->tls.pairs[i].place);
	}
	free(counted->tls.pairs);
	free(counted->auth.mechanisms);
	free(counted->queue.notice_profile);
	free(counted->providers);
	free(counted->signature.text);
	free(counted->signature.html);
	free(counted);
}

int
config_blame(const struct config *config, const char *path, struct err *err_out)
{
	const char *file = config->file != NULL ? config->file : "config";
	const struct err text = *err_out;

	for (size_t i = 0; i < config->place_count; i++) {
		const struct config_place *place = &config->places[i];

		if (strcmp(place->path, path) == 0)
			return err_set(
			    err_out, "%s:%u: %s: %s", place->file, place->line, path, text.text);
	}
	return err_set(err_out, "%s: %s: %s", file, path, text.text);
}

const char *
config_trusted_user(const struct config *config, const uint8_t address[static 16])
{
	const struct config_trusted *best = NULL;
	struct netaddr client, network;

	memcpy(client.bytes, address, sizeof(client.bytes));
	for (size_t i = 0; i < config->trusted_count; i++) {
		const struct config_trusted *at = &config->trusted[i];

		memcpy(network.bytes, at->address, sizeof(network.bytes));
		if (netaddr_is_within(&client, &network, at->prefix_bits) &&
		    (best == NULL || at->prefix_bits > best->prefix_bits))
			best = at;
	}
	return best == NULL ? NULL : best->user;
}

bool
config_has_mechanism(const struct config *config, const char *mechanism)
{
	size_t size = strlen(mechanism), word;

	for (const char *at = config->auth.mechanisms; *at != '\0';
	     at += word + (at[word] == ' ')) {
		word = strcspn(at, " ");
		if (word == size && memcmp(at, mechanism, size) == 0)
			return true;
	}
	return false;
}

int
config_blame_pair(const struct config *config, const struct config_pair *pair, const char *option,
    struct err *err_out)
{
	const struct err text = *err_out;
	bool is_key = strcmp(option, "key") == 0;

	if (pair->place == NULL)
		return config_blame(config, is_key ? "tls.key" : "tls.certificate", err_out);
	return err_set(err_out, "%s: tls.certificates.%s: %s", pair->place, option, text.text);
}

bool
config_refuses(const struct config *config, const uint8_t address[static 16])
{
	struct netaddr client, network;

	memcpy(client.bytes, address, sizeof(client.bytes));
	for (size_t i = 0; i < config->refused.count; i++) {
		const struct config_network *at = &config->refused.items[i];

		memcpy(network.bytes, at->address, sizeof(network.bytes));
		if (netaddr_is_within(&client, &network, at->prefix_bits))
			return true;
	}
	return false;
}

unsigned
config_smtpd_processes(const struct config *config)
{
	long cpus;

	if (config->smtpd_processes > 0)
		return config->smtpd_processes;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 1)
		return 1;
	return cpus < SMTPD_PROCESSES_MAX ? (unsigned)cpus : SMTPD_PROCESSES_MAX;
}

unsigned
config_port_with(const struct config *config, enum listener_tls tls)
{
	for (size_t i = 0; i < config->listener_count; i++)
		if (config->listeners[i].tls == tls)
			return config->listeners[i].ports[0].first;
	return 0;
}

static bool
is_same(const struct option *option, const struct config *now, const struct config *next)
{
	const void *before = (const char *)now + option->target;
	const void *after = (const char *)next + option->target;

	if (option->type == OPTION_PATH || option->type == OPTION_ACCOUNT)
		return strcmp(*(char *const *)before, *(char *const *)after) == 0;
	return *(const unsigned *)before == *(const unsigned *)after;
}

int
config_check_reload(const struct config *now, const struct config *next, struct err *err_out)
{
	struct buf names;
	int status = 0;

	buf_init(&names);
	for (const struct option *option = options; option->path != NULL; option++)
		if (option->effect == ON_RESTART && !is_same(option, now, next))
			buf_printf(&names, "%s%s", names.size > 0 ? ", " : "", option->path);
	if (names.size > 0)
		status =
		    err_set(err_out, "%s can only change with a restart of posternd", names.bytes);
	buf_fini(&names);
	return status;
}
