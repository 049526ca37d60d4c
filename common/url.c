/* url - takes an address apart, or says what is wrong with it. */
#include "common/url.h"

#include "common/domain.h"
#include "common/netaddr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int
check_characters(const char *text, struct err *err_out)
{
	if (strlen(text) >= URL_SIZE)
		return err_set(err_out, "has more than %d bytes", URL_SIZE - 1);
	for (; *text != '\0'; text++)
		if (!isgraph((unsigned char)*text) || strchr("\\\"<>^`{|}#@", *text) != NULL)
			return err_set(
			    err_out, "must be printable ASCII without blanks, quotes, @, # and \\");
	return 0;
}

/* Gives what stands behind the scheme, or NULL. */
static const char *
read_scheme(const char *text, struct url *url)
{
	url->is_https = strncasecmp(text, "https://", 8) == 0;
	if (url->is_https)
		return text + 8;
	return strncasecmp(text, "http://", 7) == 0 ? text + 7 : NULL;
}

static int
read_port(const char *text, size_t size, struct url *url, struct err *err_out)
{
	long port;

	if (size == 0) {
		url->port = url->is_https ? 443 : 80;
		return 0;
	}
	port = strspn(text + 1, "0123456789") == size - 1 ? strtol(text + 1, NULL, 10) : 0;
	if (text[0] != ':' || size > 6 || port < 1 || port > 65535)
		return err_set(err_out, "its port must be a number from 1 to 65535");
	url->port = (uint16_t)port;
	return 0;
}

/* A name whose last label begins with a digit is an address to some readers, in hex or octal. */
static bool
is_name(const char *text)
{
	const char *dot = strrchr(text, '.');

	return domain_is_ascii(text, strlen(text)) &&
	       !isdigit((unsigned char)*(dot != NULL ? dot + 1 : text));
}

/* An address in brackets, or a name or IPv4 address up to a colon. */
static int
read_host(const char *text, size_t size, struct url *url, size_t *used_out, struct err *err_out)
{
	bool has_brackets = size > 0 && text[0] == '[';
	const char *end = memchr(text, has_brackets ? ']' : ':', size);
	size_t length = end != NULL ? (size_t)(end - text) : size;
	struct netaddr address;

	if (has_brackets && end == NULL)
		return err_set(err_out, "its host has no ] behind the [");
	if (length - has_brackets >= URL_HOST_SIZE)
		return err_set(err_out, "its host is too long");
	memcpy(url->host, text + has_brackets, length - has_brackets);
	url->host[length - has_brackets] = '\0';
	*used_out = length + has_brackets;
	if (has_brackets ? netaddr_parse(url->host, &address) && !netaddr_is_ipv4(&address)
			 : is_name(url->host) || netaddr_parse(url->host, &address))
		return 0;
	return err_set(err_out, "its host must be a name (in ASCII), or an address");
}

int
url_parse(const char *text, struct url *url_out, struct err *err_out)
{
	const char *at = read_scheme(text, url_out);
	struct netaddr address;
	size_t size, used;

	if (at == NULL)
		return err_set(err_out, "must begin with https://");
	if (check_characters(text, err_out) != 0)
		return -1;
	size = strcspn(at, "/?");
	if (read_host(at, size, url_out, &used, err_out) != 0 ||
	    read_port(at + used, size - used, url_out, err_out) != 0)
		return -1;
	if (!url_out->is_https &&
	    !(netaddr_parse(url_out->host, &address) && netaddr_is_loopback(&address)))
		return err_set(err_out,
		    "must begin with https://; http:// is allowed to 127.0.0.1 and [::1] only");
	return 0;
}
