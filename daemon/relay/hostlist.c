/* hostlist - hosts with the time from which each may be tried again. */
#include "daemon/relay/hostlist.h"

#include "common/xalloc.h"
#include "daemon/core/values.h"

#include <stdlib.h>
#include <string.h>

struct host {
	char *name;
	int64_t wait_ms;     /* since it failed; 0: it works as far as we know */
	int64_t again_at_ms; /* with a wait */
	bool is_retried;     /* somebody tries it again since its time has come */
};

struct hostlist {
	struct host hosts[PROFILE_HOSTS_MAX];
	size_t count;
};

struct hostlist *
hostlist_new(const char *names)
{
	struct hostlist *list = xcalloc(1, sizeof(*list));

	for (size_t size; *names != '\0' && list->count < PROFILE_HOSTS_MAX;
	     names += size + (names[size] == ';')) {
		size = strcspn(names, ";");
		if (size > 0)
			list->hosts[list->count++].name = xstrndup(names, size);
	}
	return list;
}

void
hostlist_free(struct hostlist *list)
{
	if (list == NULL)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->hosts[i].name);
	free(list);
}

size_t
hostlist_count(const struct hostlist *list)
{
	return list->count;
}

const char *
hostlist_name(const struct hostlist *list, size_t host)
{
	return host < list->count ? list->hosts[host].name : "";
}

size_t
hostlist_next(struct hostlist *list, unsigned tried, int64_t now_ms)
{
	size_t failed = HOSTLIST_NONE;

	for (size_t i = 0; i < list->count; i++) {
		struct host *host = &list->hosts[i];

		if ((tried & (1u << i)) != 0)
			continue;
		if (host->wait_ms == 0)
			return i;
		if (now_ms >= host->again_at_ms) {
			host->again_at_ms = now_ms + host->wait_ms;
			host->is_retried = true;
			return i;
		}
		if (failed == HOSTLIST_NONE)
			failed = i;
	}
	return failed;
}

/* Connections that began before it was known to fail, fail later: they count once. */
bool
hostlist_note_failed(struct hostlist *list, size_t host, int64_t now_ms)
{
	struct host *at = &list->hosts[host];
	bool is_new = at->wait_ms == 0;

	if (!is_new && !at->is_retried)
		return false;
	at->wait_ms = is_new ? HOST_AGAIN_MS : at->wait_ms * 2;
	if (at->wait_ms > HOST_AGAIN_MAX_MS)
		at->wait_ms = HOST_AGAIN_MAX_MS;
	at->again_at_ms = now_ms + at->wait_ms;
	at->is_retried = false;
	return is_new;
}

bool
hostlist_note_worked(struct hostlist *list, size_t host)
{
	bool is_new = list->hosts[host].wait_ms != 0;

	list->hosts[host].wait_ms = 0;
	list->hosts[host].is_retried = false;
	return is_new;
}
