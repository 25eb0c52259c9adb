#include "subject.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Ways of being a task that are not carried. Each blocks a dump, and shows afterwards that it is still what it was.

static volatile int beats;
static char stack[65536] __attribute__((aligned(16)));

// Runs beside its parent in the same memory, and shares errno with it: nothing that sets it.
static _Noreturn int beat(void *argument)
{
    (void)argument;
    syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;) {
        beats++;
        pause_ns(2000000);
    }
}

static void share(int flags)
{
    MUST(clone(beat, stack + sizeof stack, flags | SIGCHLD, NULL));
    await_flag(&beats);
    subject_ready();
    subject_await_check();
    int before = beats;
    int64_t deadline = monotonic_ns() + 5000000000;
    while (beats == before && monotonic_ns() < deadline) pause_ns(2000000);
    CHECK(beats != before, "what the other process writes is no longer seen");
}

static void share_memory(void) { share(CLONE_VM); }
static void share_handlers(void) { share(CLONE_VM | CLONE_SIGHAND); }

static volatile int thread_ready, thread_look, thread_answer;
static int lone_fd;

// Has a descriptor table of its own, so that it does not see what the others open.
static void *look_apart(void *argument)
{
    MUST(unshare(CLONE_FILES));
    thread_ready = 1;
    await_flag(&thread_look);
    thread_answer = fcntl(lone_fd, F_GETFD) < 0 && errno == EBADF ? 1 : 2;
    return argument;
}

static void own_files(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, look_apart, NULL) == 0, "pthread_create");
    await_flag(&thread_ready);
    subject_ready();
    subject_await_check();
    lone_fd = MUST(fcntl(0, F_DUPFD, 500));
    thread_look = 1;
    await_flag(&thread_answer);
    CHECK(thread_answer == 1, "the thread shares the descriptors of the others");
}

static volatile pid_t waiting;

static void *wait_in_vfork(void *argument)
{
    waiting = gettid();
    pid_t child = vfork();
    if (child == 0) {
        while (!subject_check_requested()) pause_ns(2000000);
        _exit(3);
    }
    child_expect(child, 3 << 8);
    return argument;
}

static void wait_for_vfork(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_in_vfork, NULL) == 0, "pthread_create");
    await_flag((volatile int *)&waiting);
    await_blocked_in(waiting, SYS_vfork);
    subject_ready();
    CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
}

static volatile sig_atomic_t dispatched;
static char dispatch_selector; // SYSCALL_DISPATCH_FILTER_ALLOW

static void on_dispatch(int signal)
{
    dispatch_selector = 0;
    dispatched = signal;
}

// Calls become signals as soon as the program says so.
static void dispatch_calls(void)
{
    enum { set_dispatch = 59, on = 1, block = 1 };
    struct sigaction action = {.sa_handler = on_dispatch};
    MUST(sigaction(SIGSYS, &action, NULL));
    MUST(prctl(set_dispatch, on, 0L, 0L, &dispatch_selector));
    subject_ready();
    subject_await_check();
    __atomic_store_n(&dispatch_selector, block, __ATOMIC_SEQ_CST);
    syscall(SYS_getppid);
    CHECK(dispatched == SIGSYS, "a call was made instead of SIGSYS");
}

// A program of 32 bits that does nothing but pause(2).
static void write_program32(const char *path)
{
    enum { base = 0x08048000 };
    static const unsigned char code[] = {0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7};
    struct {
        Elf32_Ehdr head;
        Elf32_Phdr segment;
        unsigned char code[sizeof code];
    } file = {
        .head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
                 .e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
                 .e_entry = base + sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr), .e_phoff = sizeof(Elf32_Ehdr),
                 .e_ehsize = sizeof(Elf32_Ehdr), .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1},
        .segment = {.p_type = PT_LOAD, .p_vaddr = base, .p_paddr = base, .p_filesz = sizeof file, .p_memsz = sizeof file,
                    .p_flags = PF_R | PF_X, .p_align = 4096},
    };
    memcpy(file.code, code, sizeof code);
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
    CHECK(write(fd, &file, sizeof file) == sizeof file, "%s: %s", path, strerror(errno));
    close(fd);
}

// Returns once the program sleeps in its only call, number 29 of 32 bits.
static void await_pause32(pid_t child)
{
    char path[64], text[8] = "";
    snprintf(path, sizeof path, "/proc/%d/syscall", child);
    int64_t deadline = monotonic_ns() + 10000000000;
    while (strncmp(text, "29 ", 3) != 0) {
        CHECK(monotonic_ns() < deadline, "program32 is in call %s", text);
        int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
        ssize_t length = read(fd, text, sizeof text - 1);
        close(fd);
        text[length > 0 ? length : 0] = 0;
        pause_ns(1000000);
    }
}

static void run_program32(void)
{
    write_program32("program32");
    pid_t child = MUST(fork());
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl("program32", "program32", NULL);
        subject_fail("program32: %s", strerror(errno));
    }
    await_pause32(child);
    subject_ready();
    subject_await_check();
    CHECK(waitpid(child, NULL, WNOHANG) == 0, "the program of 32 bits has ended");
    await_pause32(child);
    MUST(kill(child, SIGKILL));
    child_expect(child, SIGKILL);
}

void uncarried(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } kinds[] = {{"shared-memory", share_memory}, {"shared-handlers", share_handlers}, {"own-files", own_files},
                 {"vfork", wait_for_vfork},       {"dispatch", dispatch_calls},        {"program32", run_program32}};
    for (size_t i = 0; argc == 2 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, argv[1])) continue;
        kinds[i].run();
        return;
    }
    subject_fail("usage: uncarried shared-memory|shared-handlers|own-files|vfork|dispatch|program32");
}
