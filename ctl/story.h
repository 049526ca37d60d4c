/*
 * story - a message of the history for people: when it came, what was tried, what became of it
 *
 * Owns     nothing; borrows the JSON
 */
#ifndef POSTERN_CTL_STORY_H
#define POSTERN_CTL_STORY_H

#include <jansson.h>
#include <stdio.h>

/* Transcripts too, if it has some. */
void story_print(FILE *out, const json_t *message);

#endif
