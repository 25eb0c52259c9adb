// Kernel structures and numbers that the installed headers lack, or that Swift cannot import. Sizes are checked
// in kernel_abi.c against what the kernel expects.
#ifndef CP_KERNEL_ABI_H
#define CP_KERNEL_ABI_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>

// include/uapi/linux/ptrace.h
enum {
    CP_PTRACE_PEEKDATA = 2,
    CP_PTRACE_POKEDATA = 5,
    CP_PTRACE_CONT = 7,
    CP_PTRACE_KILL = 8,
    CP_PTRACE_DETACH = 17,
    CP_PTRACE_SYSCALL = 24,
    CP_PTRACE_SETOPTIONS = 0x4200,
    CP_PTRACE_GETEVENTMSG = 0x4201,
    CP_PTRACE_GETSIGINFO = 0x4202,
    CP_PTRACE_GETREGSET = 0x4204,
    CP_PTRACE_SETREGSET = 0x4205,
    CP_PTRACE_SEIZE = 0x4206,
    CP_PTRACE_INTERRUPT = 0x4207,
    CP_PTRACE_LISTEN = 0x4208,
    CP_PTRACE_PEEKSIGINFO = 0x4209,
    CP_PTRACE_GETSIGMASK = 0x420a,
    CP_PTRACE_SETSIGMASK = 0x420b,
    CP_PTRACE_SECCOMP_GET_FILTER = 0x420c,
    CP_PTRACE_SECCOMP_GET_METADATA = 0x420d,                 // Linux 4.16
    CP_PTRACE_GET_SYSCALL_INFO = 0x420e,
    CP_PTRACE_GET_RSEQ_CONFIGURATION = 0x420f,               // Linux 5.13
    CP_PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG = 0x4210,     // Linux 6.4
    CP_PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG = 0x4211,     // Linux 6.4

    CP_PTRACE_O_TRACESYSGOOD = 1,
    CP_PTRACE_O_TRACEFORK = 2,
    CP_PTRACE_O_TRACEVFORK = 4,
    CP_PTRACE_O_TRACECLONE = 8,
    CP_PTRACE_O_TRACEEXEC = 0x10,
    CP_PTRACE_O_TRACEEXIT = 0x40,
    CP_PTRACE_O_EXITKILL = 0x100000,
    CP_PTRACE_O_SUSPEND_SECCOMP = 0x200000,

    CP_PTRACE_EVENT_FORK = 1,
    CP_PTRACE_EVENT_VFORK = 2,
    CP_PTRACE_EVENT_CLONE = 3,
    CP_PTRACE_EVENT_EXEC = 4,
    CP_PTRACE_EVENT_EXIT = 6,
    CP_PTRACE_EVENT_STOP = 128,

    CP_NT_PRSTATUS = 1,
    CP_NT_PRFPREG = 2,
    CP_NT_X86_XSTATE = 0x202,

    CP_PTRACE_PEEKSIGINFO_SHARED = 1,
};

// include/uapi/linux/ptrace.h, struct ptrace_rseq_configuration
struct cp_rseq_configuration {
    uint64_t rseq_abi_pointer;
    uint32_t rseq_abi_size;
    uint32_t signature;
    uint32_t flags;
    uint32_t pad;
};

// include/uapi/linux/ptrace.h, struct ptrace_sud_config
struct cp_sud_config {
    uint64_t mode;
    uint64_t selector;
    uint64_t offset;
    uint64_t len;
};

// include/uapi/linux/ptrace.h, struct __ptrace_peeksiginfo_args
struct cp_peeksiginfo_args {
    uint64_t off;
    uint32_t flags;
    int32_t nr;
};

// The kernel's own struct sigaction of x86-64 (arch/x86/include/asm/signal.h), 8-byte signal sets.
struct cp_kernel_sigaction {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

// include/uapi/linux/sched.h, struct clone_args (version 2, 88 bytes)
struct cp_clone_args {
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_size;
    uint64_t cgroup;
};

// include/uapi/linux/prctl.h, struct prctl_mm_map
struct cp_prctl_mm_map {
    uint64_t start_code;
    uint64_t end_code;
    uint64_t start_data;
    uint64_t end_data;
    uint64_t start_brk;
    uint64_t brk;
    uint64_t start_stack;
    uint64_t arg_start;
    uint64_t arg_end;
    uint64_t env_start;
    uint64_t env_end;
    uint64_t auxv;
    uint32_t auxv_size;
    uint32_t exe_fd;
};

// include/uapi/linux/fs.h, struct page_region and struct pm_scan_arg (Linux 6.7)
struct cp_page_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};
struct cp_pm_scan_arg {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t vec;
    uint64_t vec_len;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};
#define CP_PAGEMAP_SCAN 0xc0606610u
enum {
    CP_PAGE_IS_WPALLOWED = 1,
    CP_PAGE_IS_WRITTEN = 2,
    CP_PAGE_IS_FILE = 4,
    CP_PAGE_IS_PRESENT = 8,
    CP_PAGE_IS_SWAPPED = 16,
    CP_PAGE_IS_PFNZERO = 32,
    CP_PAGE_IS_HUGE = 64,
    CP_PAGE_IS_SOFT_DIRTY = 128,
};

#endif
