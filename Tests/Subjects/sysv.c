// Objects of System V IPC that only this tree uses: segments, semaphores, queues.
#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096 };

struct note {
    long type;
    char text[16];
};

static key_t key_of(int number) { return (key_t)((unsigned)getpid() << 8 | (unsigned)number); }

static int public_segment, doomed_segment, parted_segment, idle_segment, semaphores, queue;
static char *public_area, *doomed_area, *parted_area, *seen_only;

static struct shmid_ds segment_status(int id)
{
    struct shmid_ds status;
    MUST(shmctl(id, IPC_STAT, &status));
    return status;
}

static void change(int number, int by)
{
    struct sembuf change = {(unsigned short)number, (short)by, 0};
    MUST(syscall(SYS_semop, semaphores, &change, 1L));
}

// Waits for the second semaphore, then for a message, and answers in the shared segment.
static void wait_for_parent(void *argument)
{
    (void)argument;
    seen_only = MUST((char *)shmat(public_segment, NULL, SHM_RDONLY));
    child_ready();
    change(1, -5);
    CHECK(seen_only[2 * page] == 42, "the child does not see what the parent writes into the segment");
    struct note note;
    CHECK(msgrcv(queue, &note, sizeof note.text, 77, 0) == 3, "msgrcv in the child: %s", strerror(errno));
    public_area[2 * page + 1] = 43;
}

static void make_segments(void)
{
    public_segment = MUST(shmget(key_of(1), 3 * page + 100, IPC_CREAT | IPC_EXCL | 0640));
    public_area = MUST((char *)shmat(public_segment, NULL, 0));
    pattern_fill(public_area, page, 1);
    // A page that nobody touched, and bytes behind the end of the segment.
    pattern_fill(public_area + 3 * page, page, 2);
    doomed_segment = MUST(shmget(IPC_PRIVATE, 2 * page, 0600));
    doomed_area = MUST((char *)shmat(doomed_segment, NULL, 0));
    pattern_fill(doomed_area, 2 * page, 3);
    MUST(shmctl(doomed_segment, IPC_RMID, NULL));
    parted_segment = MUST(shmget(IPC_PRIVATE, 4 * page, 0600));
    parted_area = MUST((char *)shmat(parted_segment, NULL, 0));
    pattern_fill(parted_area, 4 * page, 4);
    MUST(munmap(parted_area + page, page));
    MUST(mprotect(parted_area + 2 * page, page, PROT_READ));
    idle_segment = MUST(shmget(key_of(2), page, IPC_CREAT | IPC_EXCL | 0600));
    char *area = MUST((char *)shmat(idle_segment, NULL, 0));
    pattern_fill(area, page, 5);
    MUST(shmdt(area));
    if (getuid() == 0) {
        struct shmid_ds status = segment_status(public_segment);
        status.shm_perm.uid = 1234;
        status.shm_perm.gid = 5678;
        MUST(shmctl(public_segment, IPC_SET, &status));
    }
}

static void check_segments(void)
{
    CHECK(shmget(key_of(1), 0, 0) == public_segment, "the key leads to another segment");
    CHECK(shmget(key_of(2), 0, 0) == idle_segment, "the key of the idle segment leads to another");
    pattern_check(public_area, page, 1, "segment");
    for (int i = 0; i < page; i++) CHECK(public_area[page + i] == 0, "a page never touched is not zero");
    pattern_check(public_area + 3 * page, 96, 2, "end of the segment");
    struct shmid_ds status = segment_status(public_segment);
    CHECK(status.shm_segsz == 3 * page + 100, "the segment has %zu bytes", status.shm_segsz);
    CHECK(status.shm_cpid == getpid(), "the segment was made by %d", status.shm_cpid);
    CHECK((status.shm_perm.mode & 0777) == 0640, "the segment has mode %o", status.shm_perm.mode);
    CHECK(status.shm_perm.cuid == getuid(), "the segment was made by user %u", status.shm_perm.cuid);
    if (getuid() == 0)
        CHECK(status.shm_perm.uid == 1234 && status.shm_perm.gid == 5678, "the segment has owner %u:%u",
              status.shm_perm.uid, status.shm_perm.gid);
    // This process twice as much as its child: the child has what it inherited and one of its own.
    CHECK(status.shm_nattch == 3, "the segment is mapped %lu times, not 3", (unsigned long)status.shm_nattch);
    status = segment_status(doomed_segment);
    CHECK(status.shm_perm.mode & SHM_DEST, "the removed segment will stay");
    pattern_check(doomed_area, 2 * page, 3, "removed segment");
    char expected[4 * page];
    pattern_fill(expected, sizeof expected, 4);
    CHECK(memcmp(parted_area, expected, page) == 0, "the first part of a segment changed");
    CHECK(memcmp(parted_area + 2 * page, expected + 2 * page, 2 * page) == 0, "the last part of a segment changed");
    CHECK(syscall(SYS_msync, parted_area + page, page, MS_ASYNC) == -1 && errno == ENOMEM, "the hole has memory");
    parted_area[3 * page] = 1;
    char *again = MUST((char *)shmat(parted_segment, NULL, 0));
    CHECK(again[3 * page] == 1, "the part is of another segment");
    MUST(shmdt(again));
    char *area = MUST((char *)shmat(idle_segment, NULL, 0));
    pattern_check(area, page, 5, "segment that nobody maps");
}

static void make_others(void)
{
    semaphores = MUST(semget(key_of(3), 3, IPC_CREAT | IPC_EXCL | 0600));
    change(0, 7);
    change(1, 2);
    MUST(semctl(semaphores, 2, SETVAL, 32767));
    queue = MUST(msgget(key_of(4), IPC_CREAT | IPC_EXCL | 0600));
    struct note gone = {.type = 5, .text = "gone"};
    MUST(msgsnd(queue, &gone, 4, 0));
    MUST(msgrcv(queue, &gone, sizeof gone.text, 5, 0));
    struct note first = {.type = 9, .text = "the first"}, second = {.type = 3, .text = ""};
    MUST(msgsnd(queue, &first, 9, 0));
    MUST(msgsnd(queue, &second, 0, 0));
    struct msqid_ds status;
    MUST(msgctl(queue, IPC_STAT, &status));
    status.msg_qbytes = 1000;
    MUST(msgctl(queue, IPC_SET, &status));
}

static void check_others(pid_t child)
{
    CHECK(semget(key_of(3), 0, 0) == semaphores, "the key leads to another semaphore set");
    unsigned short values[3];
    MUST(semctl(semaphores, 0, GETALL, values));
    CHECK(values[0] == 7 && values[1] == 2 && values[2] == 32767, "the semaphores are %u, %u, %u", values[0],
          values[1], values[2]);
    for (int i = 0; i < 3; i++)
        CHECK(semctl(semaphores, i, GETPID) == getpid(), "semaphore %d was changed by %d", i,
              semctl(semaphores, i, GETPID));
    CHECK(msgget(key_of(4), 0) == queue, "the key leads to another queue");
    struct msqid_ds status;
    MUST(msgctl(queue, IPC_STAT, &status));
    CHECK(status.msg_qnum == 2 && status.msg_qbytes == 1000, "the queue has %lu messages and takes %lu bytes",
          (unsigned long)status.msg_qnum, (unsigned long)status.msg_qbytes);
    CHECK(status.msg_lspid == getpid() && status.msg_lrpid == getpid(), "the queue was used by %d and %d",
          status.msg_lspid, status.msg_lrpid);
    struct note note;
    CHECK(msgrcv(queue, &note, sizeof note.text, 0, 0) == 9 && note.type == 9 && !memcmp(note.text, "the first", 9),
          "the first message is another");
    CHECK(msgrcv(queue, &note, sizeof note.text, 0, 0) == 0 && note.type == 3, "the second message is another");
    public_area[2 * page] = 42;
    change(1, 3);
    struct note order = {.type = 77, .text = "go"};
    MUST(msgsnd(queue, &order, 3, 0));
    child_expect(child, 0);
    CHECK(public_area[2 * page + 1] == 43, "the parent does not see what the child writes into the segment");
}

static void remove_all(void)
{
    shmctl(public_segment, IPC_RMID, NULL);
    shmctl(parted_segment, IPC_RMID, NULL);
    shmctl(idle_segment, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
}

enum { undone = 6 };
static const short raised[undone] = {7, 1000, 1, 32767, 5, 0};
static const short adjusted[undone] = {3, -900, 1, 32767, -5, 0};

static _Atomic bool is_over;

static void *idle(void *argument)
{
    while (!is_over) pause_ns(1000000);
    return argument;
}

// Each semaphore is at `raised`, and at the end of the process goes by the negative of `adjusted`.
static void adjust(void *argument)
{
    for (int i = 0; i < undone; i++) {
        struct sembuf down[2] = {{(unsigned short)i, (short)-adjusted[i], 0}, {(unsigned short)i, adjusted[i], SEM_UNDO}};
        struct sembuf up[2] = {down[1], down[0]};
        if (adjusted[i]) MUST(syscall(SYS_semop, semaphores, adjusted[i] > 0 ? up : down, 2L));
    }
    child_ready();
    volatile int *may_end = argument;
    while (!*may_end) pause_ns(1000000);
}

// A child and this process, which has a second thread, each have adjustments at exit; their ends tell of them.
static void undo(void)
{
    semaphores = MUST(semget(IPC_PRIVATE, undone, 0600));
    unsigned short values[undone], ends[undone];
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, idle, NULL) == 0, "pthread_create");
    for (int i = 0; i < undone; i++) MUST(semctl(semaphores, i, SETVAL, adjusted[i] > 0 ? 0 : 1000));
    int *may_end = MUST((int *)mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    pid_t child = child_start(adjust, may_end);
    for (int i = 0; i < undone; i++) {
        struct sembuf change = {(unsigned short)i, (short)(raised[i] - semctl(semaphores, i, GETVAL)), 0};
        if (change.sem_op) MUST(syscall(SYS_semop, semaphores, &change, 1L));
    }
    // The child's part of the third is taken back by this process as well.
    struct sembuf own = {2, 1, SEM_UNDO};
    MUST(syscall(SYS_semop, semaphores, &own, 1L));
    subject_ready();
    subject_await_check();
    MUST(semctl(semaphores, 0, GETALL, values));
    for (int i = 0; i < undone; i++)
        CHECK(values[i] == raised[i] + (i == 2), "semaphore %d is %u, not %d", i, values[i], raised[i]);
    *may_end = 1;
    child_expect(child, 0);
    MUST(semctl(semaphores, 0, GETALL, ends));
    for (int i = 0; i < undone; i++)
        CHECK(ends[i] == values[i] - adjusted[i], "the end of the child left semaphore %d at %u, not %d", i, ends[i],
              values[i] - adjusted[i]);
    MUST(syscall(SYS_unshare, CLONE_SYSVSEM));
    // The list is shared with the other thread: nothing happens until that one ends, too.
    CHECK(semctl(semaphores, 2, GETVAL) == 1, "the list of adjustments is not shared between threads");
    is_over = true;
    CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
    // Who joins a thread may go on before the kernel has taken back what the thread did.
    for (int64_t deadline = monotonic_ns() + 20000000000; semctl(semaphores, 2, GETVAL) != 0 && monotonic_ns() < deadline;)
        pause_ns(1000000);
    CHECK(semctl(semaphores, 2, GETVAL) == 0, "the adjustment of this process is lost");
    semctl(semaphores, 0, IPC_RMID);
}

// KIND outside: a process outside the tree maps the segment too. KIND undo: an adjustment at exit.
void sysv(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    if (strcmp(kind, "user") == 0) MUST(syscall(SYS_setresuid, 4321, 4321, 4321));
    if (strcmp(kind, "outside") == 0) {
        public_segment = MUST(shmget(IPC_PRIVATE, page, 0600));
        public_area = MUST((char *)shmat(public_segment, NULL, 0));
        MUST(shmctl(public_segment, IPC_RMID, NULL));
        // A child of whoever adopts orphans keeps it mapped while this process lives.
        pid_t subject = getpid(), middle = MUST(fork());
        if (middle == 0) {
            middle = getpid();
            if (fork() != 0) _exit(0);
            while (getppid() == middle) pause_ns(1000000);
            while (kill(subject, 0) == 0) pause_ns(1000000);
            _exit(0);
        }
        child_expect(middle, 0);
        subject_ready();
        subject_await_check();
        public_area[0] = 1;
        return;
    }
    if (strcmp(kind, "undo") == 0) {
        undo();
        return;
    }
    make_segments();
    make_others();
    pid_t child = child_start(wait_for_parent, NULL);
    int64_t deadline = monotonic_ns() + 10000000000;
    while (semctl(semaphores, 1, GETNCNT) == 0 && monotonic_ns() < deadline) pause_ns(1000000);
    CHECK(semctl(semaphores, 1, GETNCNT) == 1, "the child does not wait for the semaphore");
    subject_ready();
    subject_await_check();
    check_segments();
    check_others(child);
    remove_all();
}
