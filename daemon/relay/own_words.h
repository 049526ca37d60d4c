/*
 * own_words - an upstream's own words in a reply, without those that it repeats
 *
 * Owns     nothing
 * Context  pure
 * Units    bytes
 *
 * Replies repeat addresses, subjects, file names and links, which the senders of mail choose: they
 * are not to decide what is wrong with an account. In the place of each stands an @:
 *
 *	an address of the envelope, whole or in parts; any other address
 *	what stands in <…>, and between the first and the last double quote
 *	what follows `subject` and a colon or an equals sign; a link
 *
 * A part of an address that is a single plain word stays unless it stands apart (`throttle: no such
 * user`): it may be the upstream's.
 */
#ifndef POSTERN_RELAY_OWN_WORDS_H
#define POSTERN_RELAY_OWN_WORDS_H

#include "daemon/config/reply_rules.h"

#include <stddef.h>

/* The envelope's addresses that a reply may repeat, without their brackets. */
struct envelope {
	const char *const *addresses;
	size_t count;
};

/* `envelope` may be NULL: not known. What goes beyond REPLY_TEXT_MAX is left out. */
void own_words(
    const char *text, const struct envelope *envelope, char words_out[static REPLY_TEXT_MAX + 1]);

#endif
