/*
 * hostlist - a profile's hosts, in the order in which they are tried, and which of them failed lately
 *
 * Owns     copies of the names
 * Context  pure: the caller has the clock
 * Units    milliseconds of a clock that never goes back
 *
 * A host that failed is left out while others work, first for HOST_AGAIN_MS, then for twice as long
 * each time, up to HOST_AGAIN_MAX_MS: so not every connection waits for one that doesn't answer. A
 * single connection tries it again then; others go on to leave it out meanwhile.
 */
#ifndef POSTERN_RELAY_HOSTLIST_H
#define POSTERN_RELAY_HOSTLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_AGAIN_MS (5 * 60 * 1000)
#define HOST_AGAIN_MAX_MS (60 * 60 * 1000)
#define HOSTLIST_NONE SIZE_MAX

struct hostlist;

/* From names with `;` between. */
struct hostlist *hostlist_new(const char *names);
void hostlist_free(struct hostlist *list); /* NULL is allowed */
size_t hostlist_count(const struct hostlist *list);
/* "" where the list is empty. */
const char *hostlist_name(const struct hostlist *list, size_t host);

/* The one to try now, of those whose bit isn't in `tried`: those that work come first, then those that
 * failed. HOSTLIST_NONE: all were tried. */
size_t hostlist_next(struct hostlist *list, unsigned tried, int64_t now_ms);
/* True: this is new. */
bool hostlist_note_failed(struct hostlist *list, size_t host, int64_t now_ms);
bool hostlist_note_worked(struct hostlist *list, size_t host);

#endif
