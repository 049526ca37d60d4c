/*
 * powervfs - an SQLite VFS in memory that can put its files back to what a power cut left of them
 *
 * Context  one thread
 * Units    bytes
 *
 * While it records, every write, truncation, flush and removal is kept, in order. power_rewind() and
 * power_advance() go through them once more; power_cut() then makes the files what a power cut in
 * that moment may leave: what was flushed is there; of what was written since to the same file each
 * sector is there or not, in any order, and a file that was never flushed may be missing.
 */
#ifndef POSTERN_TESTS_POWERVFS_H
#define POSTERN_TESTS_POWERVFS_H

#include <stdbool.h>
#include <stdint.h>

enum power_loss {
	POWER_LOSES_ALL,  /* nothing that was not flushed is there */
	POWER_LOSES_NONE, /* the process died, the machine lived */
	POWER_LOSES_SOME  /* some sectors, by chance */
};

/* Makes it the default VFS of this process. */
void power_install(void);
/* No files, nothing recorded. */
void power_reset(void);
/* What the files are now is on disk, and nothing else is known: recording begins. */
void power_record(void);
/* How much was recorded so far. */
unsigned power_events(void);

/* Ends the recording, and goes back to its begin. */
void power_rewind(void);
/* Goes on by one event; false: there is none. */
bool power_advance(void);
/* Files as of the events passed so far; what is written to them is not recorded. */
void power_cut(enum power_loss loss, uint64_t seed);

#endif
