/* Tells whether a disk has no space left, as far as it says so. */
#include "launcher.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* A program that found no space for its next block may have left some bytes, and some
 * disks keep a little back. */
enum { LITTLE = 1 << 20 };

bool is_full(const char *path)
{
    struct statvfs disk;
    unsigned long long blocks;
    int result;

    do {
        result = statvfs(path, &disk);
    } while (result != 0 && errno == EINTR);
    if (result != 0 || disk.f_blocks == 0) /* it does not say how large it is */
        return false;
    blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
    /* Of files there are always 0 where their number has no limit. */
    return blocks * disk.f_frsize < LITTLE || (disk.f_files > 0 && disk.f_ffree == 0);
}
