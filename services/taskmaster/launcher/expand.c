/* Finds what a pattern matches, across folders if it has "**".
 *
 * glob(3) lacks "**" and links the user database; nftw(3) of musl goes no
 * deeper than its limit of descriptors.
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Links multiply the directories of a pattern: two links to "." double them with each "*". */
enum { MOST_DIRECTORIES = 100 * 1000 };

/* The state of the one search that runs. */
static struct {
    found_t *found;
    const void *context;
    const char *failure;
    unsigned long directories; /* listed for a wildcard */
    const char *deep; /* the pattern below the base, if it has "**" */
    size_t base;      /* offset in path of the part that deep matches */
    dev_t device;     /* of the base */
    char path[PATH_MAX];
    size_t length;
} search;

static bool expand_below(const char *pattern);

static bool give_up(const char *failure)
{
    search.failure = failure;
    return false;
}

static void shorten(size_t length)
{
    search.length = length;
    search.path[length] = '\0';
}

/* Add a name to the path; false: too long, nothing can have it. */
static bool append(const char *name, size_t length)
{
    if (search.length + 1 + length >= PATH_MAX)
        return false;
    search.path[search.length] = '/';
    memcpy(search.path + search.length + 1, name, length);
    shorten(search.length + 1 + length);
    return true;
}

static bool list(const char *segment, const char *rest);

/* Mounts are not entered: their files are in the volume already, or not the
 * task's. The device of a file cannot be used: in an overlay it may be its layer's. */
static bool visit(void)
{
    struct stat status;

    if (lstat(search.path, &status) != 0 ||
        (S_ISDIR(status.st_mode) && status.st_dev != search.device))
        return true;
    if (matches(search.deep, search.path + search.base)) {
        search.found(search.path, search.context); /* with all below it */
        return true;
    }
    return !S_ISDIR(status.st_mode) || list(NULL, "");
}

/* Continue with each entry that matches segment; NULL: with every one. */
static bool list(const char *segment, const char *rest)
{
    const size_t length = search.length;
    DIR *directory = opendir(length == 0 ? "/" : search.path);
    bool goes_on = true;
    struct dirent *entry;

    if (directory == NULL) /* an unreadable directory has no matches */
        return (errno != EMFILE && errno != ENFILE && errno != ENOMEM) ||
               give_up(strerror(errno));
    while (goes_on && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            (segment != NULL && !matches(segment, entry->d_name)))
            continue;
        if (append(entry->d_name, strlen(entry->d_name)))
            goes_on = segment == NULL ? visit() : expand_below(rest);
        shorten(length);
    }
    closedir(directory);
    return goes_on;
}

static bool expand_wildcard(const char *pattern, size_t length)
{
    char *segment;
    bool goes_on;

    if (search.directories++ == MOST_DIRECTORIES)
        return give_up("it leads through more than 100000 directories");
    segment = strndup(pattern, length); /* on the stack, 2,000 are too many */
    goes_on = segment != NULL ? list(segment, pattern + length)
                              : give_up(strerror(errno));
    free(segment);
    return goes_on;
}

/* Continue below path with the pattern up to its next wildcard. */
static bool expand_below(const char *pattern)
{
    const size_t before = search.length;
    static char name[PATH_MAX]; /* used before the next call only */
    bool goes_on = true;
    struct stat status;

    for (;;) {
        size_t length;

        pattern += strspn(pattern, "/");
        length = strcspn(pattern, "/");
        if (length == 0) {
            if (lstat(search.path, &status) == 0)
                search.found(search.path, search.context);
            break;
        }
        if (!is_literal(pattern, length, name)) {
            goes_on = expand_wildcard(pattern, length);
            break;
        }
        if (!append(name, strlen(name)))
            break;
        pattern += length;
    }
    shorten(before);
    return goes_on;
}

static void expand_deep(const char *pattern)
{
    char name[PATH_MAX];
    struct stat status;

    for (;;) {
        size_t length;

        pattern += strspn(pattern, "/");
        length = strcspn(pattern, "/");
        if (length == 0 || !is_literal(pattern, length, name))
            break;
        (void)append(name, strlen(name)); /* no longer than the pattern */
        pattern += length;
    }
    search.deep = pattern;
    search.base = search.length + 1;
    if (stat(search.length == 0 ? "/" : search.path, &status) != 0)
        return;
    search.device = status.st_dev;
    (void)list(NULL, "");
}

const char *expand(const char *pattern, found_t *found, const void *context)
{
    memset(&search, 0, sizeof search);
    search.found = found;
    search.context = context;
    if (strlen(pattern) >= PATH_MAX)
        return strerror(ENAMETOOLONG);
    if (crosses_folders(pattern))
        expand_deep(pattern);
    else
        (void)expand_below(pattern);
    return search.failure;
}
