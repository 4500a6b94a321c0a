/* Checks that reference data is there, instead of running the command.
 *
 * A container runtime makes what is missing below a volume as an empty directory,
 * and follows links anywhere within it: so both are found out before it mounts.
 */
#include "launcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_below(const char *path, const char *root)
{
    size_t length = strlen(root);

    return strncmp(path, root, length) == 0 &&
           (path[length] == '\0' || path[length] == '/' || length == 1);
}

static void refuse(const struct requirement *wanted)
{
    if (errno == ENOENT || errno == ENOTDIR)
        fail("%s: the reference has no such %s", wanted->name, wanted->kind);
    else
        fail("%s: cannot be read: %s", wanted->name, strerror(errno));
}

static void refuse_kind(const struct requirement *wanted, mode_t mode)
{
    if (S_ISDIR(mode))
        fail("%s: is a directory; give the input type DIRECTORY", wanted->name);
    else if (S_ISREG(mode))
        fail("%s: is a file; give the input type FILE", wanted->name);
    else
        fail("%s: is not a %s", wanted->name, wanted->kind);
}

static void check(const struct requirement *wanted)
{
    static char path[PATH_MAX];
    static char root[PATH_MAX];
    static char real[PATH_MAX];
    struct stat status;

    if (realpath(wanted->root, root) == NULL) {
        refuse(wanted);
        return;
    }
    if (snprintf(path, sizeof path, "%s/%s", root, wanted->path) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        refuse(wanted);
        return;
    }
    if (realpath(path, real) == NULL || stat(real, &status) != 0)
        refuse(wanted);
    else if (!is_below(real, root))
        fail("%s: is a link that leads out of the reference", wanted->name);
    else if (strcmp(wanted->kind, "file") == 0 ? !S_ISREG(status.st_mode)
                                               : !S_ISDIR(status.st_mode))
        refuse_kind(wanted, status.st_mode);
}

void check_requirements(const struct options *options)
{
    for (size_t at = 0; at < options->requirement_count; at++)
        check(&options->requirements[at]);
}
