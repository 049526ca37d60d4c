/* upkeep - what the parent does by the clock: new keys for session tickets, a look at dates. */
#include "daemon/parent/parent_state.h"

#include "common/log.h"
#include "daemon/core/loop.h"
#include "daemon/parent/keys.h"
#include "daemon/parent/warnings.h"

#define LOOK_AGAIN_MS INT64_C(86400000)

static void
log_warning(enum log_level level, const char *text)
{
	log_problem(level, "%s", text);
}

static void
look_at_certificates(struct parent *parent)
{
	warnings_of_certificates(parent->setup.config, &parent->setup.files,
	    loop_wall_ms(parent->loop) / 1000, log_warning);
	timer_set(parent->look, LOOK_AGAIN_MS);
}

static void
on_look(void *ctx)
{
	look_at_certificates(ctx);
}

static void
set_rotation(struct parent *parent)
{
	int64_t due_ms = parent->rotated_at_ms + parent->setup.config->tls.ticket_rotation_ms;
	int64_t wait_ms = due_ms - loop_now_ms(parent->loop);

	timer_set(parent->rotation, wait_ms > 0 ? wait_ms : 1);
}

static void
on_rotation(void *ctx)
{
	struct parent *parent = ctx;

	keys_rotate_tickets(&parent->setup.files.of[FILE_TICKET_KEYS]);
	family_tell_file(parent->family, FILE_TICKET_KEYS);
	log_trace("session tickets have a new key");
	parent->rotated_at_ms = loop_now_ms(parent->loop);
	set_rotation(parent);
}

void
upkeep_begin(struct parent *parent)
{
	parent->look = timer_new(parent->loop, on_look, parent);
	parent->rotation = timer_new(parent->loop, on_rotation, parent);
	parent->rotated_at_ms = loop_now_ms(parent->loop);
	upkeep_reload(parent);
}

void
upkeep_reload(struct parent *parent)
{
	warnings_of_listeners(parent->setup.config, log_warning);
	look_at_certificates(parent);
	set_rotation(parent);
}

void
upkeep_end(struct parent *parent)
{
	timer_free(parent->look);
	timer_free(parent->rotation);
}
