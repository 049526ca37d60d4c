/*
 * pop3_keeper - when profiles have to log in to their POP3 servers, and who waits for it
 *
 * Owns     what is known of each profile's last login, while relay runs
 * Context  loop; no callback runs inside pop3_wait()
 * Units    milliseconds; *_at_ms are loop_now_ms()
 * Fails    on_end of each that waited, with what ended the login
 *
 * A login holds for the profile's pop3_valid, or for as long as the server forbids another one
 * (LOGIN-DELAY). At most one is under way for a profile, and all who want a connection wait for it.
 * While mail flows, the next one comes before the last has run out, so that nobody waits.
 */
#ifndef POSTERN_RELAY_POP3_KEEPER_H
#define POSTERN_RELAY_POP3_KEEPER_H

#include "daemon/relay/pop3_session.h"

struct pop3_keeper;
struct pop3_wait;

struct pop3_wish {
	unsigned families; /* of the SMTP server's addresses */
	int64_t since_ms;  /* the login is to have begun then or later; 0: any that holds */
	bool is_test;      /* says nothing of mail that flows */
};

struct pop3_wait_callbacks {
	/* Of a login that was begun, as far as it is waited for. */
	void (*on_step)(const struct channel_step *step, void *ctx);
	void (*on_line)(bool is_sent, const char *line, void *ctx);
	/* The last one. `end` NULL: the SMTP server is open, for addresses of `families`. */
	void (*on_end)(const struct client_end *end, unsigned families, void *ctx);
};

struct pop3_keeper *pop3_keeper_new(struct loop *loop, struct dns *dns);
/* Nobody waits any more. */
void pop3_keeper_free(struct pop3_keeper *keeper);

/* The profile has pop3. */
struct pop3_wait *pop3_wait(struct pop3_keeper *keeper, struct profile *profile,
    const struct pop3_wish *wish, const struct pop3_wait_callbacks *callbacks, void *ctx);
/* It isn't waited for any more; not after on_end. */
void pop3_wait_end(struct pop3_wait *wait);

/* Mail of this profile flows. */
void pop3_keeper_note_use(struct pop3_keeper *keeper, const struct profile *profile);
/* Another version of the profile is there, or none: the last login was somebody else's. */
void pop3_keeper_forget(struct pop3_keeper *keeper, uint64_t profile_id, uint32_t version);
/* Profiles may have changed, or relay is about to end: no login that nobody waits for. */
void pop3_keeper_rest(struct pop3_keeper *keeper);

#endif
