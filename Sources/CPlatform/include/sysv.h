// Structures of shmctl(2), semctl(2) and msgctl(2).
#ifndef CP_SYSV_H
#define CP_SYSV_H

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#endif
