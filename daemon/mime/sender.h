/*
 * sender - From:, Reply-To: and Sender: as a profile wants them
 *
 * Role     mime
 * Owns     nothing; appends to the caller's edits
 * Units    octets
 * Fails    never: a From: that can't be read is replaced, or left as it is, but never guessed at
 *
 * Supply: what is missing is added, a From:, a name for the one address that it has, a Reply-To:.
 * Replace: they hold whatever the message says. The From: that was there goes on as
 * X-Original-From:, and as Reply-To: if the message has none; a Sender: as X-Original-Sender:.
 */
#ifndef POSTERN_MIME_SENDER_H
#define POSTERN_MIME_SENDER_H

#include "daemon/core/values.h"
#include "daemon/mime/edits.h"

/* "" is none. */
struct sender_wishes {
	enum from_policy policy;
	const char *name, *address; /* for From: */
	const char *reply_to;
	const char *envelope; /* the envelope's sender */
};

/* `fields_size` is that of struct header_end. */
void sender_change(const struct sender_wishes *wishes, const char *message, size_t fields_size,
    struct edits *edits);

#endif
