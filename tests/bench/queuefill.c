/*
 * queuefill - fills the queue of a posternd that isn't running
 *
 *	queuefill STATE_DIR MESSAGES [ready] <users
 *
 * Standard input has a line for each user: id, login, list. With `ready` all can go at once.
 * Prints first=ID, the number of the first message.
 */
#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/lib/queue_fill.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS_MAX 100000
#define BODY_BYTES 400

static unsigned
read_users(struct fill_user *users)
{
	char login[128], list[128];
	unsigned count = 0;

	while (count < USERS_MAX &&
	       scanf("%" SCNu64 " %127s %127s", &users[count].id, login, list) == 3) {
		users[count].login = xstrdup(login);
		users[count].list = xstrdup(list);
		count++;
	}
	return count;
}

int
main(int argc, char **argv)
{
	struct fill_user *users = xcalloc(USERS_MAX, sizeof(*users));
	struct fill_options options = {
	    .users = users, .body_bytes = BODY_BYTES, .now_ms = clock_wall_ms()};
	char path[4096];
	uint64_t first_id;
	struct err err;

	if (argc < 3 || argc > 4 || (argc == 4 && strcmp(argv[3], "ready") != 0)) {
		(void)fprintf(stderr, "usage: queuefill STATE_DIR MESSAGES [ready] <users\n");
		return 2;
	}
	options.count = strtoull(argv[2], NULL, 10);
	options.is_all_ready = argc == 4;
	options.user_count = read_users(users);
	if (options.user_count == 0 || options.count == 0) {
		(void)fprintf(stderr, "queuefill: no users, or no messages\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/queue.db", argv[1]);
	if (fill_queue(path, &options, &first_id, &err) != 0) {
		(void)fprintf(stderr, "queuefill: %s\n", err.text);
		return 1;
	}
	(void)printf("first=%" PRIu64 "\n", first_id);
	return 0;
}
