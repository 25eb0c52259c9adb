#ifndef CP_SYSCALLS_H
#define CP_SYSCALLS_H

#include <stddef.h>
#include <stdint.h>

/// One system call of our own process. Returns what the kernel returns: a value, or -errno in -4095..-1.
/// errno itself is left alone, so no other code can come between the call and the reading of its error.
long cp_syscall(long nr, long a, long b, long c, long d, long e, long f);

/// -errno for a call that a debug build is to do without, as an older kernel would answer it, else 0. See `KernelFeature`.
///
/// `cp_syscall` asks this by itself; calls that are made in other tasks must ask before.
long cp_masked_call(long nr, long a, long b, long c);

#endif
