/* call_path - takes a profile's name out of a path. */
#include "daemon/relay/call_path.h"

#include "common/percent.h"

#include <stddef.h>
#include <string.h>

#define NAME_BYTES 255

char *
call_path_profile(const char *path, const char *tail)
{
	static const char head[] = "/v1/profiles/";
	size_t size = strcspn(path, "?"), around = strlen(head) + strlen(tail);

	if (strncmp(path, head, strlen(head)) != 0 || size <= around ||
	    strncmp(path + size - strlen(tail), tail, strlen(tail)) != 0)
		return NULL;
	size -= around;
	return size <= NAME_BYTES ? percent_decode(path + strlen(head), size) : NULL;
}
