// subject --status FILE NAME [ARGUMENT…]: one small program a kind of kernel state; see subject.h.
#include "subject.h"

#include <stdio.h>
#include <stdlib.h>

static const struct subject subjects[] = {
    {"plain", plain, "a counter and 64 MiB of pattern"},
    {"unstoppable", unstoppable, "a thread that no tracer can stop"},
    {"registers", registers, "general, x87, SSE, AVX, AVX-512 registers and PKRU of three busy threads"},
    {"threads", threads, "thread ids, names, masks, alternate stacks, TLS, robust lists, join"},
    {"crowd", crowd, "forty threads with slacks, signals at a death, alternate stacks, a policy, securebits and ids of their own"},
    {"rseq", rseq, "rseq registration of each thread and a critical section"},
    {"signals", signals, "actions, masks, pending signals of thread and process, alternate stack"},
    {"memory", memory, "one area of each kind, with contents and flags"},
    {"files", files, "regular files, directories, devices, deleted files, flags and offsets"},
    {"pipes", pipes, "unread bytes, sizes and flags of pipes, some shared with a child"},
    {"fifos", fifos, "[deleted]: unread bytes, sizes and flags of named pipes, one shared with a child"},
    {"fdshare", fdshare, "open file descriptions and descriptor tables shared between tasks"},
    {"descriptors", descriptors, "hundreds of open files that look alike, some shared with a child"},
    {"tree", tree, "four generations, zombies, process groups, sessions"},
    {"creds", creds, "ids, groups, capability sets, securebits, no_new_privs; needs root"},
    {"identity", identity, "umask, cwd, comm, limits, nice, policy, affinity, oom_score_adj, personality"},
    {"clocks", clocks, "[ahead]: CLOCK_MONOTONIC and CLOCK_BOOTTIME go on where they were"},
    {"timers", timers, "interval timers and POSIX timers"},
    {"unix", unixsockets, "KIND: unix sockets of one kind, connected inside the tree"},
    {"inet", inet, "TCP, UDP, UDP-Lite and raw sockets without a connection; needs root"},
    {"tcp", tcp, "KIND: a connection of TCP, both ends in the tree; needs root"},
    {"link", link_sockets, "packet and netlink sockets; needs root"},
    {"events", events, "[KIND]: event counters, signal and timer descriptors"},
    {"pidfds", pidfds, "descriptors of processes that run, are zombies and have ended"},
    {"hugepages", huge_pages, "shared memory in huge pages: memfds, anonymous memory, segments"},
    {"memfds", memfds, "memory files, their seals, offsets and mappings"},
    {"epolls", epolls, "[exact]: epoll sets: nested, shared, edge-triggered, at rest"},
    {"locks", locks, "[leases]: flock, POSIX and open file description locks, or leases"},
    {"notify", notify, "[fanotify]: watches of files"},
    {"eintr", eintr, "CALL: a thread blocked in one system call, which must not notice"},
    {"killtarget", killtarget, "PAGE: three processes of three threads that look for damage all the time"},
    {"storm", storm, "KIND: tasks that come and go all the time, and look how each ended"},
    {"drift", drift, "KIND: changes one thing about itself when asked to, and runs on until it is killed"},
    {"terminals", terminals, "PART: pseudo terminals of which both sides are in the tree"},
    {"links", links, "[kept]: files that lost their name and have another"},
    {"devices", devices, "[own]: devices whose node is gone or replaced, or memory devices by their own; needs root"},
    {"cgroups", cgroups, "a group of its own in each hierarchy, with limits, and a child in a group below; with namespace these are the roots of a cgroup namespace; needs root"},
    {"directories", directories, "removed directories that are open, and a removed working directory; needs root"},
    {"tasks", tasks, "KIND: seccomp, dead leaders, shared tables and other ways of being a task"},
    {"aio", aio, ": rings of io_setup(2) with events that wait, also across the end of the ring"},
    {"denials", denials, "[own]: memory that may not become code any more, sealed code, and process-wide choices of prctl(2)"},
    {"areas", areas, "[huge|common]: areas that the kernel treats in ways of their own: guarded, sealed, locked, droppable, huge"},
    {"cow", cow, "[common]: private memory that parent, children and a grandchild share copy-on-write"},
    {"sysv", sysv, "[user|outside|undo]: segments, semaphores and message queues of System V IPC"},
    {"mqueues", mqueues, "[thread|mounted]: POSIX message queues of an ipc namespace that the caller has made"},
    {"ghosts", ghosts, "KIND: a deleted file that is large, or sparse, or has extended attributes"},
    {"outside", outside, "KIND: a pipe that a process outside reads"},
    {"pseudo", pseudo, "files of proc and sysfs about the whole system, read half"},
    {"processfiles", processfiles, "[common]: files of /proc/PID of its own, of parent, child and thread"},
    {"pathonly", pathonly, "[common]: names of files of each type by O_PATH, and files of O_TMPFILE"},
    {"placed", placed, "DIRECTORY: files, mappings and a deleted file in a directory that the caller has mounted"},
    {"mounts", mount_tables, "KIND|made COMMAND…: mounts of one kind, or those of the caller, in a mount namespace that the caller has made; needs root"},
    {"network", network, "[common] [ADDRESS…]: a network namespace that the caller has set up, and sockets in it; needs root"},
    {"nsfiles", nsfiles, "descriptors of its own namespaces, one shared with a child; needs root"},
    {"nested", nested, "KIND [outside]: a child in a namespace of its own, of uts and ipc two; ipc queue|segment; needs root"},
    {"usermap", usermap, "[common] [DIRECTORY]: ids of tasks, files, sockets and objects in a user namespace that --mapped has made"},
    {"views", views, "COMMAND…: what commands of a shell print of namespaces that the caller has set up"},
    {"unborn", unborn, ": has chosen a pid namespace for its children, and has none yet; needs root"},
    {"uncarried", uncarried, "KIND: a way of being a task that blocks a dump"},
    {"holder", holder, "KIND: holds one object of a kind that blocks a dump"},
};

static const size_t subject_count = sizeof subjects / sizeof subjects[0];

static int usage(void)
{
    fprintf(stderr, "usage: subject --status FILE NAME [ARGUMENT...]\n");
    for (size_t i = 0; i < subject_count; i++) fprintf(stderr, "  %-12s %s\n", subjects[i].name, subjects[i].about);
    return 64;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "--mapped") == 0) return run_mapped(argv + 2);
    if (argc < 4 || strcmp(argv[1], "--status") != 0) return usage();
    subject_start(argv[2]);
    for (size_t i = 0; i < subject_count; i++) {
        if (strcmp(argv[3], subjects[i].name) != 0) continue;
        subjects[i].run(argc - 3, argv + 3);
        subject_end();
    }
    return usage();
}
