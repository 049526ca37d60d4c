/* ebb - counts clients, and their highest number since memory was last given back. */
#include "daemon/smtpd/ebb.h"

#include "common/xalloc.h"
#include "daemon/core/loop.h"

#include <stdlib.h>

#define CROWD 500 /* fewer clients hold too little to be worth it */
#define REST_MS 1000

struct ebb {
	struct timer *rest;
	void (*trim)(void);
	unsigned clients, most;
};

static void
on_rest(void *ctx)
{
	struct ebb *ebb = ctx;

	ebb->most = ebb->clients;
	ebb->trim();
}

struct ebb *
ebb_new(struct loop *loop, void (*trim)(void))
{
	struct ebb *ebb = xcalloc(1, sizeof(*ebb));

	ebb->rest = timer_new(loop, on_rest, ebb);
	ebb->trim = trim;
	return ebb;
}

void
ebb_free(struct ebb *ebb)
{
	timer_free(ebb->rest);
	free(ebb);
}

void
ebb_come(struct ebb *ebb)
{
	ebb->clients++;
	if (ebb->clients > ebb->most)
		ebb->most = ebb->clients;
}

void
ebb_go(struct ebb *ebb)
{
	ebb->clients--;
	if (ebb->most >= CROWD && ebb->clients <= ebb->most / 4 && !timer_is_set(ebb->rest))
		timer_set(ebb->rest, REST_MS);
}
