/*
 * copies - the commands of `queue` that copy it: check, backup, export
 *
 * Fails    as invocation.h says
 */
#ifndef POSTERN_CTL_COPIES_H
#define POSTERN_CTL_COPIES_H

#include "ctl/args.h"

extern const struct option_row export_options[];

int run_check(struct invocation *invocation);
int run_backup(struct invocation *invocation);
int run_export(struct invocation *invocation);

#endif
