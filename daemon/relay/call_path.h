/*
 * call_path - the paths of the API that relay answers
 *
 * Gives    a string that the caller frees
 * Context  pure
 */
#ifndef POSTERN_RELAY_CALL_PATH_H
#define POSTERN_RELAY_CALL_PATH_H

/* The NAME of /v1/profiles/NAME`tail`, decoded; NULL: it is another path. */
char *call_path_profile(const char *path, const char *tail);

#endif
