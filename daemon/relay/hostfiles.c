/* hostfiles - resolv.conf(5) and hosts(5), for a role that can't open them. */
#include "daemon/relay/hostfiles.h"

#include "common/xalloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t\r\f\v"

struct host {
	char *name;
	struct netaddr address;
};

struct hosts {
	struct host *rows;
	size_t count;
};

/* Calls `fn` for each line, without its comment and end. The line may be changed. */
static void
each_line(const void *text, size_t size, void (*fn)(char *line, void *ctx), void *ctx)
{
	char *copy = xstrndup(text != NULL ? text : "", text != NULL ? size : 0);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "#;")] = '\0';
		fn(line, ctx);
	}
	free(copy);
}

/* A port may stand behind an address in brackets, as OpenBSD has it. */
static void
add_server(struct resolv_conf *conf, const char *word)
{
	char address[NETADDR_TEXT_SIZE];
	struct netaddr parsed;
	unsigned port = 53;
	size_t used = strlen(conf->servers);

	if (sscanf(word, "[%45[^]]]:%5u", address, &port) < 1)
		(void)snprintf(address, sizeof(address), "%s", word);
	if (conf->server_count == RESOLV_SERVERS_MAX || !netaddr_parse(address, &parsed) ||
	    port == 0 || port > UINT16_MAX)
		return;
	(void)snprintf(conf->servers + used, sizeof(conf->servers) - used,
	    netaddr_is_ipv4(&parsed) ? "%s%s:%u" : "%s[%s]:%u", used > 0 ? "," : "", address, port);
	conf->server_count++;
}

static void
on_resolv_line(char *line, void *ctx)
{
	struct resolv_conf *conf = ctx;
	char *place;
	char *key = strtok_r(line, BLANKS, &place);
	char *word = key != NULL ? strtok_r(NULL, BLANKS, &place) : NULL;

	if (word == NULL)
		return;
	if (strcmp(key, "nameserver") == 0)
		add_server(conf, word);
	if (strcmp(key, "search") != 0 && strcmp(key, "domain") != 0)
		return;
	resolv_conf_fini(conf); /* the last such line holds */
	for (; word != NULL && conf->search_count < RESOLV_SEARCH_MAX;
	     word = strtok_r(NULL, BLANKS, &place))
		conf->search[conf->search_count++] = xstrdup(word);
}

void
resolv_conf_parse(const void *text, size_t size, struct resolv_conf *conf_out)
{
	*conf_out = (struct resolv_conf){0};
	each_line(text, size, on_resolv_line, conf_out);
	if (conf_out->server_count == 0)
		add_server(conf_out, "127.0.0.1");
}

void
resolv_conf_fini(struct resolv_conf *conf)
{
	for (size_t i = 0; i < conf->search_count; i++)
		free(conf->search[i]);
	conf->search_count = 0;
}

static void
on_hosts_line(char *line, void *ctx)
{
	struct hosts *hosts = ctx;
	struct netaddr address;
	char *place;
	char *word = strtok_r(line, BLANKS, &place);

	if (word == NULL || !netaddr_parse(word, &address))
		return;
	while ((word = strtok_r(NULL, BLANKS, &place)) != NULL) {
		hosts->rows = xrealloc(hosts->rows, hosts->count + 1, sizeof(*hosts->rows));
		hosts->rows[hosts->count++] =
		    (struct host){.name = xstrdup(word), .address = address};
	}
}

struct hosts *
hosts_new(const void *text, size_t size)
{
	struct hosts *hosts = xcalloc(1, sizeof(*hosts));

	each_line(text, size, on_hosts_line, hosts);
	return hosts;
}

void
hosts_free(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++)
		free(hosts->rows[i].name);
	free(hosts->rows);
	free(hosts);
}

static size_t
find_rows(const struct hosts *hosts, const char *name, struct netaddr *addresses_out, size_t max)
{
	size_t found = 0;

	for (size_t i = 0; i < hosts->count && found < max; i++)
		if (strcasecmp(hosts->rows[i].name, name) == 0)
			addresses_out[found++] = hosts->rows[i].address;
	return found;
}

size_t
hosts_find(const struct hosts *hosts, const char *name, struct netaddr *addresses_out, size_t max)
{
	static const char *const loopback[] = {"127.0.0.1", "::1"};
	size_t found = find_rows(hosts, name, addresses_out, max);

	if (found > 0 || strcasecmp(name, "localhost") != 0)
		return found;
	for (; found < max && found < 2; found++)
		(void)netaddr_parse(loopback[found], &addresses_out[found]);
	return found;
}
