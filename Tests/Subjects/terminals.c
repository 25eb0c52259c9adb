// Pseudo terminals of which both sides are in the tree: modes, sizes, flags, sessions, groups, unread bytes, closed sides.
#include "subject.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct pair {
    int master, slave, index;
    char name[32];
};

static struct pair open_pair(bool with_slave)
{
    struct pair pair = {.slave = -1};
    int unlocked = 0;
    pair.master = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    MUST(ioctl(pair.master, TIOCSPTLCK, &unlocked));
    MUST(ioctl(pair.master, TIOCGPTN, &pair.index));
    snprintf(pair.name, sizeof pair.name, "/dev/pts/%d", pair.index);
    if (with_slave) pair.slave = MUST(open(pair.name, O_RDWR | O_NOCTTY));
    return pair;
}

static int number_of(int master)
{
    int index = -1;
    MUST(ioctl(master, TIOCGPTN, &index));
    return index;
}

static void raw(int fd)
{
    struct termios modes;
    MUST(tcgetattr(fd, &modes));
    cfmakeraw(&modes);
    MUST(tcsetattr(fd, TCSANOW, &modes));
}

static void write_all(int fd, const char *text, size_t length)
{
    CHECK(write(fd, text, length) == (ssize_t)length, "write: %s", strerror(errno));
}

static void await_bytes(int fd, int count)
{
    int64_t deadline = monotonic_ns() + 5000000000;
    int waiting = 0;
    while (monotonic_ns() < deadline) {
        MUST(ioctl(fd, FIONREAD, &waiting));
        if (waiting >= count) return;
        pause_ns(1000000);
    }
    subject_fail("%d bytes wait on descriptor %d, %d were to come", waiting, fd, count);
}

static void expect_read(int fd, const char *text, size_t length, const char *what)
{
    char buffer[8192];
    struct pollfd row = {fd, POLLIN, 0};
    size_t done = 0;
    while (done < length) {
        CHECK(poll(&row, 1, 3000) == 1, "%s: %zu of %zu bytes came", what, done, length);
        ssize_t got = read(fd, buffer, length - done);
        CHECK(got > 0, "%s: read gave %zd: %s", what, got, strerror(errno));
        CHECK(memcmp(buffer, text + done, got) == 0, "%s: other bytes at %zu: %.*s", what, done, (int)got, buffer);
        done += got;
    }
}

// A read of a canonical terminal gives one line.
static void expect_line(int fd, const char *line, const char *what)
{
    char buffer[256];
    struct pollfd row = {fd, POLLIN, 0};
    CHECK(poll(&row, 1, 3000) == 1, "%s: no line came", what);
    ssize_t got = read(fd, buffer, sizeof buffer);
    CHECK(got == (ssize_t)strlen(line) && memcmp(buffer, line, got) == 0, "%s: got %zd bytes: %.*s", what, got,
          got > 0 ? (int)got : 0, buffer);
}

static void expect_empty(int fd, const char *what)
{
    struct pollfd row = {fd, POLLIN, 0};
    CHECK(poll(&row, 1, 0) == 0, "%s: poll says %d", what, row.revents);
}

// A session on a terminal: a leader, a group in front, one behind.
static struct pair session_pair;
static pid_t front, behind;
// Members have /dev/tty open, and the leader too.
static bool opens_current = true;

static void member(void *group)
{
    MUST(setpgid(0, 0));
    (void)group;
    child_ready();
    int terminal = opens_current ? MUST(open("/dev/tty", O_RDWR)) : session_pair.slave;
    subject_await_check();
    CHECK(getpgrp() == getpid(), "member's group is %d", getpgrp());
    CHECK(tcgetsid(terminal) == getsid(0), "tcgetsid: %s", strerror(errno));
}

static void leader(void *unused)
{
    (void)unused;
    MUST(setsid());
    MUST(ioctl(session_pair.slave, TIOCSCTTY, 0));
    front = child_start(member, NULL);
    behind = child_start(member, NULL);
    MUST(tcsetpgrp(session_pair.slave, front));
    int current = opens_current ? MUST(open("/dev/tty", O_RDWR)) : session_pair.slave;
    child_ready();
    subject_await_check();
    CHECK(tcgetsid(session_pair.slave) == getpid(), "session of the slave is %d", tcgetsid(session_pair.slave));
    CHECK(tcgetsid(current) == getpid(), "session of /dev/tty is %d", tcgetsid(current));
    CHECK(tcgetpgrp(session_pair.slave) == front, "group in front is %d, not %d", tcgetpgrp(session_pair.slave), front);
    CHECK(tcgetpgrp(current) == front, "group in front of /dev/tty is %d", tcgetpgrp(current));
    struct winsize size;
    MUST(ioctl(current, TIOCGWINSZ, &size));
    CHECK(size.ws_row == 33 && size.ws_col == 77, "size is %dx%d", size.ws_row, size.ws_col);
    child_expect(front, 0);
    child_expect(behind, 0);
}

// Modes of every kind, a size with pixels, two openings of the slave, another owner.
static void modes_part(void)
{
    struct pair pair = open_pair(true);
    int again = MUST(open(pair.name, O_RDONLY | O_NOCTTY | O_NONBLOCK));
    struct termios modes, now;
    MUST(tcgetattr(pair.slave, &modes));
    modes.c_iflag = IGNBRK | INPCK | IXANY | IUTF8;
    modes.c_oflag = OPOST | ONLRET;
    modes.c_lflag = ISIG | TOSTOP | NOFLSH | ECHOCTL;
    for (int i = 0; i < 17; i++) modes.c_cc[i] = 0x11 + i;
    MUST(tcsetattr(pair.slave, TCSANOW, &modes));
    MUST(tcgetattr(pair.slave, &modes));
    struct winsize size = {51, 132, 1320, 1020}, size_now;
    MUST(ioctl(pair.slave, TIOCSWINSZ, &size));
    MUST(fchown(pair.slave, 1234, 4321));
    MUST(fchmod(pair.slave, 0622));

    subject_ready();
    subject_await_check();

    CHECK(number_of(pair.master) == pair.index, "number is %d", number_of(pair.master));
    MUST(tcgetattr(pair.slave, &now));
    CHECK(memcmp(&modes, &now, sizeof now) == 0, "modes: i %x/%x o %x/%x c %x/%x l %x/%x", now.c_iflag, modes.c_iflag,
          now.c_oflag, modes.c_oflag, now.c_cflag, modes.c_cflag, now.c_lflag, modes.c_lflag);
    MUST(ioctl(pair.slave, TIOCGWINSZ, &size_now));
    CHECK(memcmp(&size, &size_now, sizeof size) == 0, "size is %dx%d", size_now.ws_row, size_now.ws_col);
    struct stat node;
    MUST(fstat(again, &node));
    CHECK(node.st_uid == 1234 && node.st_gid == 4321 && (node.st_mode & 0777) == 0622, "node is %d:%d 0%o", node.st_uid,
          node.st_gid, node.st_mode);
    CHECK((fcntl(again, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == (O_NONBLOCK | O_RDONLY), "flags are 0%o", fcntl(again, F_GETFL));
    raw(pair.slave);
    write_all(pair.slave, "x", 1);
    expect_read(pair.master, "x", 1, "a byte through the pair");
}

// Raw, packet mode, exclusive, bytes both ways.
static void bytes_part(void)
{
    struct pair pair = open_pair(true);
    raw(pair.slave);
    int on = 1, flag = 0;
    char down[1000], up[3000];
    for (size_t i = 0; i < sizeof down; i++) down[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof up; i++) up[i] = (char)(i * 11 + 3);
    write_all(pair.master, down, sizeof down);
    write_all(pair.slave, up, sizeof up);
    await_bytes(pair.slave, sizeof down);
    await_bytes(pair.master, sizeof up);
    MUST(ioctl(pair.master, TIOCPKT, &on));
    MUST(ioctl(pair.slave, TIOCEXCL));

    subject_ready();
    subject_await_check();

    MUST(ioctl(pair.master, TIOCGPKT, &flag));
    CHECK(flag, "packet mode is off");
    flag = 0;
    MUST(ioctl(pair.slave, TIOCGEXCL, &flag));
    CHECK(flag, "the slave is not exclusive");
    MUST(ioctl(pair.master, TIOCGEXCL, &flag));
    CHECK(!flag, "the master is exclusive");
    expect_read(pair.slave, down, sizeof down, "bytes for the slave");
    expect_empty(pair.slave, "the slave after its bytes");
    char first;
    CHECK(read(pair.master, &first, 1) == 1 && first == 0, "packet mode gives no control byte");
    flag = 0;
    MUST(ioctl(pair.master, TIOCPKT, &flag));
    expect_read(pair.master, up, sizeof up, "bytes for the master");
    expect_empty(pair.master, "the master after its bytes");
}

// Whole lines and an unfinished one, with echo.
static void lines_part(void)
{
    struct pair pair = open_pair(true);
    write_all(pair.master, "one\ntwo\nthr", 11);
    await_bytes(pair.slave, 8);
    await_bytes(pair.master, 13);

    subject_ready();
    subject_await_check();

    expect_line(pair.slave, "one\n", "the first line");
    expect_line(pair.slave, "two\n", "the second line");
    expect_empty(pair.slave, "an unfinished line");
    write_all(pair.master, "ee\n", 3);
    expect_line(pair.slave, "three\n", "the line that was unfinished");
    expect_read(pair.master, "one\r\ntwo\r\nthree\r\n", 17, "the echo");
    expect_empty(pair.master, "the echo is there once");
}

// A slave whose master is gone; a master whose slave is gone, with bytes that nobody read; one that was never unlocked.
static void closed_part(void)
{
    struct pair hung = open_pair(true);
    MUST(close(hung.master));
    struct pair closed = open_pair(true);
    raw(closed.slave);
    write_all(closed.slave, "last words", 10);
    await_bytes(closed.master, 10);
    MUST(close(closed.slave));
    int locked = MUST(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    int locked_number = number_of(locked), flag = 0;

    subject_ready();
    subject_await_check();

    struct termios now;
    CHECK(tcgetattr(hung.slave, &now) < 0 && errno == EIO, "the slave without a master has modes");
    char byte;
    CHECK(read(hung.slave, &byte, 1) == 0, "the slave without a master can be read");
    expect_read(closed.master, "last words", 10, "bytes of the closed slave");
    CHECK(read(closed.master, &byte, 1) < 0 && errno == EIO, "the master without a slave: %s", strerror(errno));
    CHECK(number_of(locked) == locked_number, "number of the locked master is %d", number_of(locked));
    MUST(ioctl(locked, TIOCGPTLCK, &flag));
    CHECK(flag, "the locked master is open");
}

static void session_part(void)
{
    session_pair = open_pair(true);
    struct winsize small = {33, 77, 0, 0};
    MUST(ioctl(session_pair.master, TIOCSWINSZ, &small));
    pid_t child = child_start(leader, NULL);
    MUST(close(session_pair.slave));
    subject_ready();
    subject_await_check();
    child_expect(child, 0);
}

static void member_without(void *unused)
{
    (void)unused;
    int current = MUST(open("/dev/tty", O_RDWR));
    MUST(ioctl(current, TIOCNOTTY));
    MUST(close(current));
    MUST(close(session_pair.slave));
    child_ready();
    subject_await_check();
    CHECK(open("/dev/tty", O_RDWR) < 0 && errno == ENXIO, "the terminal that was given up is there again");
}

static void leader_with(void *unused)
{
    (void)unused;
    MUST(setsid());
    MUST(ioctl(session_pair.slave, TIOCSCTTY, 0));
    pid_t child = child_start(member_without, NULL);
    child_ready();
    subject_await_check();
    CHECK(tcgetsid(session_pair.slave) == getpid(), "session of the slave is %d", tcgetsid(session_pair.slave));
    child_expect(child, 0);
}

// A member of a session gives its terminal up, its leader does not.
static void given_up_part(void)
{
    session_pair = open_pair(true);
    pid_t child = child_start(leader_with, NULL);
    MUST(close(session_pair.slave));
    subject_ready();
    subject_await_check();
    child_expect(child, 0);
}

// A control byte waits on a master in packet mode.
static void control_part(void)
{
    struct pair pair = open_pair(true);
    int on = 1;
    char byte = 0;
    MUST(ioctl(pair.master, TIOCPKT, &on));
    MUST(tcflush(pair.slave, TCIFLUSH));
    subject_ready();
    subject_await_check();
    CHECK(read(pair.master, &byte, 1) == 1 && byte == TIOCPKT_FLUSHREAD, "the control byte is 0x%x", byte);
}

static void leader_part(void)
{
    opens_current = false;
    session_part();
}

void terminals(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {
        {"modes", modes_part},   {"bytes", bytes_part},     {"lines", lines_part},
        {"closed", closed_part}, {"session", session_part}, {"leader", leader_part},
        {"given-up", given_up_part}, {"control", control_part},
    };
    signal(SIGHUP, SIG_IGN);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (argc != 2 || strcmp(argv[1], parts[i].name) != 0) continue;
        parts[i].run();
        return;
    }
    subject_fail("usage: terminals modes | bytes | lines | closed | session | leader | given-up | control");
}
