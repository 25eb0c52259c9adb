#include "rescue.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <elf.h>

enum { SLOTS = 8 };

// The only global state of the engine: a signal handler has no other way to know what to put back.
static struct rescue_slot {
    volatile int tid;
    uint64_t mask;
    struct user_regs_struct registers;
} slots[SLOTS];

static volatile sig_atomic_t cancelled;

void cp_rescue_arm_registers(int tid, uint64_t mask, const struct user_regs_struct *registers)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].tid == 0) {
            slots[i].mask = mask;
            slots[i].registers = *registers;
            __sync_synchronize();
            slots[i].tid = tid;
            return;
        }
    }
}

void cp_rescue_disarm(int tid)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].tid == tid) slots[i].tid = 0;
}

static void rescue(int signal)
{
    for (size_t i = 0; i < SLOTS; i++) {
        int tid = slots[i].tid;
        if (tid == 0) continue;
        struct iovec vector = {&slots[i].registers, sizeof slots[i].registers};
        ptrace(PTRACE_SETSIGMASK, tid, (void *)8, &slots[i].mask);
        ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &vector);
        ptrace(PTRACE_DETACH, tid, NULL, NULL);
        slots[i].tid = 0;
    }
    // The handler was installed with SA_RESETHAND: the second delivery ends the process as the first would have.
    raise(signal);
}

void cp_rescue_install(void)
{
    static char stack[64 * 1024];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = rescue;
    action.sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER;
    static const int fatal[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGQUIT};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) sigaction(fatal[i], &action, NULL);
}

static void cancel(int signal) { cancelled = signal; }

void cp_cancellation_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = cancel;
    static const int asks[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) sigaction(asks[i], &action, NULL);
}

int cp_cancellation_signal(void) { return cancelled; }
