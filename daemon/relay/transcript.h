/*
 * transcript - the dialogue of one attempt, for people to read
 *
 * Owns     its text
 * Context  pure: the caller has the clock
 * Units    milliseconds; TRANSCRIPT_BYTES of text at the most
 *
 * A line begins with the seconds since the first one, then who spoke: `0.013 C: EHLO relay`; C is
 * us, S the upstream, * what happened besides. Of a dialogue that is too long the middle is left out,
 * in whole lines, and one line says so. Texts must be UTF-8 without secrets.
 */
#ifndef POSTERN_RELAY_TRANSCRIPT_H
#define POSTERN_RELAY_TRANSCRIPT_H

#include "common/buf.h"

#include <stdint.h>

struct transcript {
	struct buf head, tail; /* the beginning, and when that is full the last lines */
	uint64_t left_out;     /* lines between them */
	int64_t begun_at_ms;
};

enum transcript_speaker { TRANSCRIPT_CLIENT, TRANSCRIPT_SERVER, TRANSCRIPT_EVENT };

void transcript_init(struct transcript *transcript);
void transcript_fini(struct transcript *transcript);
/* Empty; the times of what follows count from here. */
void transcript_begin(struct transcript *transcript, int64_t now_ms);
void transcript_add(struct transcript *transcript, int64_t now_ms, enum transcript_speaker speaker,
    const char *text);
/* Gives the text; NULL: there is none. The transcript is empty afterwards. */
char *transcript_give(struct transcript *transcript);

#endif
