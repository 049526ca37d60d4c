/*
 * load - what the generator is to do, and what came of it
 */
#ifndef POSTERN_BENCH_LOAD_H
#define POSTERN_BENCH_LOAD_H

#include "common/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum load_auth { LOAD_AUTH_NONE, LOAD_AUTH_PLAIN, LOAD_AUTH_LOGIN };

struct load_times {
	uint32_t *us; /* one for each message that was accepted */
	uint64_t count;
};

struct load {
	struct sockaddr_storage address;
	socklen_t address_size;
	unsigned sessions;
	uint64_t messages;
	unsigned per_connection; /* 0: as many as there are */
	size_t size_bytes;       /* of a message, its header included */
	bool has_starttls, has_pipelining;
	enum load_auth auth;
	const char *user, *password, *from, *to, *run;
	FILE *ids; /* of accepted messages; may be NULL */

	char *body;
	size_t body_size;
	uint64_t started, accepted, rejected, failed, connections;
	unsigned failures_in_a_row;
	struct load_times whole, dot;
	char first_problem[512];
};

/* The next message's number, or 0: there is none left. */
uint64_t load_take_number(struct load *load);
void load_problem(struct load *load, const char *text);
uint64_t load_now_us(void);

#endif
