/* Makes directories, writes all of a buffer, raises the limit of descriptors. */
#include "launcher.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_directory(const char *path)
{
    struct stat status;
    int cause;

    if (mkdir(path, 0777) == 0)
        return true;
    cause = errno;
    /* On a read-only file system the error may be EROFS instead of EEXIST. */
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return true;
        cause = ENOTDIR;
    }
    errno = cause;
    return false;
}

/* Make the first length bytes of path a directory, with its parents. */
static bool make_prefix(const char *path, size_t length)
{
    char prefix[PATH_MAX];

    if (length >= sizeof prefix) {
        errno = ENAMETOOLONG;
        return false;
    }
    for (size_t at = 1; at < length; at++) {
        if (path[at] != '/' || path[at - 1] == '/')
            continue;
        memcpy(prefix, path, at);
        prefix[at] = '\0';
        if (!make_directory(prefix))
            return false;
    }
    memcpy(prefix, path, length);
    prefix[length] = '\0';
    return make_directory(prefix);
}

bool make_directories(const char *path)
{
    return make_prefix(path, strlen(path));
}

bool make_parents(const char *path)
{
    const char *name = strrchr(path, '/');

    return name == NULL || name == path || make_prefix(path, (size_t)(name - path));
}

bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

/* A walk holds a descriptor for each level of a tree, and users make deep ones. */
void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}
