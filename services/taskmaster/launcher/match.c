/* Matches patterns: names as a POSIX shell does, and "**", which crosses folders.
 *
 * fnmatch(3) is not used: C libraries differ. The rules are those of
 * tesk_runtime/wildcards.py; one table of cases tests both.
 */
#include "launcher.h"

#include <ctype.h>
#include <string.h>

/* Where a wildcard begins in the pattern, and what it has matched so far. */
struct wildcard {
    const char *next; /* NULL: there is none */
    const char *here;
};

static const struct {
    const char *name;
    int (*holds)(int character);
} classes[] = {
    {"[:alnum:]", isalnum}, {"[:alpha:]", isalpha}, {"[:blank:]", isblank},
    {"[:cntrl:]", iscntrl}, {"[:digit:]", isdigit}, {"[:graph:]", isgraph},
    {"[:lower:]", islower}, {"[:print:]", isprint}, {"[:punct:]", ispunct},
    {"[:space:]", isspace}, {"[:upper:]", isupper}, {"[:xdigit:]", isxdigit},
};

enum { CLASSES = sizeof classes / sizeof *classes };

/* Which class begins at text; CLASSES: none. */
static size_t class_at(const char *text)
{
    size_t class = 0;

    while (class < CLASSES &&
           strncmp(text, classes[class].name, strlen(classes[class].name)) != 0)
        class ++;
    return class;
}

/* Bytes of the character at text; one if it is not UTF-8. */
static size_t character_size(const char *text)
{
    size_t size = 1;

    if ((*text & 0xc0) == 0xc0)
        while ((text[size] & 0xc0) == 0x80 && size < 4)
            size++;
    return size;
}

/* The character at text, as a number; a byte that is not UTF-8 is beyond all. */
static unsigned long character_at(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = character_size(text);
    unsigned long character = bytes[0];

    if (size == 1)
        return character < 0x80 ? character : 0x110000 + character;
    character &= 0x7f >> size;
    for (size_t at = 1; at < size; at++)
        character = character << 6 | (bytes[at] & 0x3f);
    return character;
}

/* Bytes of the bracket expression at pattern; 0 if the bracket is a character. */
static size_t bracket_size(const char *pattern)
{
    size_t at = 1;

    at += pattern[at] == '!' || pattern[at] == '^';
    at += pattern[at] == ']';
    while (pattern[at] != '\0' && pattern[at] != '/') {
        size_t class = class_at(pattern + at);

        if (pattern[at] == ']')
            return at + 1;
        if (class < CLASSES)
            at += strlen(classes[class].name);
        else if (pattern[at] != '\\')
            at++;
        else if (pattern[at + 1] == '\0' || pattern[at + 1] == '/')
            return 0;
        else
            at += 2;
    }
    return 0;
}

/* Take one member of a bracket; return what comes after it. */
static const char *take_member(const char *at, unsigned long *character)
{
    at += *at == '\\';
    *character = character_at(at);
    return at + character_size(at);
}

static bool in_bracket(const char *bracket, size_t size, const char *here)
{
    const char *at = bracket + 1;
    const char *end = bracket + size - 1;
    bool is_negated = *at == '!' || *at == '^';
    unsigned long character = character_at(here);
    bool is_member = false;

    at += is_negated;
    while (at < end) {
        size_t class = class_at(at);
        unsigned long first;
        unsigned long last;

        if (class < CLASSES) {
            is_member |= character < 0x80 && classes[class].holds((int)character);
            at += strlen(classes[class].name);
            continue;
        }
        at = take_member(at, &first);
        last = first;
        if (at + 1 < end && *at == '-')
            at = take_member(at + 1, &last);
        is_member |= first <= character && character <= last;
    }
    return is_member != is_negated;
}

/* A dot at the start of a name matches only a dot of the pattern. */
static bool is_hidden(const char *path, const char *here)
{
    return *here == '.' && (here == path || here[-1] == '/');
}

/* Bytes of pattern that match the character at here; 0: none do. */
static size_t fit(const char *pattern, const char *at, const char *path, const char *here)
{
    size_t size = *at == '[' ? bracket_size(at) : 0;
    size_t escapes = *at == '\\';

    if (*at == '?' || size > 0) {
        if (*here == '/' || is_hidden(path, here))
            return 0;
        return *at == '?' ? 1 : in_bracket(at, size, here) ? size : 0;
    }
    if (at[escapes] != *here || (is_hidden(path, here) && at != pattern && at[-1] != '/'))
        return 0;
    return escapes + 1;
}

static size_t step(const char *at, const char *here)
{
    return *at == '?' || (*at == '[' && bracket_size(at) > 0) ? character_size(here) : 1;
}

static bool take_more(struct wildcard *wildcard, const char *path, bool crosses)
{
    if (wildcard->next == NULL || *wildcard->here == '\0' ||
        is_hidden(path, wildcard->here) || (*wildcard->here == '/' && !crosses))
        return false;
    wildcard->here += character_size(wildcard->here);
    return true;
}

/* Of several wildcards only the last of each kind is ever tried again: what an
 * earlier one could still match, the later one can match as well. */
bool matches(const char *pattern, const char *path)
{
    struct wildcard star = {NULL, NULL};
    struct wildcard deep = {NULL, NULL};
    const char *at = pattern;
    const char *here = path;

    for (;;) {
        size_t size;

        if (*at == '*') {
            size_t stars = strspn(at, "*");

            at += stars;
            star = (struct wildcard){stars > 1 ? NULL : at, here};
            if (stars > 1)
                deep = (struct wildcard){at, here};
        } else if (*here == '\0') {
            return *at == '\0';
        } else if ((size = fit(pattern, at, path, here)) > 0) {
            here += step(at, here);
            at += size;
        } else if (take_more(&star, path, false)) {
            at = star.next;
            here = star.here;
        } else if (take_more(&deep, path, true)) {
            at = deep.next;
            here = deep.here;
            star.next = NULL;
        } else {
            return false;
        }
    }
}

bool crosses_folders(const char *pattern)
{
    for (; *pattern != '\0'; pattern++) {
        if (pattern[0] == '*' && pattern[1] == '*')
            return true;
        pattern += pattern[0] == '\\' && pattern[1] != '\0';
    }
    return false;
}

/* "a[*]" is "a*", and so is "a\*". */
bool is_literal(const char *segment, size_t length, char *name)
{
    const char *end = segment + length;

    for (; segment < end; segment++) {
        if (end - segment > 2 && segment[0] == '[' && segment[2] == ']' &&
            strchr("*?[", segment[1]) != NULL) {
            *name++ = segment[1];
            segment += 2;
        } else if (strchr("*?[", *segment) != NULL) {
            return false;
        } else {
            segment += *segment == '\\' && segment + 1 < end;
            *name++ = *segment;
        }
    }
    *name = '\0';
    return true;
}
