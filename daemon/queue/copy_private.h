/*
 * copy_private - the files of a copy, for copy.c
 *
 * copy_files.c knows directories, links and flushes; copy.c what is done with them, in which order.
 * Nobody else includes this.
 */
#ifndef POSTERN_QUEUE_COPY_PRIVATE_H
#define POSTERN_QUEUE_COPY_PRIVATE_H

#include "daemon/queue/copy.h"

/* An open directory, -1 if there is none. */
int copy_open_directory(int at, const char *name);
/* The same, made (0700) where it is not there. */
int copy_make_directory(int at, const char *name);
/* Removes a directory and what is in it, as deep as a copy goes. */
int copy_remove_tree(int at, const char *name);
/* Removes the partial copies in `backups`. */
void copy_sweep(int backups);
/* Gives `to` the file that `from` has under this path: a link, or a flushed copy. */
int copy_give_file(int from, int to, const char *path);
/* Flushes a file, or a directory. */
int copy_flush(int at, const char *name);
/* Flushes the directories of bodies, and the one that they are in. */
int copy_flush_bodies(int at);

#endif
