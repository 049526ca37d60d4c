/*
 * parent - reads the config, makes what the roles need, starts them, and ends them in order
 *
 * Role     parent
 * Owns     the listening sockets, the config, the keys, the log; root, if started so
 *
 * Reads nothing that came from a network.
 */
#ifndef POSTERN_PARENT_PARENT_H
#define POSTERN_PARENT_PARENT_H

#include <stdbool.h>

struct parent_options {
	const char *config_path;
	bool is_foreground; /* log to stderr whatever the config says */
	bool is_verbose;
	int ready_fd; /* closed once the daemon is ready, after one byte; -1: nobody waits */
};

#define EXIT_CONFIG 78
#define EXIT_SYSTEM 71

/* Runs until SIGTERM or SIGINT; returns the exit status. */
int parent_run(const struct parent_options *options);

#endif
