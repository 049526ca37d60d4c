/*
 * place - whether a file that is held open still stands under its name
 *
 * Owns     nothing; pure but for stat()
 * Fails    place_note(): -1 with errno
 *
 * Who removes a file, or puts another one in its place, is not heard by those who have it open.
 */
#ifndef POSTERN_COMMON_PLACE_H
#define POSTERN_COMMON_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

struct place {
	dev_t device;
	ino_t file;
};

/* Notes which file it is now. */
__attribute__((warn_unused_result)) int place_note(struct place *place, const char *path);
bool place_is_kept(const struct place *place, const char *path);

#endif
