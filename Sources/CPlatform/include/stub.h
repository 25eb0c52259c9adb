#ifndef CP_STUB_H
#define CP_STUB_H

#include <stdint.h>

/// Who becomes the parent of a stub.
enum {
    CP_STUB_CHILD = 0,   ///< the caller
    CP_STUB_SIBLING = 1, ///< the caller's own parent
    CP_STUB_ORPHAN = 2,  ///< the nearest child subreaper or init, through a process in between that exits
};

/// A new session whatever its number, for a tree that sees its own sessions alone.
enum { CP_STUB_ANY_SESSION = -1 };

/// Makes a copy of the caller with the process id `pid`, which does nothing but wait for the caller's end.
///
/// `namespaces` are CLONE_NEW* flags: the copy is the first process of such namespaces, and `pid` its number there.
/// Where `session` is not 0 the copy is born in a new session of this number, whose leader ends at once; that is refused
/// for CP_STUB_SIBLING with EOPNOTSUPP. `pid_namespace` is a descriptor of the pid namespace that the copy is born into, -1 for none. Handled signals are back at their defaults in it, all signals are blocked. It exits when the last copy of
/// `*keep` is closed, so a caller that dies leaves nothing behind. Returns the copy's number for the
/// caller, or -errno; EEXIST when the pid is taken.
int cp_stub_start(int32_t pid, int32_t session, uint64_t namespaces, int pid_namespace, int parent, int *keep);

/// Makes a child that ends at once with the wait status `status`, and leaves it as a zombie, to be reaped with __WALL.
///
/// Returns its pid or -errno.
int cp_ended_process(int status);

/// Makes a child with these ids and without any capability, whom everybody of these ids may look at, and which waits to
/// be killed. It dies with the thread that made it, tells nobody of its end, and is reaped with __WALL. `user_ns` and `pid_ns`
/// are descriptors of namespaces that it is to be in, -1 for ours; the ids are those of the first.
///
/// Returns its pid for us or -errno; EPERM where it cannot have these ids.
int cp_stand_in_start(uint32_t uid, uint32_t gid, int user_ns, int pid_ns);

#endif
