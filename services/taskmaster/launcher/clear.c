/* Empties a directory in memory, whose pod would else keep what a step has left there. */
#include "launcher.h"

#include <ftw.h>
#include <stdio.h>

enum { MOST_DESCRIPTORS = 16 };

/* What cannot be removed stays: it is of another user, or a mount below. */
static int remove_entry(const char *path, const struct stat *status, int kind,
                        struct FTW *place)
{
    (void)status;
    (void)kind;
    if (place->level > 0)
        (void)remove(path);
    return 0;
}

void clear_directory(const char *path)
{
    (void)nftw(path, remove_entry, MOST_DESCRIPTORS, FTW_DEPTH | FTW_MOUNT | FTW_PHYS);
}
