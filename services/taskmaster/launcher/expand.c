/* Finds what a pattern matches: glob(7), and "**" across folders.
 *
 * glob(3) is not used: it lacks "**", and brings along the user database.
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

/* What nftw(3) has no argument for: the pattern below a directory, and where the
 * last match lies, since what is below it goes with it. */
static struct {
    const char *pattern;
    size_t base;
    char last[PATH_MAX];
    found_t *found;
    const void *context;
} search;

static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
    size_t length = strlen(search.last);

    (void)status;
    (void)type;
    (void)place;
    if (length > 0 && strncmp(path, search.last, length) == 0 && path[length] == '/')
        return 0;
    if (strlen(path) <= search.base || !matches_deep(search.pattern, path + search.base))
        return 0;
    strcpy(search.last, path); /* nftw(3) knows no longer ones */
    search.found(path, search.context);
    return 0;
}

/* Not into what is mounted: it is in the volume already, or no file of ours. */
static bool expand_deep(const char *pattern)
{
    const char *end = pattern + strcspn(pattern, "*?[");
    char base[PATH_MAX] = "/";

    while (end[-1] != '/')
        end--;
    search.base = (size_t)(end - pattern);
    search.pattern = end;
    search.last[0] = '\0';
    if (search.base > 1) {
        memcpy(base, pattern, search.base - 1);
        base[search.base - 1] = '\0';
    }
    return nftw(base, visit, 16, FTW_PHYS | FTW_MOUNT) == 0 || errno == ENOENT ||
           errno == ENOTDIR;
}

static bool expand_segment(char path[PATH_MAX], const char *pattern);

/* Go on with name, a part of what path is, if it is there. */
static bool enter(char path[PATH_MAX], const char *name, const char *rest)
{
    size_t length = strlen(path);
    struct stat status;
    bool expanded = true;

    if (length + strlen(name) + 1 >= PATH_MAX)
        return true; /* nothing can lie there */
    path[length] = '/';
    strcpy(path + length + 1, name);
    if (lstat(path, &status) == 0)
        expanded = expand_segment(path, rest);
    path[length] = '\0';
    return expanded;
}

static bool expand_wildcard(char path[PATH_MAX], const char *segment, const char *rest)
{
    DIR *directory = opendir(*path == '\0' ? "/" : path);
    struct dirent *entry;
    bool expanded = true;

    if (directory == NULL) /* what we may not read has nothing for us */
        return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
    while (expanded && (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            fnmatch(segment, entry->d_name, FNM_PERIOD) == 0)
            expanded = enter(path, entry->d_name, rest);
    closedir(directory);
    return expanded;
}

static bool expand_segment(char path[PATH_MAX], const char *pattern)
{
    char segment[PATH_MAX];
    size_t length;

    pattern += strspn(pattern, "/");
    if (*pattern == '\0') {
        search.found(path, search.context);
        return true;
    }
    length = strcspn(pattern, "/");
    memcpy(segment, pattern, length);
    segment[length] = '\0';
    if (strpbrk(segment, "*?[") == NULL)
        return enter(path, segment, pattern + length);
    return expand_wildcard(path, segment, pattern + length);
}

bool expand(const char *pattern, found_t *found, const void *context)
{
    char path[PATH_MAX] = "";

    search.found = found;
    search.context = context;
    if (strlen(pattern) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return strstr(pattern, "**") ? expand_deep(pattern) : expand_segment(path, pattern);
}
