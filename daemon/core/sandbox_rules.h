/*
 * sandbox_rules - which role may make which system calls, as a table
 *
 * Role     each, by way of sandbox.c
 *
 * What the C library and the other libraries call is in the lists as well as what we do:
 * doc/hacking.md says how to find out what a change needs.
 */
#ifndef POSTERN_CORE_SANDBOX_RULES_H
#define POSTERN_CORE_SANDBOX_RULES_H

#include <stdint.h>

#define SANDBOX_OWN_PID UINT64_MAX /* as a value: the process itself */

/* Meets a call if both tests hold. Several rules for one call are alternatives. */
struct sandbox_rule {
	const char *call;
	struct {
		unsigned argument; /* counted from 0 */
		uint64_t mask;     /* argument & mask == value; 0: no test */
		uint64_t value;
	} tests[2];
};

struct sandbox_group {
	const char *purpose;
	unsigned roles;                   /* a set of 1 << role */
	int error;                        /* 0: allowed; otherwise what the caller hears */
	const struct sandbox_rule *rules; /* ends with a rule without a call */
};

/* Ends with a group without rules. */
extern const struct sandbox_group sandbox_groups[];

#endif
