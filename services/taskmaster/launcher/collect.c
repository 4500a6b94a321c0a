/* Copies declared outputs that lie outside every mount into the task volume.
 *
 * Runs inside the user's container with the user's rights, so it can only
 * reach what the user's own program can.
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A pair of paths that grows and shrinks while a tree is walked. */
struct copy {
    char source[PATH_MAX];
    char target[PATH_MAX];
    size_t source_length;
    size_t target_length;
    dev_t device; /* of the destination, which is never copied into itself */
    ino_t inode;
};

static void copy_entry(struct copy *copy);

static void fail_at(const char *path)
{
    fail("collect: %s: %s", path, strerror(errno));
}

static bool extend(struct copy *copy, const char *text)
{
    size_t length = strlen(text);

    if (copy->source_length + length >= PATH_MAX ||
        copy->target_length + length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        fail_at(copy->source);
        return false;
    }
    memcpy(copy->source + copy->source_length, text, length + 1);
    memcpy(copy->target + copy->target_length, text, length + 1);
    copy->source_length += length;
    copy->target_length += length;
    return true;
}

static void shorten(struct copy *copy, size_t length)
{
    copy->source_length -= length;
    copy->target_length -= length;
    copy->source[copy->source_length] = '\0';
    copy->target[copy->target_length] = '\0';
}

/* Seek to the next data; a file system without holes has data everywhere. */
static off_t skip_hole(int from, off_t at, off_t size)
{
    off_t data = lseek(from, at, SEEK_DATA);

    if (data < 0)
        data = errno == ENXIO && at < size ? size : at;
    (void)lseek(from, data, SEEK_SET);
    return data;
}

/* Copy all but large holes, which stay holes. */
static bool copy_bytes(const struct copy *copy, int from, int to, off_t length)
{
    static char data[128 * 1024];
    off_t written = 0;
    off_t at = 0;
    ssize_t size;

    for (;;) {
        at = skip_hole(from, at, length);
        size = read(from, data, sizeof data);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            fail_at(copy->source);
            return false;
        }
        if (size == 0)
            break;
        if ((at != written && lseek(to, at, SEEK_SET) < 0) ||
            !write_all(to, data, (size_t)size)) {
            fail_at(copy->target);
            return false;
        }
        at += size;
        written = at;
    }
    if (at != written && ftruncate(to, at) != 0) {
        fail_at(copy->target);
        return false;
    }
    return true;
}

static void copy_file(const struct copy *copy, const struct stat *status)
{
    int from = open(copy->source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int to;

    if (from < 0) {
        fail_at(copy->source);
        return;
    }
    (void)unlink(copy->target); /* of an earlier executor, perhaps a symlink */
    to = open(copy->target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0) {
        fail_at(copy->target);
    } else {
        bool whole = copy_bytes(copy, from, to, status->st_size);

        /* Some volumes do not support modes; only the content matters. */
        (void)fchmod(to, status->st_mode & 07777);
        if (close(to) != 0 && whole)
            fail_at(copy->target);
    }
    close(from);
}

static void copy_link(const struct copy *copy)
{
    char content[PATH_MAX];
    ssize_t size = readlink(copy->source, content, sizeof content - 1);

    if (size < 0) {
        fail_at(copy->source);
        return;
    }
    content[size] = '\0';
    (void)unlink(copy->target);
    if (symlink(content, copy->target) != 0)
        fail_at(copy->target);
}

static void copy_children(struct copy *copy, DIR *directory)
{
    struct dirent *entry;

    while ((errno = 0, entry = readdir(directory)) != NULL) {
        size_t before = copy->source_length;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (extend(copy, "/") && extend(copy, entry->d_name))
            copy_entry(copy);
        shorten(copy, copy->source_length - before);
    }
    if (errno != 0)
        fail_at(copy->source);
}

static void copy_directory(struct copy *copy, mode_t mode)
{
    DIR *directory = opendir(copy->source);

    if (directory == NULL) {
        fail_at(copy->source);
        return;
    }
    if (make_directories(copy->target)) {
        /* An earlier executor may have collected it, read-only. */
        (void)chmod(copy->target, 0777);
        copy_children(copy, directory);
        /* Last, because the directory may be read-only. */
        (void)chmod(copy->target, mode & 07777);
    } else {
        fail_at(copy->target);
    }
    closedir(directory);
}

static void copy_entry(struct copy *copy)
{
    struct stat status;

    if (lstat(copy->source, &status) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            fail_at(copy->source);
    } else if (status.st_dev == copy->device && status.st_ino == copy->inode) {
        return;
    } else if (S_ISREG(status.st_mode)) {
        copy_file(copy, &status);
    } else if (S_ISLNK(status.st_mode)) {
        copy_link(copy);
    } else if (S_ISDIR(status.st_mode)) {
        copy_directory(copy, status.st_mode);
    } else {
        note("collect: %s: skipped, neither file, directory nor symlink", copy->source);
    }
}

static void copy_path(const char *path, const char *destination)
{
    struct copy copy = {.target_length = strlen(destination)};
    struct stat source = {0};
    struct stat target;
    struct stat root;

    if (lstat(path, &source) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return; /* a missing output is not an error here */
    if (copy.target_length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        fail_at(destination);
        return;
    }
    strcpy(copy.target, destination);
    if (!extend(&copy, path))
        return;
    while (copy.source_length > 1 && copy.source[copy.source_length - 1] == '/')
        shorten(&copy, 1);
    if (!make_parents(copy.target) || stat(destination, &root) != 0) {
        fail_at(copy.target);
        return;
    }
    /* A destination that is the source would replace it. */
    if (lstat(copy.target, &target) == 0 && target.st_dev == source.st_dev &&
        target.st_ino == source.st_ino)
        return;
    copy.device = root.st_dev;
    copy.inode = root.st_ino;
    copy_entry(&copy);
}

static void found(const char *path, const void *destination)
{
    copy_path(path, destination);
}

void collect(const struct collection *collection)
{
    const char *failure = NULL;

    if (strpbrk(collection->source, "*?[\\") == NULL)
        copy_path(collection->source, collection->destination);
    else
        failure = expand(collection->source, found, collection->destination);
    if (failure != NULL)
        fail("collect: %s: cannot be expanded: %s", collection->source, failure);
}
