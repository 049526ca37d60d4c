/*
 * readable - what the API says, for people: durations with units as options take them, budgets and
 * certificates in words
 *
 * Owns     nothing; changes the JSON that it is given
 */
#ifndef POSTERN_CTL_READABLE_H
#define POSTERN_CTL_READABLE_H

#include <jansson.h>

/* 600: "10m". The caller frees. */
char *readable_duration(double seconds);
/* What is left in one period of a budget. The caller frees. */
char *readable_budget(const json_t *period);
void readable_profile(json_t *profile);

#endif
