/*
 * nouns - the tables of commands, one for each noun
 */
#ifndef POSTERN_CTL_NOUNS_H
#define POSTERN_CTL_NOUNS_H

#include "ctl/args.h"

extern const struct command list_commands[];
extern const struct command user_commands[];
extern const struct command profile_commands[];
extern const struct command provider_commands[];
extern const struct command explain_commands[];
extern const struct command queue_commands[];
extern const struct command track_commands[];
extern const struct command stats_commands[];
extern const struct command alert_commands[];
extern const struct command client_commands[];
extern const struct command tls_commands[];
extern const struct command daemon_commands[];

#endif
