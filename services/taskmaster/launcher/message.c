/* Writes messages of the launcher, one line each, to its stderr.
 *
 * The first failure is kept for the report, because the later ones often
 * follow from it. Names come from users, so control characters are shown as
 * escapes: a carriage return in "#!/bin/sh\r" is the cause that users must see.
 */
#include "launcher.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *message_mark = "";
static char kept_failure[2048];
static long long written;
static bool is_line_unfinished;

void set_message_mark(const char *mark)
{
    message_mark = mark;
}

void note_unfinished_line(void)
{
    is_line_unfinished = true;
}

/* End the line of the log's stderr that the command has left. */
static void finish_line(void)
{
    char whole[512];
    int length = snprintf(whole, sizeof whole, "%.400s\n", message_mark);

    if (!is_line_unfinished)
        return;
    is_line_unfinished = false;
    written++;
    write_all(STDERR_FILENO, whole, (size_t)length);
}

static void escape(char *target, size_t size, const char *text)
{
    static const char named[] = "\nn\rr\tt";
    size_t used = 0;

    for (; *text != '\0' && used + 5 < size; text++) {
        unsigned char byte = (unsigned char)*text;
        const char *name = strchr(named, byte);

        if (byte >= 0x20 && byte != 0x7f)
            target[used++] = *text;
        else if (name != NULL)
            used += (size_t)sprintf(target + used, "\\%c", name[1]);
        else
            used += (size_t)sprintf(target + used, "\\x%02x", byte);
    }
    target[used] = '\0';
}

static void say(char line[2048], const char *format, va_list arguments)
{
    char raw[2048];
    char whole[2048 + 512];
    int length;

    finish_line();
    vsnprintf(raw, sizeof raw, format, arguments);
    escape(line, 2048, raw);
    length = snprintf(whole, sizeof whole, "%.400slauncher: %s\n", message_mark, line);
    written += (long long)(strlen("launcher: \n") + strlen(line));
    write_all(STDERR_FILENO, whole, (size_t)length);
}

void note(const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    say(line, format, arguments);
    va_end(arguments);
}

void fail(const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    say(line, format, arguments);
    va_end(arguments);
    if (!has_failed())
        memcpy(kept_failure, line, sizeof kept_failure);
}

bool has_failed(void)
{
    return kept_failure[0] != '\0';
}

const char *first_failure(void)
{
    return kept_failure;
}

long long message_bytes(void)
{
    return written;
}
