/* Prints in which directories an image has files.
 *
 * No program of the image runs.
 */
#include "launcher.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool has_entries(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry = NULL;

    if (directory == NULL) /* an unreadable directory may have entries */
        return errno != ENOENT && errno != ENOTDIR;
    while ((entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            break;
    closedir(directory);
    return entry != NULL;
}

long long print_occupied(const struct options *options)
{
    struct marker line = {.fd = STDOUT_FILENO};
    char word[32];

    marker_write(&line, "occupied:", 9);
    for (size_t at = 0; at < options->inspected_count; at++) {
        if (has_entries(options->inspected[at])) {
            int size = snprintf(word, sizeof word, " %zu", at);

            marker_write(&line, word, (size_t)size);
        }
    }
    marker_write(&line, "\n", 1);
    return line.taken;
}
