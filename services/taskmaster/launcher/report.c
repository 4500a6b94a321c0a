/* Writes the report: one line of JSON for the runtime.
 *
 * In Kubernetes it is the container's termination message, which is truncated at
 * 4096 bytes: only the error text can be long, so only that is bounded here.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_SIZE = 3072, REPORT_SIZE = 4096 };

static void format_time(char text[40], const struct timespec *time)
{
    struct tm parts;
    size_t length;

    gmtime_r(&time->tv_sec, &parts);
    length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + length, 8, ".%03dZ", (int)(time->tv_nsec / 1000000 % 1000));
}

/* Bytes of the UTF-8 character at text; 0 if there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *text)
{
    size_t length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    if (text[0] >= 0x80 && (text[0] < 0xc2 || text[0] > 0xf4))
        return 0;
    for (size_t at = 1; at < length; at++)
        if ((text[at] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* Messages hold no control characters (message.c), which JSON would refuse. */
static void escape_json(char target[ERROR_SIZE], const char *text)
{
    size_t used = 0;

    while (*text != '\0' && used + 7 < ERROR_SIZE) {
        size_t length = utf8_length((const unsigned char *)text);

        if (length == 0) {
            memcpy(target + used, "\\ufffd", 6);
            used += 6;
            text++;
            continue;
        }
        if (*text == '"' || *text == '\\')
            target[used++] = '\\';
        memcpy(target + used, text, length);
        used += length;
        text += length;
    }
    target[used] = '\0';
}

static size_t format_report(char text[REPORT_SIZE], const struct outcome *outcome)
{
    char started[40];
    char ended[40];
    char error[ERROR_SIZE];
    size_t length;

    _Static_assert(REPORT_SIZE - ERROR_SIZE > 6 * TURN_NAME_SIZE + 512, "all must fit");
    format_time(started, &outcome->started_at);
    format_time(ended, &outcome->ended_at);
    length = (size_t)snprintf(
        text, REPORT_SIZE,
        "{\"exit_code\":%d,\"signal\":%d,\"terminated\":%s,\"skipped\":%s,"
        "\"started_at\":\"%s\",\"ended_at\":\"%s\","
        "\"max_rss_bytes\":%lld,\"cpu_seconds\":%lld.%03d",
        outcome->exit_code, outcome->signal,
        outcome->terminated ? "true" : "false", outcome->skipped ? "true" : "false",
        started, ended, outcome->max_rss_bytes,
        outcome->cpu_microseconds / 1000000,
        (int)(outcome->cpu_microseconds % 1000000 / 1000));
    if (outcome->logged_output >= 0)
        length += (size_t)snprintf(text + length, REPORT_SIZE - length,
                                   ",\"stdout_logged\":%lld", outcome->logged_output);
    if (outcome->logged_errors >= 0)
        length += (size_t)snprintf(text + length, REPORT_SIZE - length,
                                   ",\"stderr_logged\":%lld",
                                   outcome->logged_errors + message_bytes());
    if (outcome->disk_full)
        length += (size_t)snprintf(text + length, REPORT_SIZE - length,
                                   ",\"disk_full\":true");
    if (outcome->turn != NULL) {
        escape_json(error, outcome->turn);
        length += (size_t)snprintf(text + length, REPORT_SIZE - length,
                                   ",\"turn\":\"%s\"", error);
    }
    if (has_failed()) {
        escape_json(error, first_failure());
        length += (size_t)snprintf(text + length, REPORT_SIZE - length,
                                   ",\"error\":\"%s\"", error);
    }
    return length + (size_t)snprintf(text + length, REPORT_SIZE - length, "}\n");
}

bool write_report(const char *path, const struct outcome *outcome)
{
    char text[REPORT_SIZE];
    size_t length = format_report(text, outcome);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool written;

    if (fd < 0)
        return false;
    written = write_all(fd, text, length);
    return close(fd) == 0 && written;
}
