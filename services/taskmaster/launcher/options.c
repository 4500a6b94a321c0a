/* The command line: launcher [options] -- argv... */
#include "launcher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool take_number(unsigned long long *number, const char *name,
                        const char *value, const char *what)
{
    char *end;

    errno = 0;
    *number = strtoull(value, &end, 10);
    /* strtoull would take a sign or leading blanks. */
    if (value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0)
        return true;
    fail("option %s: \"%s\" is not a number%s", name, value, what);
    return false;
}

static bool take_final(struct options *options, const char *name, const char *value)
{
    unsigned long long code;

    if (!take_number(&code, name, value, ""))
        return false;
    if (code < sizeof options->is_final) {
        options->is_final[code] = true;
        return true;
    }
    fail("option %s: %s is not an exit code", name, value);
    return false;
}

/* A ".." would lead outside of what is named, or of a copy's destination. */
static bool has_dotdot(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/..")) != NULL; at += 3)
        if (at[3] == '/' || at[3] == '\0')
            return true;
    return false;
}

static bool is_plain(const char *name, const char *path)
{
    if (path[0] == '/' && !has_dotdot(path))
        return true;
    fail("option %s: \"%s\" is not an absolute path without \"..\"", name, path);
    return false;
}

static bool take_collection(struct options *options, char **values)
{
    struct collection *next;

    if (!is_plain("--collect", values[0]))
        return false;
    next = realloc(options->collections,
                   (options->collection_count + 1) * sizeof *next);
    if (next == NULL) {
        fail("option --collect: %s", strerror(errno));
        return false;
    }
    options->collections = next;
    next[options->collection_count++] =
        (struct collection){.source = values[0], .destination = values[1]};
    return true;
}

static bool take_requirement(struct options *options, char **values)
{
    struct requirement *next;

    if (strcmp(values[0], "file") != 0 && strcmp(values[0], "directory") != 0) {
        fail("option --require: \"%s\" is neither \"file\" nor \"directory\"", values[0]);
        return false;
    }
    next = realloc(options->requirements,
                   (options->requirement_count + 1) * sizeof *next);
    if (next == NULL) {
        fail("option --require: %s", strerror(errno));
        return false;
    }
    options->requirements = next;
    next[options->requirement_count++] =
        (struct requirement){values[0], values[1], values[2], values[3]};
    return true;
}

static bool append(const char ***list, size_t *count, const char *name,
                   const char *value)
{
    const char **next = realloc(*list, (*count + 1) * sizeof *next);

    if (next == NULL) {
        fail("option %s: %s", name, strerror(errno));
        return false;
    }
    *list = next;
    next[(*count)++] = value;
    return true;
}

/* The place of an option that has no value; NULL: it has one, or is not known. */
static bool *find_flag(struct options *options, const char *name)
{
    if (strcmp(name, "--even-if-failed") == 0)
        return &options->even_if_failed;
    if (strcmp(name, "--ordered") == 0)
        return &options->ordered;
    if (strcmp(name, "--ignore-error") == 0)
        return &options->ignore_error;
    return strcmp(name, "--exit-zero") == 0 ? &options->exit_zero : NULL;
}

static bool take_text(struct options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **place;
    } texts[] = {
        {"--chdir", &options->directory},  {"--stdout", &options->output},
        {"--stderr", &options->errors},    {"--report", &options->report},
        {"--mark-stderr", &options->mark}, {"--mark-returns", &options->return_mark},
        {"--mark-stdout", &options->output_mark}, {"--mark-more", &options->more_mark},
        {"--turns", &options->turns},      {"--turn", &options->turn},
        {"--then", &options->then},        {"--disk", &options->disk},
        {"--clear", &options->cleared},
        {"--unless-failed", &options->needed}, {"--mark-end", &options->end_mark},
    };

    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        if (strcmp(name, texts[at].name) == 0) {
            *texts[at].place = value;
            return true;
        }
    }
    fail("option %s is not known", name);
    return false;
}

static bool take_value(struct options *options, const char *name, char **values)
{
    if (strcmp(name, "--log-limit") == 0)
        return take_number(&options->log_limit, name, values[0], " of bytes");
    if (strcmp(name, "--restarts") == 0)
        return take_number(&options->restarts, name, values[0], "");
    if (strcmp(name, "--final-code") == 0)
        return take_final(options, name, values[0]);
    if (strcmp(name, "--after") == 0)
        return append(&options->after, &options->after_count, name, values[0]);
    if (strcmp(name, "--mkdir") == 0)
        return append(&options->made, &options->made_count, name, values[0]);
    if (strcmp(name, "--stdin") == 0)
        return append(&options->inputs, &options->input_count, name, values[0]);
    if (strcmp(name, "--inspect") == 0)
        return append(&options->inspected, &options->inspected_count, name, values[0]);
    if (strcmp(name, "--readable") == 0)
        return is_plain(name, values[0]) &&
               append(&options->readable, &options->readable_count, name, values[0]);
    if (strcmp(name, "--collect") == 0)
        return take_collection(options, values);
    if (strcmp(name, "--require") == 0)
        return take_requirement(options, values);
    return take_text(options, name, values[0]);
}

static int count_values(const char *name)
{
    if (strcmp(name, "--require") == 0)
        return 4;
    return strcmp(name, "--collect") == 0 ? 2 : 1;
}

static bool is_step(const char *name, const char *value)
{
    size_t length = strlen(value);

    if (length > 0 && length < TURN_NAME_SIZE && strchr(value, '/') == NULL)
        return true;
    fail("option %s: \"%s\" is not a name of 1 to %d bytes without \"/\"", name, value,
         TURN_NAME_SIZE - 1);
    return false;
}

static bool check_turn(const struct options *options)
{
    if (options->turn == NULL && options->turns == NULL) {
        if (options->after_count == 0 && options->needed == NULL &&
            options->then == NULL && options->cleared == NULL &&
            !options->even_if_failed && !options->ordered && !options->ignore_error)
            return true;
        fail("options --then, --after, --clear, --unless-failed, --even-if-failed, "
             "--ordered and --ignore-error need --turns and --turn");
        return false;
    }
    if (options->turn == NULL || options->turns == NULL) {
        fail("options --turns and --turn need each other");
        return false;
    }
    for (size_t at = 0; at < options->after_count; at++)
        if (!is_step("--after", options->after[at]))
            return false;
    if (options->then != NULL &&
        (options->output != NULL || options->errors != NULL || options->mark != NULL ||
         options->output_mark != NULL || options->return_mark != NULL ||
         options->end_mark != NULL)) {
        fail("option --then needs streams as they are");
        return false;
    }
    return is_step("--turn", options->turn) &&
           (options->then == NULL || is_step("--then", options->then)) &&
           (options->needed == NULL || is_step("--unless-failed", options->needed));
}

/* Pieces can be read only if all marks are there, and look alike at both ends. */
static bool check_marks(const struct options *options)
{
    const char *marks[] = {options->more_mark, options->mark, options->output_mark,
                           options->return_mark, options->end_mark};

    if (options->more_mark == NULL && options->output_mark == NULL)
        return true;
    for (size_t at = 0; at < sizeof marks / sizeof *marks; at++) {
        size_t length = marks[at] != NULL ? strlen(marks[at]) : 0;

        if (marks[0] == NULL || length < 2 || length > MARK_SIZE ||
            marks[at][0] != *marks[0] || marks[at][length - 1] != *marks[0]) {
            fail("options --mark-more and --mark-stdout need all marks, of 2 to %d bytes "
                 "that begin and end with the same one", MARK_SIZE);
            return false;
        }
    }
    return true;
}

bool parse_options(struct options *options, int argc, char **argv)
{
    int at = 1;

    while (at < argc && strcmp(argv[at], "--") != 0) {
        int values = count_values(argv[at]);
        bool *flag = find_flag(options, argv[at]);

        if (flag != NULL) {
            *flag = true;
            at++;
            continue;
        }
        /* An unknown last option is unknown first, then lacks a value. */
        if (at + values >= argc && strncmp(argv[at], "--", 2) == 0) {
            fail("option %s is not known or lacks its value", argv[at]);
            return false;
        }
        if (!take_value(options, argv[at], argv + at + 1))
            return false;
        if (options->mark != NULL)
            set_message_mark(options->mark);
        at += 1 + values;
    }
    if (at + 1 >= argc) {
        fail("usage: launcher [options] -- command [argument...]");
        return false;
    }
    options->argv = argv + at + 1;
    return check_marks(options) && check_turn(options);
}
