// Hundreds of open files that look alike, some of them shared: by dup(2), and with a child that has few.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { file_count = 150, inherited_count = 10 };

// Positions that parent and child are to find, by file.
static off_t *positions;

static void expect_positions(const int *fds, int count)
{
    for (int index = 0; index < count; index++) {
        off_t now = MUST(lseek(fds[index], 0, SEEK_CUR));
        CHECK(now == positions[index], "file %d is at %ld, not %ld", index, (long)now, (long)positions[index]);
    }
}

void descriptors(int argc, char **argv)
{
    (void)argc, (void)argv;
    int first[file_count], second[file_count];
    positions = mmap(NULL, file_count * sizeof *positions, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(positions != MAP_FAILED, "mmap: %s", strerror(errno));
    for (int index = 0; index < file_count; index++) first[index] = MUST(open("/etc/passwd", O_RDONLY));
    // Backwards, so that neighbours are no hint.
    for (int index = file_count - 1; index >= 0; index--) second[index] = MUST(dup(first[index]));

    int go[2], done[2];
    MUST(pipe(go));
    MUST(pipe(done));
    pid_t child = MUST(fork());
    if (child == 0) {
        for (int index = 0; index < file_count; index++) {
            MUST(close(second[index]));
            if (index >= inherited_count) MUST(close(first[index]));
        }
        char word;
        MUST(close(go[1]));
        CHECK(MUST(read(go[0], &word, 1)) == 1, "the parent is gone");
        expect_positions(first, inherited_count);
        MUST(write(done[1], &word, 1));
        _exit(0);
    }
    subject_ready();
    subject_await_check();
    for (int index = 0; index < file_count; index++) {
        positions[index] = 3 * index + 1;
        MUST(lseek(first[index], positions[index], SEEK_SET));
    }
    expect_positions(first, file_count);
    expect_positions(second, file_count);
    char word = 0;
    MUST(write(go[1], &word, 1));
    CHECK(MUST(read(done[0], &word, 1)) == 1, "the child does not answer");
    int status;
    MUST(waitpid(child, &status, 0));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", status);
}
