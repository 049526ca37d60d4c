/*
 * url - addresses of HTTP services that an operator names
 *
 * Owns     nothing
 * Fails    -1 and *err_out, which says what is allowed
 *
 * A narrow grammar, so that no other reader of the same text can find another host in it:
 * `https://host[:port][/path[?query]]`, printable ASCII, no user part, no fragment. `http` only to
 * a loopback address, written as one.
 */
#ifndef POSTERN_COMMON_URL_H
#define POSTERN_COMMON_URL_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define URL_SIZE 1024
#define URL_HOST_SIZE 256

struct url {
	bool is_https;
	char host[URL_HOST_SIZE]; /* a name, or an address without brackets */
	uint16_t port;
};

int url_parse(const char *text, struct url *url_out, struct err *err_out);

#endif
