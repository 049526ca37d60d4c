/*
 * retry - mail that `queue retry` had nothing to do for
 *
 * Owns     nothing
 * Fails    as invocation.h has it
 */
#ifndef POSTERN_CTL_RETRY_H
#define POSTERN_CTL_RETRY_H

#include "ctl/invocation.h"

/* Nothing was changed. STATUS_DONE: what was named is on its way already, which is said; or nothing
 * was found that is, `*is_going_out` is false, and nothing was said. Refused: it waits for its profile. */
int retry_explain(struct invocation *invocation, bool *is_going_out);
/* The same of --all, which is done also where there is nothing to do: why the first that is ready is
 * not on its way is said, and no failure. */
int retry_explain_all(struct invocation *invocation);

#endif
