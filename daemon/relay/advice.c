/* advice - composes sentences with the profile's names in them. */
#include "daemon/relay/advice.h"

#include "common/buf.h"
#include "daemon/relay/hostlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define REST_BYTES                                                                                 \
	180 /* of advice behind the hosts, with the profile's name: what is cut is no command */

void
advise(const struct advice *advice, const char *format, ...)
{
	size_t used = strlen(advice->buffer);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(advice->buffer + used, advice->size - used, format, args);
	va_end(args);
}

void
advise_set(const struct advice *advice)
{
	advise(advice, "posternctl profile set %s", advice->profile->name);
}

/* ---- one of several hosts ---- */

bool
advise_has_others(const struct advice *advice)
{
	return advice->profile->hosts != NULL && hostlist_count(advice->profile->hosts) > 1;
}

/* The host that the words are about: most begin with it, those on a certificate end with it; behind
 * them may be what the others said. */
static size_t
find_failed(const struct hostlist *hosts, const char *text)
{
	static const char lead[] = ", not for ";
	const char *at = strstr(text, lead);
	size_t size = at == NULL ? strcspn(text, ":") : strcspn(at + strlen(lead), " ;");

	at = at == NULL ? text : at + strlen(lead);
	for (size_t i = 0; i < hostlist_count(hosts); i++)
		if (strlen(hostlist_name(hosts, i)) == size &&
		    strncasecmp(hostlist_name(hosts, i), at, size) == 0)
			return i;
	return HOSTLIST_NONE;
}

/* False: it isn't known which one is meant, or there is no room for all. */
static bool
list_hosts(const struct advice *advice, const char *name, struct buf *list)
{
	const struct hostlist *hosts = advice->profile->hosts;
	size_t failed = find_failed(hosts, advice->end->reply.text);
	size_t rest = REST_BYTES + strlen(advice->profile->name);

	buf_text(list, "");
	for (size_t i = 0; i < hostlist_count(hosts); i++) {
		const char *host = i == failed ? name : hostlist_name(hosts, i);

		/* It is among them under its right name already. */
		if (i != failed && strcasecmp(host, name) == 0)
			continue;
		buf_printf(list, "%s%s", list->size > 0 ? "," : "", host);
	}
	return failed != HOSTLIST_NONE && strlen(advice->buffer) + list->size + rest < advice->size;
}

void
advise_host(const struct advice *advice, const char *name)
{
	struct buf list;

	if (!advise_has_others(advice)) {
		advise(advice, " --host %s", name);
		return;
	}
	buf_init(&list);
	if (list_hosts(advice, name, &list))
		advise(advice, " --host %s", list.bytes);
	else
		advise(advice, " --host with all its hosts, %s in place of the one", name);
	buf_fini(&list);
}

void
advise_template(const struct advice *advice, const char *text)
{
	const struct {
		const char *sign, *value;
	} signs[] = {
	    {"{profile}", advice->profile->name},
	    {"{provider}", advice->profile->provider},
	};

	while (*text != '\0') {
		size_t plain = 1 + strcspn(text + 1, "{");
		size_t i = 0;

		while (i < 2 && strncmp(text, signs[i].sign, strlen(signs[i].sign)) != 0)
			i++;
		if (i < 2) {
			advise(advice, "%s", signs[i].value);
			text += strlen(signs[i].sign);
		} else {
			advise(advice, "%.*s", (int)plain, text);
			text += plain;
		}
	}
}
