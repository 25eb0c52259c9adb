// POSIX message queues of an ipc namespace that the caller has made, with messages, waiters and a notification.
#include "subject.h"

#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Sizes about the end of the first page of a message and of the second, behind the kernel's own heads of 48 and 8 bytes.
static const struct letter {
    unsigned priority;
    size_t size;
} letters[] = {{3, 5}, {9, 8192}, {3, 4048}, {0, 0}, {32767, 4049}, {3, 8136}, {9, 8137}, {500, 1}, {3, 64}};
enum { letter_count = sizeof letters / sizeof letters[0], largest = 8192 };

static mqd_t letter_box, twin, bell, old_in, old_out, questions, answers;

static mqd_t make(const char *name, int flags, mode_t mode, long most, long size)
{
    struct mq_attr attributes = {.mq_maxmsg = most, .mq_msgsize = size};
    return MUST(mq_open(name, flags | O_CREAT | O_EXCL, mode, &attributes));
}

static void answer(void *argument)
{
    (void)argument;
    child_ready();
    char text[32];
    unsigned priority;
    CHECK(mq_receive(questions, text, sizeof text, &priority) == 3, "mq_receive in the child: %s", strerror(errno));
    CHECK(priority == 5 && memcmp(text, "why", 3) == 0, "the child got another message");
    MUST(mq_send(answers, "so", 2, 0));
}

static void fill_letter_box(bool mounted)
{
    letter_box = make("/letters", O_RDWR, 0640, letter_count, largest);
    MUST(syscall(SYS_fchmod, letter_box, 0622));
    if (getuid() == 0) MUST(syscall(SYS_fchown, letter_box, 1234, 5678));
    for (int i = 0; i < letter_count; i++) {
        char text[largest];
        pattern_fill(text, sizeof text, (uint64_t)i);
        MUST(mq_send(letter_box, text, letters[i].size, letters[i].priority));
    }
    if (mounted) {
        MUST(mkdir("queues", 0700));
        MUST(mount("queues", "queues", "mqueue", 0, NULL));
        twin = MUST(open("queues/letters", O_RDONLY | O_NONBLOCK));
    } else {
        twin = MUST(mq_open("/letters", O_RDONLY | O_NONBLOCK));
    }
}

static void check_attributes(mqd_t queue, long flags, long most, long size, long count)
{
    struct mq_attr now;
    MUST(mq_getattr(queue, &now));
    CHECK(now.mq_flags == flags && now.mq_maxmsg == most && now.mq_msgsize == size && now.mq_curmsgs == count,
          "queue %d has flags %lo, %ld messages of %ld, and room for %ld of %ld", queue, now.mq_flags, now.mq_curmsgs,
          (long)now.mq_curmsgs, now.mq_maxmsg, now.mq_msgsize);
}

static void check_letter_box(void)
{
    check_attributes(letter_box, 0, letter_count, largest, letter_count);
    check_attributes(twin, O_NONBLOCK, letter_count, largest, letter_count);
    struct stat status;
    MUST(fstat(letter_box, &status));
    CHECK((status.st_mode & 07777) == 0622, "the queue has mode %o", status.st_mode);
    if (getuid() == 0)
        CHECK(status.st_uid == 1234 && status.st_gid == 5678, "the queue is of %u:%u", status.st_uid, status.st_gid);
    CHECK(mq_send(twin, "", 0, 0) == -1 && errno == EBADF, "the twin can be written to");
    bool had[letter_count] = {false};
    for (int n = 0; n < letter_count; n++) {
        int next = -1;
        for (int i = 0; i < letter_count; i++)
            if (!had[i] && (next < 0 || letters[i].priority > letters[next].priority)) next = i;
        had[next] = true;
        char text[largest], expected[largest];
        unsigned priority;
        ssize_t size = MUST(mq_receive(n % 2 ? letter_box : twin, text, sizeof text, &priority));
        CHECK((size_t)size == letters[next].size && priority == letters[next].priority,
              "message %d has %zd bytes and priority %u, not %zu and %u", n, size, priority, letters[next].size,
              letters[next].priority);
        pattern_fill(expected, sizeof expected, (uint64_t)next);
        CHECK(memcmp(text, expected, (size_t)size) == 0, "message %d has other bytes", n);
    }
    CHECK(mq_receive(twin, (char[largest]){0}, largest, NULL) == -1 && errno == EAGAIN, "there are more messages");
}

// One queue has lost its name to another, which nobody has open.
static void make_old(void)
{
    old_in = make("/shadow", O_WRONLY, 0600, 3, 40);
    old_out = MUST(mq_open("/shadow", O_RDONLY));
    MUST(mq_send(old_in, "of old", 6, 7));
    MUST(mq_unlink("/shadow"));
    mqd_t young = make("/shadow", O_WRONLY, 0600, 2, 20);
    MUST(mq_send(young, "young", 5, 1));
    MUST(mq_close(young));
}

static void check_old(void)
{
    char text[40];
    check_attributes(old_in, 0, 3, 40, 1);
    CHECK(mq_receive(old_out, text, sizeof text, NULL) == 6 && memcmp(text, "of old", 6) == 0, "the old queue is another");
    MUST(mq_send(old_in, "x", 1, 0));
    check_attributes(old_out, 0, 3, 40, 1);
    struct stat status;
    MUST(fstat(old_in, &status));
    CHECK(status.st_nlink == 0, "the old queue has a name again");
    mqd_t young = MUST(mq_open("/shadow", O_RDONLY));
    check_attributes(young, 0, 2, 20, 1);
    CHECK(mq_receive(young, text, sizeof text, NULL) == 5 && memcmp(text, "young", 5) == 0, "the young queue is another");
}

static volatile int has_rung;

static void ring(union sigval value)
{
    (void)value;
    has_rung = 1;
}

// KIND thread: a notification by a thread, which blocks a dump. KIND mounted: one descriptor is of a mount, in a mount namespace
// that the caller has made.
void mqueues(int argc, char **argv)
{
    bool by_thread = argc > 1 && strcmp(argv[1], "thread") == 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &set, NULL));
    fill_letter_box(argc > 1 && strcmp(argv[1], "mounted") == 0);
    make_old();
    questions = make("/questions", O_RDWR, 0600, 4, 32);
    answers = make("/answers", O_RDWR, 0600, 4, 32);
    bell = make("/bell", O_RDWR | O_NONBLOCK, 0600, 1, 8);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
    struct sigevent by = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = ring};
    MUST(mq_notify(bell, by_thread ? &by : &event));
    pid_t child = child_start(answer, NULL);
    // Nothing tells here that the child sleeps in its call; whether or not, it is to get its message.
    pause_ns(100000000);
    subject_ready();
    subject_await_check();
    check_letter_box();
    check_old();
    struct timespec soon = {20, 0};
    siginfo_t info;
    CHECK(mq_notify(bell, &event) == -1 && errno == EBUSY, "nobody is to be notified");
    MUST(mq_send(bell, "ring", 4, 0));
    if (by_thread) {
        await_flag(&has_rung);
    } else {
        CHECK(sigtimedwait(&set, &info, &soon) == SIGUSR1, "no notification: %s", strerror(errno));
        CHECK(info.si_code == SI_MESGQ && info.si_value.sival_int == 77, "another notification: code %d, value %d",
              info.si_code, info.si_value.sival_int);
    }
    char text[32];
    check_attributes(questions, 0, 4, 32, 0);
    MUST(mq_send(questions, "why", 3, 5));
    CHECK(MUST(mq_receive(answers, text, sizeof text, NULL)) == 2, "another answer");
    child_expect(child, 0);
}
