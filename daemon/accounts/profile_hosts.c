/* profile_hosts - reads hosts as people write them, and puts them into the form that is kept. */
#include "daemon/accounts/profile_hosts.h"

#include "common/buf.h"
#include "common/domain.h"
#include "common/netaddr.h"
#include "common/xalloc.h"
#include "daemon/core/values.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* smtp.example.com:587, [::1]:587 */
static bool
has_port(const char *text)
{
	const char *colon = strrchr(text, ':');

	return colon != NULL && colon[1] != '\0' &&
	       colon[1 + strspn(colon + 1, "0123456789")] == '\0';
}

/* 256.1.1.1: no name ends in digits alone (RFC 3696 2), so it is meant as an address. */
static bool
is_like_address(const char *text)
{
	return text[strspn(text, "0123456789.")] == '\0' && strchr(text, '.') != NULL;
}

int
profile_normalise_host(char **text, struct err *err_out)
{
	size_t length = strlen(*text);
	bool has_brackets = length > 2 && (*text)[0] == '[' && (*text)[length - 1] == ']';
	char *bare = has_brackets ? xstrndup(*text + 1, length - 2) : xstrdup(*text);
	char name[DOMAIN_SIZE], address_text[NETADDR_TEXT_SIZE];
	struct netaddr address;
	const char *host = NULL;

	if (netaddr_parse(bare, &address))
		host = netaddr_format(&address, address_text);
	else if (has_brackets || is_like_address(bare))
		(void)err_set(err_out, "%.200s is no IP address", *text);
	else if (has_port(bare))
		(void)err_set(err_out, "%.200s: the port is a setting of its own (port)", bare);
	else if (domain_normalise(bare, length, name, err_out) == 0)
		host = name;
	free(bare);
	if (host == NULL)
		return -1;
	free(*text);
	*text = xstrdup(host);
	return 0;
}

/* Whether the text has this item, one of those between `;`. */
static bool
has_item(const struct buf *items, const char *item)
{
	size_t size = strlen(item), length;

	for (const char *at = items->bytes; at != NULL && *at != '\0';
	     at += length + (at[length] == ';')) {
		length = strcspn(at, ";");
		if (length == size && strncmp(at, item, size) == 0)
			return true;
	}
	return false;
}

static int
add_host(struct buf *hosts, size_t *count, const char *text, size_t size, struct err *err_out)
{
	char *host = xstrndup(text, size);
	int rc = profile_normalise_host(&host, err_out);

	if (rc == 0 && has_item(hosts, host))
		rc = err_set(err_out, "%.200s is there twice", host);
	else if (rc == 0 && ++*count > PROFILE_HOSTS_MAX)
		rc = err_set(err_out, "at most %d hosts are allowed", PROFILE_HOSTS_MAX);
	if (rc == 0)
		buf_printf(hosts, "%s%s", hosts->size > 0 ? ";" : "", host);
	free(host);
	return rc;
}

int
profile_normalise_hosts(char **text, struct err *err_out)
{
	const char *at = *text;
	struct buf hosts;
	size_t count = 0;
	int rc = 0;

	buf_init(&hosts);
	for (size_t length, size; rc == 0 && *(at += strspn(at, ";, \t")) != '\0'; at += length) {
		length = size = strcspn(at, ";,");
		while (at[size - 1] == ' ' || at[size - 1] == '\t')
			size--;
		rc = add_host(&hosts, &count, at, size, err_out);
	}
	if (rc == 0 && count == 0)
		rc = err_set(err_out, "there are separators but no host");
	if (rc != 0) {
		buf_fini(&hosts);
		return -1;
	}
	free(*text);
	*text = buf_give(&hosts);
	return 0;
}
