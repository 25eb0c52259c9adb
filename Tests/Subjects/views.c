#include "subject.h"

#include <stdio.h>
#include <stdlib.h>

// What commands of a shell print of namespaces that the caller has set up; each has to print the same at the end.

enum { most_views = 16, most_text = 1 << 16 };

char *view(const char *command)
{
    char *text = calloc(1, most_text);
    CHECK(text, "no memory");
    FILE *pipe = popen(command, "r");
    CHECK(pipe, "popen: %s", strerror(errno));
    size_t length = fread(text, 1, most_text - 1, pipe);
    CHECK(length < most_text - 1, "%s prints too much", command);
    CHECK(pclose(pipe) == 0, "%s failed", command);
    return text;
}

void view_again(const char *command, const char *had)
{
    char *after = view(command);
    const char *has = after;
    while (*had || *has) {
        int before_length = (int)strcspn(had, "\n"), after_length = (int)strcspn(has, "\n");
        CHECK(
            before_length == after_length && strncmp(had, has, (size_t)before_length) == 0, "%s shows %.*s and showed %.*s", command,
            after_length, has, before_length, had);
        had += before_length + (had[before_length] != 0);
        has += after_length + (has[after_length] != 0);
    }
    free(after);
}

void views(int argc, char **argv)
{
    char *before[most_views];
    CHECK(argc > 1 && argc <= most_views, "usage: views COMMAND…");
    for (int i = 1; i < argc; i++) {
        before[i] = view(argv[i]);
        CHECK(*before[i], "%s prints nothing", argv[i]);
    }
    subject_ready();
    subject_await_check();
    for (int i = 1; i < argc; i++) view_again(argv[i], before[i]);
}
