/* Matches patterns with "**", which crosses folders, as glob(3) does not.
 *
 * The rules are those of tesk_model/patterns.py; one table of cases holds both.
 */
#include "launcher.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

/* Where a wildcard began in the pattern, and what it has taken so far. */
struct wildcard {
    const char *next; /* NULL: there is none */
    const char *here;
};

/* Bytes of the character at text; of what is no UTF-8, one. */
static size_t character_size(const char *text)
{
    size_t size = 1;

    if ((*text & 0xc0) == 0xc0)
        while ((text[size] & 0xc0) == 0x80 && size < 4)
            size++;
    return size;
}

/* Bytes of the bracket expression at pattern; 0 if the bracket is a character. */
static size_t bracket_size(const char *pattern)
{
    size_t at = 1;

    at += pattern[at] == '!' || pattern[at] == '^';
    at += pattern[at] == ']';
    for (; pattern[at] != '\0' && pattern[at] != '/'; at++) {
        if (pattern[at] == ']')
            return at + 1;
        if (pattern[at] == '[' && pattern[at + 1] == ':') {
            size_t end = at + 2;

            while (islower((unsigned char)pattern[end]))
                end++;
            if (end > at + 2 && pattern[end] == ':' && pattern[end + 1] == ']')
                at = end + 1;
        }
    }
    return 0;
}

static bool in_bracket(const char *bracket, size_t size, const char *here)
{
    char pattern[PATH_MAX];
    char text[5] = "";

    if (size >= sizeof pattern)
        return false;
    memcpy(pattern, bracket, size);
    pattern[size] = '\0';
    if (pattern[1] == '^')
        pattern[1] = '!';
    memcpy(text, here, character_size(here));
    return fnmatch(pattern, text, 0) == 0;
}

/* A dot at the start of a name is for a dot of the pattern alone. */
static bool is_hidden(const char *path, const char *here)
{
    return *here == '.' && (here == path || here[-1] == '/');
}

/* Bytes of pattern that match the character at here; 0: none do. */
static size_t fit(const char *pattern, const char *at, const char *path, const char *here)
{
    size_t size = *at == '[' ? bracket_size(at) : 0;

    if (*at == '?' || size > 0) {
        if (*here == '/' || is_hidden(path, here))
            return 0;
        return *at == '?' ? 1 : in_bracket(at, size, here) ? size : 0;
    }
    if (*at != *here)
        return 0;
    return !is_hidden(path, here) || at == pattern || at[-1] == '/';
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
 * earlier one could still take, the later one can take as well. */
bool matches_deep(const char *pattern, const char *path)
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
