/*
 * dialogue - one session of the load generator: connects, greets, sends message after message
 *
 * Owns     its connection
 * Context  one epoll loop; dialogue_step() when the socket is ready
 */
#ifndef POSTERN_BENCH_DIALOGUE_H
#define POSTERN_BENCH_DIALOGUE_H

#include "tests/bench/load.h"

struct dialogue;

struct dialogue *dialogue_new(struct load *load, int epoll_fd);
void dialogue_free(struct dialogue *dialogue);
void dialogue_begin(struct dialogue *dialogue);
void dialogue_step(struct dialogue *dialogue);
/* Nothing is left to do for this one. */
bool dialogue_is_done(const struct dialogue *dialogue);

#endif
