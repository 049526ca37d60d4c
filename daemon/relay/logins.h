/*
 * logins - when a profile may log in, so that no upstream locks its account
 *
 * Owns     what is known of each profile's logins, while relay runs
 * Context  loop; no callback runs inside login_wait()
 * Units    milliseconds
 *
 * Over all connections of a profile, LOGINS_REFUSED_MAX logins may be refused in LOGINS_PERIOD_MS; from
 * then on nobody tries until the period is over, or an operator changed the profile. To keep that
 * with many connections, no more logins are under way than may yet be refused, and a single one
 * until the first has worked.
 */
#ifndef POSTERN_RELAY_LOGINS_H
#define POSTERN_RELAY_LOGINS_H

#include <stdbool.h>
#include <stdint.h>

#define LOGINS_REFUSED_MAX 2
#define LOGINS_PERIOD_MS (10 * 60 * 1000)

struct login;
struct logins;
struct loop;
struct profile;

enum login_result {
	LOGIN_GOOD,
	LOGIN_REFUSED,
	LOGIN_UNDECIDED /* the upstream judged nothing: no such method, try later, connection lost */
};

/* `on_worked` hears of the method (its name as an option) that is new for the profile. */
struct logins *logins_new(struct loop *loop,
    void (*on_worked)(uint64_t profile_id, uint32_t version, const char *method, void *ctx),
    void *ctx);
/* Nobody waits any more. */
void logins_free(struct logins *logins);
/* The profile is gone. */
void logins_forget(struct logins *logins, uint64_t profile_id);

/* Calls on_turn once, in a later turn: with NULL when the login may begin, or with why none may
 * for now, which is that enough were refused. `is_next` is for a second method on the connection whose first was just refused: it goes
 * before others. */
struct login *login_wait(struct logins *logins, const struct profile *profile, bool is_next,
    void (*on_turn)(const char *problem, void *ctx), void *ctx);
/* At any time. `words` is what the upstream said when it refused, "" otherwise. */
void login_end(struct login *login, enum login_result result, const char *words);
/* The method that worked, before login_end(). */
void login_note_method(struct login *login, unsigned method_bit);
/* The bit of the method that worked last, 0: none is known. */
unsigned login_worked(const struct login *login);

#endif
