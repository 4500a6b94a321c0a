/* Makes declared outputs readable: the filer has another uid.
 *
 * As chmod a+rX, with the user's own rights, by descriptors alone: a symlink is
 * neither followed nor changed, even if files are replaced meanwhile. Failures
 * do not fail a run: the filer reports what it cannot read.
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEARCH = 0111,
    READ = 0444
};

/* The path of the current entry, for messages, and the first that failed. */
struct walk {
    char path[PATH_MAX];
    size_t length;
    char failed[PATH_MAX];
    int cause;
    unsigned long failures;
};

static void match_entry(struct walk *walk, int entry, const char *pattern);

static void count_failure(struct walk *walk)
{
    /* Not to be searched or read by us: it is another uid's. One of ours that
     * kept its mode was counted then; one that is gone is no output. */
    if (errno == EACCES || errno == ENOENT || errno == ENOTDIR)
        return;
    if (walk->failures++ == 0) {
        walk->cause = errno;
        memcpy(walk->failed, walk->path, sizeof walk->failed);
    }
}

/* By a descriptor that can be opened for any file, whatever its mode. */
static void allow(struct walk *walk, int entry, const struct stat *status, mode_t wanted)
{
    char link[64];

    if ((status->st_mode & wanted) == wanted)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", entry);
    /* Root may change files of others: those that it unpacked, for instance. */
    if (chmod(link, (status->st_mode & 07777) | wanted) != 0 &&
        (status->st_uid == geteuid() || errno != EPERM))
        count_failure(walk);
}

/* Continue with the entry name of directory; rest is the rest of the pattern. */
static void enter(struct walk *walk, int directory, const char *name, const char *rest)
{
    size_t before = walk->length;
    int room = (int)(sizeof walk->path - before);
    int added = snprintf(walk->path + before, (size_t)room, "/%s", name);
    int entry = -1;

    if (added < room) {
        walk->length += (size_t)added;
        entry = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    } else {
        walk->path[before] = '\0';
        errno = ENAMETOOLONG;
    }
    if (entry < 0)
        count_failure(walk);
    else
        match_entry(walk, entry, rest);
    walk->length = before;
    walk->path[before] = '\0';
}

/* Enter each entry that matches segment; NULL: every one. Closes directory. */
static void enter_entries(struct walk *walk, int directory, const char *segment,
                          const char *rest)
{
    int listing = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = listing < 0 ? NULL : fdopendir(listing);
    struct dirent *entry;

    close(directory);
    if (entries == NULL) {
        count_failure(walk);
        if (listing >= 0)
            close(listing);
        return;
    }
    while ((errno = 0, entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (segment == NULL || matches(segment, entry->d_name))
            enter(walk, listing, entry->d_name, rest);
    }
    if (errno != 0)
        count_failure(walk);
    closedir(entries);
}

static void match_segment(struct walk *walk, int directory,
                          const struct stat *status, const char *pattern)
{
    size_t length = strcspn(pattern, "/");
    char *segment = strndup(pattern, length);
    char *name = strndup(pattern, length);

    if (segment == NULL || name == NULL) {
        count_failure(walk);
        close(directory);
    } else if (crosses_folders(segment)) {
        /* It may match anywhere below; making more readable does no harm. */
        allow(walk, directory, status, SEARCH | READ);
        enter_entries(walk, directory, NULL, "");
    } else if (is_literal(segment, length, name)) {
        allow(walk, directory, status, SEARCH);
        enter(walk, directory, name, pattern + length);
        close(directory);
    } else {
        allow(walk, directory, status, SEARCH | READ);
        enter_entries(walk, directory, segment, pattern + length);
    }
    free(segment);
    free(name);
}

/* Let all read entry and what is below, if no pattern is left. Closes entry. */
static void match_entry(struct walk *walk, int entry, const char *pattern)
{
    struct stat status;
    bool is_known = fstat(entry, &status) == 0;

    pattern += strspn(pattern, "/");
    if (!is_known) {
        count_failure(walk);
    } else if (S_ISDIR(status.st_mode)) {
        if (*pattern != '\0') {
            match_segment(walk, entry, &status, pattern);
        } else {
            allow(walk, entry, &status, SEARCH | READ);
            enter_entries(walk, entry, NULL, "");
        }
        return;
    } else if (S_ISREG(status.st_mode) && *pattern == '\0') {
        allow(walk, entry, &status, READ | (status.st_mode & SEARCH ? SEARCH : 0));
    }
    close(entry);
}

void make_readable(const char *pattern)
{
    static struct walk walk;
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    memset(&walk, 0, sizeof walk);
    if (root < 0)
        count_failure(&walk);
    else
        match_entry(&walk, root, pattern);
    /* A line holds less than a path may; the cause must be on it. */
    if (walk.failures == 1)
        note("readable: %.1500s: %s", walk.failed, strerror(walk.cause));
    if (walk.failures > 1)
        note("readable: %.1500s: %s, and %lu more", walk.failed, strerror(walk.cause),
             walk.failures - 1);
}
