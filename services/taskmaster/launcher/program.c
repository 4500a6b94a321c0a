/* Finds the program, and reports why it does not start.
 *
 * execvp(3) is not used: it passes a file that is not a program to /bin/sh, which
 * may not exist and would interpret the file as a script.
 */
#include "launcher.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Only a file that was seen can be "not executable": a directory of PATH that
 * this user may not enter says nothing about the program. */
static int check_program(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return ENOENT;
    return access(path, X_OK) == 0 ? 0 : EACCES;
}

/* An empty entry of PATH means the working directory, as POSIX has it. */
static int search_path(const char *name, const char *path, char found[PATH_MAX])
{
    int worst = ENOENT;

    for (;;) {
        size_t length = strcspn(path, ":");
        const char *entry = length > 0 ? path : ".";
        int size = length > 0 ? (int)length : 1;

        if (snprintf(found, PATH_MAX, "%.*s/%s", size, entry, name) < PATH_MAX) {
            int cause = check_program(found);

            if (cause == 0)
                return 0;
            if (cause == EACCES)
                worst = EACCES;
        }
        if (path[length] == '\0')
            break;
        path += length + 1;
    }
    snprintf(found, PATH_MAX, "%s", name);
    return worst;
}

int find_program(const char *name, char found[PATH_MAX])
{
    const char *path = getenv("PATH");

    if (strlen(name) >= PATH_MAX)
        return ENAMETOOLONG;
    strcpy(found, name);
    if (name[0] == '\0')
        return ENOENT;
    if (strchr(name, '/') != NULL)
        return 0; /* execve(2) reports what is wrong with it */
    return search_path(name, path ? path : DEFAULT_PATH, found);
}

static bool read_shebang(const char *head, char interpreter[PATH_MAX])
{
    const char *start = head + 2 + strspn(head + 2, " \t");
    size_t length = strcspn(start, " \t\n");

    memcpy(interpreter, start, length);
    interpreter[length] = '\0';
    return length > 0;
}

static bool read_loader(int fd, const char *head, char interpreter[PATH_MAX])
{
    Elf64_Ehdr header;
    Elf64_Phdr part;

    memcpy(&header, head, sizeof header);
    for (int at = 0; at < header.e_phnum; at++) {
        off_t offset = (off_t)(header.e_phoff + (Elf64_Off)at * header.e_phentsize);

        if (pread(fd, &part, sizeof part, offset) != sizeof part)
            return false;
        if (part.p_type != PT_INTERP || part.p_filesz >= PATH_MAX)
            continue;
        memset(interpreter, 0, PATH_MAX);
        return pread(fd, interpreter, part.p_filesz, (off_t)part.p_offset) > 0;
    }
    return false;
}

/* The program that the kernel would start to run this one, if it names one. */
static bool read_interpreter(const char *program, char interpreter[PATH_MAX])
{
    char head[512] = {0}; /* the kernel reads 256 bytes of a "#!" line */
    int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? -1 : read(fd, head, sizeof head - 1);
    bool found = false;

    if (size >= 2 && memcmp(head, "#!", 2) == 0)
        found = read_shebang(head, interpreter);
    else if (size >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0 &&
             head[EI_CLASS] == ELFCLASS64)
        found = read_loader(fd, head, interpreter);
    if (fd >= 0)
        close(fd);
    return found;
}

/* A script's interpreter may itself lack its loader, hence the chain. */
static bool find_missing_interpreter(const char *program, char missing[PATH_MAX])
{
    char current[PATH_MAX];

    snprintf(current, sizeof current, "%s", program);
    for (int depth = 0; depth < 5 && read_interpreter(current, missing); depth++) {
        if (access(missing, F_OK) != 0)
            return true;
        strcpy(current, missing);
    }
    return false;
}

/* Report that argv[0] did not start; return the exit code that says so. */
int explain_failure(const char *name, const char *program, int cause)
{
    char interpreter[PATH_MAX];

    if (cause != ENOENT && cause != ENOTDIR) {
        fail("%s: not executable: %s", name, strerror(cause));
        return EXIT_NOT_EXECUTABLE;
    }
    if (name[0] == '\0' || access(program, F_OK) != 0)
        fail("%s: not found", name);
    else if (find_missing_interpreter(program, interpreter))
        fail("%s: its interpreter %s: not found", name, interpreter);
    else
        fail("%s: its interpreter is not found", name);
    return EXIT_NOT_FOUND;
}
