/*
 * loop - one libevent base, a cached clock, timers, and a place to free things safely
 *
 * Context  everything here runs on the loop's thread
 * Units    milliseconds
 *
 * Time is read once a turn. Tests replace it with loop_set_clock(). What lives on the loop is
 * never freed inside its own callback: it is handed to loop_free_later(), which frees it at the
 * end of the turn.
 */
#ifndef POSTERN_CORE_LOOP_H
#define POSTERN_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct loop;
struct timer;

struct loop *loop_new(void);
/* Frees what waits to be freed, then the loop. */
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
/* Runs what is ready, waiting at most `wait_ms` for the first event; for tests. */
void loop_turn(struct loop *loop, int64_t wait_ms);
void loop_stop(struct loop *loop);

/* Monotonic and wall clock of this turn. */
int64_t loop_now_ms(const struct loop *loop);
int64_t loop_wall_ms(const struct loop *loop);
/* Tests: both clocks stand at these times until the next call. */
void loop_set_clock(struct loop *loop, int64_t now_ms, int64_t wall_ms);

/* Calls `fn(ctx)` later in this turn, after the running callback has returned. */
void loop_defer(struct loop *loop, void (*fn)(void *ctx), void *ctx);
/* The same, before whatever else was deferred. */
void loop_defer_first(struct loop *loop, void (*fn)(void *ctx), void *ctx);
/* Frees at the end of the turn with `free_fn(object)`. */
void loop_free_later(struct loop *loop, void (*free_fn)(void *object), void *object);

/* A timer that is off until it is set. It fires once; the callback may set it again. */
struct timer *timer_new(struct loop *loop, void (*on_timer)(void *ctx), void *ctx);
void timer_free(struct timer *timer); /* NULL is allowed */
void timer_set(struct timer *timer, int64_t after_ms);
void timer_stop(struct timer *timer);
bool timer_is_set(const struct timer *timer);
/* Tests: timers that are set from now on fire so many times as soon. */
void loop_hurry(struct loop *loop, unsigned times);

#endif
