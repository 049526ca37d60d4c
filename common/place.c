/* place - a file is its device and number, whatever its name. */
#include "common/place.h"

#include <sys/stat.h>

int
place_note(struct place *place, const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return -1;
	*place = (struct place){.device = status.st_dev, .file = status.st_ino};
	return 0;
}

bool
place_is_kept(const struct place *place, const char *path)
{
	struct place now;

	return place_note(&now, path) == 0 && now.device == place->device &&
	       now.file == place->file;
}
